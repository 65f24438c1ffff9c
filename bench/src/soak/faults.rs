//! Requests that fail on purpose: every effect of a fault, and templates that fail or exceed their
//! budget. All on a separate account.

use hyper::Method;
use serde_json::{Value, json};

use super::client::RequestPlan;
use super::round::Round;
use super::tally::Expectation;

const RUN: &str = "/v1/runner/YOUR_DEPLOYMENT_ID";
/// Number of expensive templates in a round.
const GREEDY: usize = 2;

/// Sends every effect, on whole answers and on streams.
pub(crate) async fn all(round: &mut Round<'_>) -> anyhow::Result<()> {
    let effects = [
        json!({"status": 503, "retry_after": 1}),
        json!({"status": 418}),
        json!({"drop": "before_answer"}),
        json!({"drop": "after_commit"}),
        json!({"delay_ms": 1}),
        json!({"body": "empty"}),
        json!({"body": "truncated"}),
        json!({"body": "malformed"}),
        json!({"content_type": "text/html"}),
        json!({"break_after": 2}),
        json!({"end_after": 2}),
        json!({"pace_ms": 1}),
        json!({"repeat_chunk": 2}),
        json!({"split_character": true}),
    ];
    let faults = round.faulty.path("/faults");
    for effect in effects {
        let fault = json!({"when": {"api": "runner", "every": 1}, "times": 2, "effect": effect});
        let fault = RequestPlan::new("faults", Method::POST, &*faults).json(&fault);
        let made = round.client.json(fault).await?;
        for target in [RUN.to_owned(), format!("{RUN}/stream")] {
            round.send(failing(round, &target)).await?;
        }
        let id = made.get("id").and_then(Value::as_str).unwrap_or_default();
        let remove = RequestPlan::new("faults", Method::DELETE, format!("{faults}/{id}"));
        round.send(remove).await?;
    }
    let header = failing(round, RUN).header("x-mynah-fault", "status=503, retry_after=5");
    round.send(header).await?;
    // The client disconnects from a stalled stream; the fault is removed with its account.
    let stall = json!({"effect": {"stall_after": 1}});
    round.send(RequestPlan::new("faults", Method::POST, &*faults).json(&stall)).await?;
    let stalled = failing(round, &format!("{RUN}/stream"));
    round.client.leave_after(stalled, 1).await?;
    round.send(RequestPlan::new("faults", Method::GET, &*faults)).await?;
    round.send(RequestPlan::new("faults", Method::DELETE, &*faults)).await
}

/// Sends templates that fail, that nest too deep, and some that would take too much time or memory; each of
/// the latter uses its whole budget.
pub(crate) async fn templates(round: &mut Round<'_>) -> anyhow::Result<()> {
    let greedy = [
        loops(3),
        "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}".to_owned(),
        "{% set ns = namespace(s='ab') %}{% for i in range(40) %}{% set ns.s = ns.s ~ ns.s %}\
         {% endfor %}{{ ns.s }}"
            .to_owned(),
        "{{ '%1000000000d'|format(1) }}".to_owned(),
        "{{ 'a'|indent(1000000000) }}".to_owned(),
        "{% for i in range(100000) %}{{ message.text }} and more of it {% endfor %}".to_owned(),
    ];
    let deep = ["(", "[", "-", "not ", "a.b", "1|e"].map(|piece| piece.repeat(3000));
    let deep = deep.map(|inside| format!("{{{{ {inside} }}}}"));
    let mut templates = round.rng.choose_multiple(greedy, GREEDY);
    templates.extend(deep);
    templates.extend(["{{ 1 / 0 }}", "{{ nothing.at.all }}"].map(str::to_owned));
    let queue = round.faulty.path("/replies/queue");
    for template in templates {
        let reply =
            RequestPlan::new("templates", Method::POST, &*queue).json(&json!({"text": template}));
        round.send(reply.expected(Expectation::Answer)).await?;
        round.send(RequestPlan { kind: "templates", ..failing(round, RUN) }).await?;
    }
    round.send(RequestPlan::new("templates", Method::DELETE, &*queue)).await
}

/// A template with `deep` nested loops.
fn loops(deep: usize) -> String {
    let (begin, end) = ("{% for i in range(100000) %}", "{% endfor %}");
    format!("{}{}", begin.repeat(deep), end.repeat(deep))
}

/// A request to the account with faults.
fn failing(round: &Round<'_>, target: &str) -> RequestPlan {
    let body =
        json!({"content": [{"type": "text", "text": "Ähnliches, bitte: one two three four"}]});
    let plan = RequestPlan::new("faults", Method::POST, target).json(&body);
    plan.key(&round.faulty.key).expected(Expectation::Anything)
}
