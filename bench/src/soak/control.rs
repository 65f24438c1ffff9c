//! The control plane: rules, the queue, clocks, journals, snapshots, forks, resets.

use futures::future::try_join;
use hyper::Method;
use serde_json::{Value, json};

use super::ask::{Client, RequestPlan};
use super::round::Round;
use super::tally::Expectation;

const RUN: &str = "/v1/runner/YOUR_DEPLOYMENT_ID";
/// Rules with a pattern each.
const PATTERNS: u32 = 30;

fn run(round: &Round<'_>, text: &str) -> RequestPlan {
    let body = json!({"content": [{"type": "text", "text": text}], "variables": {"TONE": "warm"}});
    RequestPlan::new("run", Method::POST, RUN).json(&body).key(&round.account.key)
}

/// Rules made, moved, answered by and removed; replies queued and used up.
pub(crate) async fn replies(round: &mut Round<'_>) -> anyhow::Result<()> {
    let replies = round.account.path("/replies");
    let new = |body: &Value, at: &str| {
        RequestPlan::new("replies", Method::POST, format!("{replies}{at}")).json(body)
    };
    let number = round.rng.u32(..);
    let rule = json!({
        "id": "greeting",
        "when": {"contains": "hello", "regex": "^(hello|hi)", "variables": {"TONE": "warm"}},
        "reply": [{"text": "{{ message.text }} {{ turn }}"}, {"json": {"number": number}}],
        "times": 3,
    });
    round.ask(new(&rule, "")).await?;
    round.ask(new(&json!({"reply": [{"text": "Else."}]}), "?at=0")).await?;
    round
        .ask(new(&json!({"reply": [{"text": "Before."}], "times": 1}), "?before=greeting"))
        .await?;
    let list = json!(["greeting", {"reply": [{"text": "Another."}]}]);
    round.ask(RequestPlan::new("replies", Method::PUT, &*replies).json(&list)).await?;
    round
        .ask(new(&json!([{"text": "Yes."}, {"text": "No.", "thoughts": "Hm."}]), "/queue"))
        .await?;
    for text in ["hello", "hello again", "hello once more", "something else"] {
        round.ask(run(round, text)).await?;
    }
    round.ask(RequestPlan::new("replies", Method::GET, &*replies)).await?;
    for gone in ["/greeting", "/queue", ""] {
        round.ask(RequestPlan::new("replies", Method::DELETE, format!("{replies}{gone}"))).await?;
    }
    Ok(())
}

/// Patterns: one that is too large, and many that are not.
pub(crate) async fn patterns(round: &mut Round<'_>) -> anyhow::Result<()> {
    let replies = round.account.path("/replies");
    let too_large = [r"(\w{100}){100}", r"((a{100}){100}){100}", "(?i)(\\p{L}{1,50}x){500}"];
    let rule = |pattern: &str| json!({"when": {"regex": pattern}, "reply": [{"text": "x"}]});
    for pattern in too_large {
        let new = RequestPlan::new("patterns", Method::POST, &*replies).json(&rule(pattern));
        round.ask(new.expected(Expectation::Answer)).await?;
    }
    let first = round.rng.u32(1..1000);
    let many = (first..first + PATTERNS).map(|nth| rule(&format!("(?i)order {nth}: \\w{{1,40}}$")));
    let many = RequestPlan::new("patterns", Method::PUT, &*replies).json(&many.collect());
    round.ask(many.expected(Expectation::Answer)).await?;
    round.ask(run(round, &format!("ORDER {first}: {}", "x".repeat(10_000)))).await?;
    round.ask(RequestPlan::new("patterns", Method::DELETE, &*replies)).await
}

/// The clock: read, set, advanced, set back, and let run on.
pub(crate) async fn clock(round: &mut Round<'_>) -> anyhow::Result<()> {
    let clock = round.account.path("/clock");
    let set = |body: &Value| RequestPlan::new("clock", Method::PUT, &*clock).json(body);
    let year = round.rng.u32(1971..2200);
    round.ask(set(&json!({"now": format!("{year}-02-28T23:59:59Z"), "frozen": true}))).await?;
    let advance = RequestPlan::new("clock", Method::POST, format!("{clock}/advance"));
    let seconds = round.rng.u32(0..100_000);
    round.ask(advance.json(&json!({"seconds": seconds}))).await?;
    round.ask(run(round, "What time is it?")).await?;
    round.ask(set(&json!({"now": "2026-01-01T00:00:00Z"}))).await?;
    round.ask(set(&json!({"frozen": false}))).await?;
    round.ask(RequestPlan::new("clock", Method::GET, &*clock)).await
}

/// The journal: listed, waited for, and cleared.
pub(crate) async fn journal(round: &mut Round<'_>) -> anyhow::Result<()> {
    let requests = round.account.path("/requests");
    let get = |more: &str| RequestPlan::new("journal", Method::GET, format!("{requests}{more}"));
    let marked = format!("marked {}", round.rng.u64(..));
    let wait = get(&format!("/wait?count=2&timeout=30s&body={}", marked.replace(' ', "+")));
    let mut waiter = Client::new(round.shared);
    let asks = [run(round, &marked), run(round, &marked)];
    let asking = async {
        for ask in asks {
            round.client.ask(ask).await?;
        }
        anyhow::Ok(())
    };
    try_join(waiter.ask(wait), asking).await?;
    // Nobody sends so many, and nobody waits: 408.
    let in_vain = get("/wait?count=900&timeout=1ms").expected(Expectation::Answer);
    round.ask(in_vain).await?;
    round.client.leave_after(get("/stream?since=0"), 2).await?;
    for filters in
        ["", "?limit=3", "?status=4xx&method=post", "?route=/api/v1/models", "?body=word"]
    {
        round.ask(get(filters)).await?;
    }
    round.ask(RequestPlan::new("journal", Method::DELETE, &*requests)).await
}

/// Snapshots taken and put back, forks, and resets, among them that of the fixtures' own account.
pub(crate) async fn snapshots(round: &mut Round<'_>) -> anyhow::Result<()> {
    let snapshot = round.account.path("/snapshot");
    let take = RequestPlan::new("snapshots", Method::GET, &*snapshot);
    let taken = round.client.json(take).await?;
    let seed = round.rng.u32(..);
    let fork = RequestPlan::new("snapshots", Method::POST, round.account.path("/fork"));
    let forked = round.client.json(fork.json(&json!({"seed": seed}))).await?;
    round.ask(run(round, "Between snapshot and restore.")).await?;
    round.ask(RequestPlan::new("snapshots", Method::PUT, &*snapshot).json(&taken)).await?;
    let text = |name: &str| forked.get(name).and_then(Value::as_str).unwrap_or_default();
    round.ask(run(round, "To a fork.").key(text("key"))).await?;
    let path = format!("/_mynah/accounts/{}", text("id"));
    let resets = [format!("{path}/reset"), round.account.path("/reset")];
    for reset in resets {
        let reset = RequestPlan::new("snapshots", Method::POST, reset).raw_json("");
        round.ask(reset.expected(Expectation::Answer)).await?;
    }
    // Its journal is where public deployments and requests without an account's key go.
    let demo =
        RequestPlan::new("snapshots", Method::POST, "/_mynah/accounts/demo/reset").raw_json("");
    round.ask(demo).await?;
    round.ask(RequestPlan::new("account", Method::DELETE, path)).await
}
