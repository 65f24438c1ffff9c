//! Runner API, `POST /v1/runner/{deployment_id}`: the answer, and structured output everywhere.

use serde_json::{Value, json};

use crate::support::{DEPLOYMENT, ECHO, JSON, TestApp, continue_body, text_body};

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_run_answers_with_content_model_tokens_and_request_id() {
    let app = TestApp::start().await;
    let answer = app.runner().run(DEPLOYMENT, "Tell me a story.").await.good();
    assert_eq!(keys(&answer), ["content", "model", "output_tokens", "input_tokens", "request_id"]);
    assert_eq!(answer["model"], "deepseek-chat");
    assert!(answer["content"].is_string());
    assert!(answer["input_tokens"].is_u64() && answer["output_tokens"].is_u64());
    assert!(answer["request_id"].as_str().unwrap().starts_with("req_"));
}

#[tokio::test]
async fn a_run_stores_nothing() {
    let app = TestApp::start().await;
    app.runner().run(DEPLOYMENT, "Hi").await.good();
    app.runner().stream(DEPLOYMENT, "Hi").await;
    assert_eq!(app.runner().conversation_ids("").await.len(), 1);
}

#[tokio::test]
async fn the_echo_deployment_repeats_the_last_message() {
    let app = TestApp::start().await;
    let answer = app.runner().run(ECHO, "  to the\nletter ").await.good();
    assert_eq!(
        (&answer["content"], &answer["model"]),
        (&json!("  to the\nletter "), &json!("echo"))
    );
}

// --- structured output ---------------------------------------------------------------------------

/// What the default fixtures answer to this text, as an object.
fn sentiment(text: &str) -> Value {
    json!({"text": text, "sentiment": "positive", "confidence": 0.93})
}

#[tokio::test]
async fn structured_output_is_an_object_in_a_run() {
    let app = TestApp::start().await;
    let text = "What is the sentiment of \"great\"?\n";
    let answer = app.runner().run(JSON, text).await.good();
    assert_eq!(answer["content"], sentiment(text));
    let made_up = app.runner().run(JSON, "Something else").await.good();
    assert!(made_up["content"].is_object(), "{made_up}");
}

#[tokio::test]
async fn structured_output_is_streamed_as_the_objects_json_text() {
    let app = TestApp::start().await;
    let text = "The sentiment, please";
    let chunks = app.runner().stream(JSON, text).await;
    let streamed: Value = serde_json::from_str(&chunks.concat()).unwrap();
    assert_eq!(streamed, sentiment(text));
}

#[tokio::test]
async fn structured_output_is_an_object_in_conversations_and_json_text_once_stored() {
    let app = TestApp::start().await;
    let path = format!("/v1/runner/{JSON}/conversation");
    let first = app.post(&path, &text_body("sentiment one")).await.good();
    assert_eq!(first["content"], sentiment("sentiment one"));
    let id = first["conversation_id"].as_str().unwrap();
    let second = app.runner().continue_conversation(JSON, id, "sentiment two").await.good();
    assert_eq!(second["content"], sentiment("sentiment two"));
    let body = continue_body(id, "sentiment three");
    let streamed = app.stream(&format!("{path}/stream"), &body).await.concat();
    let messages = app.runner().messages(id).await;
    for (index, text) in [(1, "sentiment one"), (3, "sentiment two"), (5, "sentiment three")] {
        let stored: Value =
            serde_json::from_str(messages[index]["content"].as_str().unwrap()).unwrap();
        assert_eq!(stored, sentiment(text));
    }
    assert_eq!(messages[5]["content"], streamed);
}

#[tokio::test]
async fn a_text_reply_of_a_structured_deployment_is_wrapped_in_an_object() {
    let rules = r#"
        [[rule]]
        when = { contains = "plain" }
        reply = [{ text = "just text" }]

        [[rule]]
        when = { contains = "object" }
        reply = [{ text = '{"b": [1, {}], "a": null}' }]

        [[deployment]]
        id = "JSON_ECHO"
        account = "demo"
        model = "echo"
        backend = "echo"
        output = "structured"
    "#;
    let app = TestApp::with_rules(rules).await;
    let answer = app.runner().run(JSON, "plain").await.good();
    assert_eq!(answer["content"], json!({"answer": "just text"}));
    let answer = app.runner().run(JSON, "object").await.good();
    assert_eq!(answer["content"], json!({"b": [1, {}], "a": null}));
    let answer = app.runner().run("JSON_ECHO", "Hi").await.good();
    assert_eq!(answer["content"], json!({"echo": "Hi"}));
}
