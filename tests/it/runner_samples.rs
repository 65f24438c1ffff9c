//! Every sample of the Runner API's documents, sent as printed and answered as printed.

use serde_json::json;

use crate::support::{CONVERSATION, TestApp};

/// runner-overview.txt, "Standard API".
#[tokio::test]
async fn overview_standard_api() {
    let app = TestApp::start().await;
    let body = json!({"content": [{"type": "text", "text": "Your input message here."}]});
    let mut answer = app.post("/v1/runner/YOUR_DEPLOYMENT_ID", &body).await.good();
    assert!(answer["request_id"].take().as_str().unwrap().starts_with("req_"));
    assert_eq!(
        answer,
        json!({
            "content": "Your AI-generated response here...",
            "model": "deepseek-chat",
            "output_tokens": 123,
            "input_tokens": 456,
            "request_id": null,
        })
    );
}

/// runner-conversation-rest.txt, "GET …/messages", "Example response".
#[tokio::test]
async fn rest_messages() {
    let app = TestApp::start().await;
    let path = format!("/v1/runner/conversation/{CONVERSATION}/messages");
    assert_eq!(
        app.get(&path).await.good(),
        json!({
            "items": [
                {"id": "msg_1", "role": "user", "content": "Hi", "created_at": "2026-03-24T09:00:00Z"},
                {"id": "msg_2", "role": "assistant", "content": "Hello! How can I help?",
                 "created_at": "2026-03-24T09:00:02Z"},
            ],
            "total": 2, "page": 1, "page_size": 20, "has_more": false,
        })
    );
}
