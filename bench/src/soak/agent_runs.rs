//! Agent runs: started, resumed, read, listed, resumed by the control plane.

use hyper::Method;
use serde_json::{Value, json};

use super::client::RequestPlan;
use super::round::Round;
use super::tally::Expectation;

const KIND: &str = "agent runs";
const AGENT: &str = "/v2/runner/AGENT_DEPLOYMENT_ID/conversation";

fn post(round: &Round<'_>, body: &Value) -> RequestPlan {
    RequestPlan::new(KIND, Method::POST, AGENT).json(body).key(&round.account.key)
}

/// Starts a run that waits for the weather; returns its answer.
async fn started(round: &mut Round<'_>) -> anyhow::Result<Value> {
    let body = json!({
        "content": [{"type": "text", "text": "What is the weather in Oslo?"}],
        "client_capabilities": ["get_weather", {"name": "ask_user", "input_schema": {}}],
    });
    round.client.json(post(round, &body)).await
}

/// The string at a JSON pointer; empty without one.
fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// The results for the call of `run`: `sky`.
fn results(run: &Value, sky: &str) -> Value {
    let call = text(run, "/client_tool_calls/0/call_id");
    json!([{"call_id": call, "output": {"sky": sky}}])
}

/// The body that resumes `run` with `sky`.
fn resume(run: &Value, sky: &str) -> Value {
    let id = text(run, "/conversation_id");
    json!({"conversation_id": id, "tool_results": results(run, sky)})
}

/// Sends each request of a run, also those that are refused.
pub(crate) async fn all(round: &mut Round<'_>) -> anyhow::Result<()> {
    let run = started(round).await?;
    let early = json!({
        "conversation_id": text(&run, "/conversation_id"),
        "content": [{"type": "text", "text": "And now?"}],
    });
    round.send(post(round, &early).expected(Expectation::Answer)).await?;
    let storm = resume(&run, "storm");
    let asked = round.client.json(post(round, &storm)).await?;
    round.send(post(round, &storm)).await?;
    round.send(post(round, &resume(&run, "clear")).expected(Expectation::Answer)).await?;
    round.send(post(round, &resume(&asked, "Yes."))).await?;
    history(round, &run).await?;
    resumed_for_the_client(round).await
}

/// Reads the history page by page.
async fn history(round: &mut Round<'_>, run: &Value) -> anyhow::Result<()> {
    let id = text(run, "/conversation_id");
    let limit = round.rng.u32(1..4);
    let mut target = format!("{AGENT}/{id}/history?limit={limit}");
    loop {
        let page = RequestPlan::new(KIND, Method::GET, &*target).key(&round.account.key);
        let page = round.client.json(page).await?;
        let cursor = page.pointer("/next_cursor").and_then(Value::as_str);
        let Some(cursor) = cursor else { return Ok(()) };
        target = format!("{AGENT}/{id}/history?limit={limit}&cursor={cursor}");
    }
}

/// Lists the runs, and resumes one in the client's place.
async fn resumed_for_the_client(round: &mut Round<'_>) -> anyhow::Result<()> {
    let run = started(round).await?;
    let runs = round.account.path("/runs");
    round.send(RequestPlan::new(KIND, Method::GET, &*runs)).await?;
    let id = text(&run, "/run_id");
    let body = json!({"tool_results": results(&run, "clear")});
    let resume = RequestPlan::new(KIND, Method::POST, format!("{runs}/{id}/resume"));
    round.send(resume.json(&body)).await
}
