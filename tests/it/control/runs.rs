//! Agent runs in the control plane: listed, resumed, recorded.

use serde_json::{Value, json};

use crate::support::TestApp;

const AGENT: &str = "AGENT_DEPLOYMENT_ID";

async fn start(app: &TestApp) -> Value {
    let body = json!({
        "content": [{"type": "text", "text": "What is the weather in Oslo?"}],
        "client_capabilities": ["get_weather"],
    });
    app.runner().run_agent(AGENT, &body).await.good()
}

fn results(run: &Value, output: &Value) -> Value {
    let call = &run["client_tool_calls"][0]["call_id"];
    json!({"tool_results": [{"call_id": call, "output": output}]})
}

#[tokio::test]
async fn runs_are_listed_and_resumed_in_the_clients_place() {
    let app = TestApp::start().await;
    assert_eq!(app.demo().runs().await.array(), Vec::<Value>::new());
    let first = start(&app).await;
    let second = start(&app).await;
    let listed = app.demo().runs().await.array();
    let ids: Vec<&Value> = listed.iter().map(|run| &run["run_id"]).collect();
    assert_eq!(ids, [&second["run_id"], &first["run_id"]]);
    let run = &listed[1];
    for field in ["conversation_id", "run_status", "client_tool_calls", "progress"] {
        assert_eq!(run[field], first[field], "{field}");
    }
    assert_eq!(
        (&run["deployment_id"], &run["capabilities"]),
        (&json!(AGENT), &json!(["get_weather"]))
    );
    assert_eq!((&run["content"], &run["due_at"]), (&Value::Null, &json!("2026-05-02T12:00:00Z")));
    let id = run["run_id"].as_str().unwrap();
    let output = json!({"temperature": 21});
    let resumed = app.demo().resume_run(id, &results(&first, &output)).await.good();
    assert_eq!(
        (&resumed["run_id"], &resumed["run_status"]),
        (&first["run_id"], &json!("completed"))
    );
    // The client gets the same answer.
    let mut body = results(&first, &output);
    body["conversation_id"] = first["conversation_id"].clone();
    let answered = app.runner().run_agent(AGENT, &body).await.good();
    assert_eq!(answered["content"], resumed["content"]);
}

#[tokio::test]
async fn a_resume_that_cannot_be_is_refused() {
    let app = TestApp::start().await;
    let run = start(&app).await;
    let id = run["run_id"].as_str().unwrap();
    let good = results(&run, &json!({}));
    app.demo().resume_run("run_0", &good).await.error_message(404);
    app.control().account("nobody").runs().await.error_message(404);
    for body in [json!({}), json!({"tool_results": [{"call_id": "call_0", "output": {}}]})] {
        app.demo().resume_run(id, &body).await.error_message(400);
    }
    app.demo().resume_run(id, &good).await.good();
    app.demo().resume_run(id, &results(&run, &json!({"other": 1}))).await.error_message(409);
}

#[tokio::test]
async fn the_request_log_has_the_tools_that_were_offered_called_and_resolved() {
    let app = TestApp::start().await;
    let run = start(&app).await;
    let model = app.demo().latest_request().await["model"].clone();
    assert_eq!(model["tools"]["capabilities"], json!([{"name": "get_weather"}]));
    assert_eq!(
        (&model["run"]["id"], &model["run"]["status"]),
        (&run["run_id"], &run["run_status"])
    );
    let call = &run["client_tool_calls"][0];
    let called = json!([{"call_id": call["call_id"], "name": "get_weather"}]);
    assert_eq!(model["run"]["tool_calls"], called);
    let mut body = results(&run, &json!({"temperature": 21}));
    body["conversation_id"] = run["conversation_id"].clone();
    app.runner().run_agent(AGENT, &body).await.good();
    let model = app.demo().latest_request().await["model"].clone();
    let resolved = &model["tools"]["resolved"][0];
    assert_eq!(
        (&resolved["call_id"], &resolved["output"]),
        (&call["call_id"], &json!({"temperature": 21}))
    );
    assert_eq!(model["run"]["tool_calls"], json!([]));
}
