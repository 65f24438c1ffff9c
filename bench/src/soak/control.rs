//! The control plane: rules, the queue, clocks, request logs, snapshots, forks, resets.

use futures::future::try_join;
use hyper::Method;
use serde_json::{Value, json};

use super::client::{Client, RequestPlan};
use super::round::Round;
use super::tally::Expectation;

const RUN: &str = "/v1/runner/YOUR_DEPLOYMENT_ID";
/// Number of rules with a pattern.
const PATTERNS: u32 = 30;

fn run(round: &Round<'_>, text: &str) -> RequestPlan {
    let body = json!({"content": [{"type": "text", "text": text}], "variables": {"TONE": "warm"}});
    RequestPlan::new("run", Method::POST, RUN).json(&body).key(&round.account.key)
}

/// Adds, moves, uses and removes rules; queues and uses replies.
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
    round.send(new(&rule, "")).await?;
    round.send(new(&json!({"reply": [{"text": "Else."}]}), "?at=0")).await?;
    round
        .send(new(&json!({"reply": [{"text": "Before."}], "times": 1}), "?before=greeting"))
        .await?;
    let list = json!(["greeting", {"reply": [{"text": "Another."}]}]);
    round.send(RequestPlan::new("replies", Method::PUT, &*replies).json(&list)).await?;
    round
        .send(new(&json!([{"text": "Yes."}, {"text": "No.", "thoughts": "Hm."}]), "/queue"))
        .await?;
    for text in ["hello", "hello again", "hello once more", "something else"] {
        round.send(run(round, text)).await?;
    }
    round.send(RequestPlan::new("replies", Method::GET, &*replies)).await?;
    for gone in ["/greeting", "/queue", ""] {
        round.send(RequestPlan::new("replies", Method::DELETE, format!("{replies}{gone}"))).await?;
    }
    Ok(())
}

/// Sends patterns that are too large, and many valid ones.
pub(crate) async fn patterns(round: &mut Round<'_>) -> anyhow::Result<()> {
    let replies = round.account.path("/replies");
    let too_large = [r"(\w{100}){100}", r"((a{100}){100}){100}", "(?i)(\\p{L}{1,50}x){500}"];
    let rule = |pattern: &str| json!({"when": {"regex": pattern}, "reply": [{"text": "x"}]});
    for pattern in too_large {
        let new = RequestPlan::new("patterns", Method::POST, &*replies).json(&rule(pattern));
        round.send(new.expected(Expectation::Answer)).await?;
    }
    let first = round.rng.u32(1..1000);
    let many = (first..first + PATTERNS).map(|nth| rule(&format!("(?i)order {nth}: \\w{{1,40}}$")));
    let many = RequestPlan::new("patterns", Method::PUT, &*replies).json(&many.collect());
    round.send(many.expected(Expectation::Answer)).await?;
    round.send(run(round, &format!("ORDER {first}: {}", "x".repeat(10_000)))).await?;
    round.send(RequestPlan::new("patterns", Method::DELETE, &*replies)).await
}

/// Reads, sets, advances, sets back and restarts the clock.
pub(crate) async fn clock(round: &mut Round<'_>) -> anyhow::Result<()> {
    let clock = round.account.path("/clock");
    let set = |body: &Value| RequestPlan::new("clock", Method::PUT, &*clock).json(body);
    let year = round.rng.u32(1971..2200);
    round.send(set(&json!({"now": format!("{year}-02-28T23:59:59Z"), "frozen": true}))).await?;
    let advance = RequestPlan::new("clock", Method::POST, format!("{clock}/advance"));
    let seconds = round.rng.u32(0..100_000);
    round.send(advance.json(&json!({"seconds": seconds}))).await?;
    round.send(run(round, "What time is it?")).await?;
    round.send(set(&json!({"now": "2026-01-01T00:00:00Z"}))).await?;
    round.send(set(&json!({"frozen": false}))).await?;
    round.send(RequestPlan::new("clock", Method::GET, &*clock)).await
}

/// Creates triggers, starts from them, lists them and expires one.
pub(crate) async fn triggers(round: &mut Round<'_>) -> anyhow::Result<()> {
    let new = RequestPlan::new("triggers", Method::POST, format!("{RUN}/trigger"));
    let hours = f64::from(round.rng.u32(1..1000)) / 10.0;
    let body = json!({"content": [{"type": "text", "text": "An event."}], "ttl_hours": hours});
    let created = round.client.json(new.json(&body).key(&round.account.key)).await?;
    let id = created.get("id").and_then(Value::as_str).unwrap_or_default();
    let body = json!({"content": [{"type": "text", "text": "And now?"}], "trigger_id": id});
    let start = |rest: &str| {
        let plan = RequestPlan::new("triggers", Method::POST, format!("{RUN}{rest}"));
        plan.json(&body).key(&round.account.key)
    };
    let starts = [start(""), start("/stream"), start("/conversation")];
    let late = start("").expected(Expectation::Answer);
    for plan in starts {
        round.send(plan).await?;
    }
    let one = RequestPlan::new("triggers", Method::GET, format!("{RUN}/trigger/{id}"));
    round.send(one.key(&round.account.key)).await?;
    let triggers = round.account.path("/triggers");
    round.send(RequestPlan::new("triggers", Method::GET, &*triggers)).await?;
    let expire = RequestPlan::new("triggers", Method::POST, format!("{triggers}/{id}/expire"));
    round.send(expire.raw_json("")).await?;
    round.send(late).await
}

/// Lists, waits for, and clears the request log.
pub(crate) async fn request_log(round: &mut Round<'_>) -> anyhow::Result<()> {
    let requests = round.account.path("/requests");
    let get =
        |more: &str| RequestPlan::new("request log", Method::GET, format!("{requests}{more}"));
    let marked = format!("marked {}", round.rng.u64(..));
    let wait = get(&format!("/wait?count=2&timeout=30s&body={}", marked.replace(' ', "+")));
    let mut waiter = Client::new(round.shared);
    let runs = [run(round, &marked), run(round, &marked)];
    let sending = async {
        for request in runs {
            round.client.send(request).await?;
        }
        anyhow::Ok(())
    };
    try_join(waiter.send(wait), sending).await?;
    // Not so many requests are sent: 408.
    let unmatched = get("/wait?count=900&timeout=1ms").expected(Expectation::Answer);
    round.send(unmatched).await?;
    round.client.leave_after(get("/stream?since=0"), 2).await?;
    for filters in
        ["", "?limit=3", "?status=4xx&method=post", "?route=/api/v1/models", "?body=word"]
    {
        round.send(get(filters)).await?;
    }
    round.send(RequestPlan::new("request log", Method::DELETE, &*requests)).await
}

/// Takes and restores snapshots, forks, and resets accounts, including one of the fixtures.
pub(crate) async fn snapshots(round: &mut Round<'_>) -> anyhow::Result<()> {
    let snapshot = round.account.path("/snapshot");
    let take = RequestPlan::new("snapshots", Method::GET, &*snapshot);
    let taken = round.client.json(take).await?;
    let seed = round.rng.u32(..);
    let fork = RequestPlan::new("snapshots", Method::POST, round.account.path("/fork"));
    let forked = round.client.json(fork.json(&json!({"seed": seed}))).await?;
    round.send(run(round, "Between snapshot and restore.")).await?;
    round.send(RequestPlan::new("snapshots", Method::PUT, &*snapshot).json(&taken)).await?;
    let text = |name: &str| forked.get(name).and_then(Value::as_str).unwrap_or_default();
    round.send(run(round, "To a fork.").key(text("key"))).await?;
    let path = format!("/_mynah/accounts/{}", text("id"));
    let resets = [format!("{path}/reset"), round.account.path("/reset")];
    for reset in resets {
        let reset = RequestPlan::new("snapshots", Method::POST, reset).raw_json("");
        round.send(reset.expected(Expectation::Answer)).await?;
    }
    // Its request log also holds requests to public deployments and without an account's key.
    let demo =
        RequestPlan::new("snapshots", Method::POST, "/_mynah/accounts/demo/reset").raw_json("");
    round.send(demo).await?;
    round.send(RequestPlan::new("account", Method::DELETE, path)).await
}
