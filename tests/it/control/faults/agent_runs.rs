//! Faults of agent runs: refused on demand, and answers that are lost.

use serde_json::{Value, json};

use super::{add_fault, delete_faults, get, post, post_with_client};
use crate::support::{AGENT, TestApp};

const ROUTE: &str = "/v2/runner/{deployment_id}/conversation";

fn path() -> String {
    format!("/v2/runner/{AGENT}/conversation")
}

/// Starts a run that waits for the weather.
async fn start(app: &TestApp) -> Value {
    let body = json!({
        "content": [{"type": "text", "text": "What is the weather in Oslo?"}],
        "client_capabilities": ["get_weather"],
    });
    app.runner().run_agent(AGENT, &body).await.good()
}

fn results(run: &Value) -> Value {
    let call = &run["client_tool_calls"][0]["call_id"];
    json!({
        "conversation_id": run["conversation_id"],
        "tool_results": [{"call_id": call, "output": {"sky": "clear"}}],
    })
}

#[tokio::test]
async fn a_fault_refuses_agent_runs_with_409_on_demand() {
    let app = TestApp::start().await;
    let run = start(&app).await;
    let rule = json!({"when": {"route": ROUTE}, "times": 2, "effect": {"status": 409}});
    add_fault(&app, rule).await;
    let message = json!({"content": [{"type": "text", "text": "Hi"}]});
    for body in [&results(&run), &message] {
        let refused = post(&app, &path(), body).await;
        refused.runner_error(409, "invalid_request_error", "conflict");
    }
    let id = run["conversation_id"].as_str().unwrap();
    let history = get(&app, &format!("{}/{id}/history", path())).await.good();
    assert_eq!(history["run_status"], "waiting_for_client_action");
    let answered = post(&app, &path(), &results(&run)).await.good();
    assert_eq!(answered["run_status"], "completed");
}

#[tokio::test]
async fn a_resume_whose_answer_is_lost_is_stored_once_and_answered_when_it_is_repeated() {
    let app = TestApp::start().await;
    let run = start(&app).await;
    let rule = json!({"when": {"route": ROUTE}, "effect": {"drop": "after_commit"}});
    add_fault(&app, rule).await;
    let lost = post_with_client(&app, &path(), &results(&run)).await;
    assert!(lost.unwrap_err().is_request());
    delete_faults(&app).await;
    let id = run["conversation_id"].as_str().unwrap();
    let history = async || get(&app, &format!("{}/{id}/history", path())).await.good();
    let stored = history().await;
    assert_eq!(stored["run_status"], "completed");
    let first = post(&app, &path(), &results(&run)).await.good();
    let mut second = post(&app, &path(), &results(&run)).await.good();
    assert_eq!(first["content"], stored["items"][2]["content"][0]["text"]);
    second["request_id"] = first["request_id"].clone();
    assert_eq!(second, first);
    assert_eq!(history().await, stored);
}
