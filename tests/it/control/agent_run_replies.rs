//! Replies for agent runs in an account's rules and queue. Other requests pass over them.

use serde_json::{Value, json};

use crate::support::{DEPLOYMENT, TestApp};

fn weather_rule() -> Value {
    json!({
        "id": "weather",
        "when": {"contains": "weather", "capability": "get_weather"},
        "reply": [
            {"tool_calls": [{"name": "get_weather", "arguments": {"city": "{{ turn }}"}}], "text": "One moment."},
            {"text": "Later.", "complete": true, "run": "background", "after_ms": 5},
        ],
    })
}

#[tokio::test]
async fn replies_for_agent_runs_are_kept_and_other_requests_pass_over_them() {
    let app = TestApp::start().await;
    app.demo().add_reply_rule(&weather_rule(), "").await.created();
    let queued = json!([{"run": "failed"}, {"tool_calls": [{"name": "ask_user"}]}]);
    app.demo().queue_replies(&queued, "").await.created();
    let answer = app.runner().run(DEPLOYMENT, "The weather?").await.good();
    assert!(answer["content"].as_str().unwrap().contains("weather"), "{answer}");
    let miss = json!({"rule": "weather", "condition": "capability", "wanted": "get_weather", "found": null});
    assert_eq!(app.demo().latest_request().await["model"]["near_misses"], json!([miss]));
    let shown = app.demo().replies().await.good();
    assert_eq!(shown["rules"], json!([{"id": "weather", "answered": 0, "rule": weather_rule()}]));
    assert_eq!(shown["queue"][0]["reply"], queued[0]);
    assert_eq!(shown["queue"][1]["reply"], queued[1]);

    let snapshot = app.demo().snapshot().await.good();
    assert_eq!(app.demo().delete_replies().await.status, 204);
    assert!(app.demo().restore(&snapshot).await.status.is_success());
    assert_eq!(app.demo().replies().await.good(), shown);
}

#[tokio::test]
async fn wrong_replies_for_agent_runs_are_refused_by_the_path_of_their_field() {
    let app = TestApp::start().await;
    for (rule, expected) in [
        (
            json!({"reply": [{"tool_calls": [{"name": "a"}, {"name": "a b"}]}]}),
            "reply[0].tool_calls[1].name: the name of a tool has 1 to 64 characters",
        ),
        (
            json!({"reply": [{"tool_calls": [{"name": "a", "arguments": {"b": "{{ 1"}}]}]}),
            "reply[0].tool_calls[0].arguments: syntax error",
        ),
        (
            json!({"reply": [{"tool_calls": [{"name": "a", "arguments": []}]}]}),
            "reply[0].tool_calls[0].arguments must be an object",
        ),
        (json!({"reply": [{"text": "x", "run": "expired"}]}), "reply[0].run: unknown variant"),
        (json!({"reply": [{"text": "x", "after_ms": 1}]}), "reply[0].after_ms: `after_ms` is for"),
        (
            json!({"when": {"tool_result": {}}, "reply": [{"text": "x"}]}),
            "when.tool_result: a condition on a tool's result needs `name` or `contains`",
        ),
        (
            json!({"when": {"tool_result": {"names": "a"}}, "reply": [{"text": "x"}]}),
            "when.tool_result.names is not a known field",
        ),
    ] {
        let refused = app.demo().add_reply_rule(&rule, "").await;
        assert_eq!(refused.status, 400, "{rule}");
        let message = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(message.starts_with(expected), "{rule}: {message}");
    }
    assert_eq!(app.demo().replies().await.good(), json!({"rules": [], "queue": []}));
}
