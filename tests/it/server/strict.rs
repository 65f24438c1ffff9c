//! `--strict`: fields that are not documented are refused by name; without it they are ignored.

use mynah::http::extract::Strictness;
use serde_json::{Value, json};

use crate::support::{CONVERSATION, DEPLOYMENT, TestApp, continue_body, text_body};

async fn strict() -> TestApp {
    TestApp::with(|config| config.strictness = Strictness::Strict).await
}

/// Bodies for the paths below the deployment, each with a field that is not documented, and its
/// path.
fn with_unknown_fields() -> Vec<(&'static str, Value, &'static str)> {
    let with = |mut body: Value, field: &str, value: Value| {
        body[field] = value;
        body
    };
    let part = |field: &str| {
        json!({"content": [
            {"type": "text", "text": "Hi"},
            {"type": "image", "mime_type": "image/png", "file_uri": "https://e.org/a.png",
             field: "red"},
        ]})
    };
    vec![
        ("", with(text_body("Hi"), "colour", json!("red")), "colour"),
        ("", with(text_body("Hi"), "meta", json!({})), "meta"),
        ("", with(text_body("Hi"), "history_limit", json!(5)), "history_limit"),
        ("", with(text_body("Hi"), "conversation_id", json!(CONVERSATION)), "conversation_id"),
        ("", part("colour"), "content[1].colour"),
        ("/stream", with(text_body("Hi"), "colour", json!({"deep": 1})), "colour"),
        ("/stream", part("Text"), "content[1].Text"),
        ("/conversation", with(text_body("Hi"), "metadata", json!({})), "metadata"),
        ("/conversation", part("colour"), "content[1].colour"),
        ("/conversation", with(continue_body(CONVERSATION, "Hi"), "limit", json!(null)), "limit"),
        ("/conversation/stream", with(continue_body(CONVERSATION, "Hi"), "n", json!([1])), "n"),
    ]
}

#[tokio::test]
async fn unknown_fields_are_ignored_by_default() {
    let app = TestApp::start().await;
    for (path, body, _) in with_unknown_fields() {
        let answer = app.post(&format!("/v1/runner/{DEPLOYMENT}{path}"), &body).await;
        assert_eq!(answer.status, 200, "{body}");
    }
}

#[tokio::test]
async fn strict_mode_names_the_unknown_field_nested_ones_too() {
    let app = strict().await;
    for (path, body, field) in with_unknown_fields() {
        let answer =
            app.post(&format!("/v1/runner/{DEPLOYMENT}{path}"), &body).deliberately_invalid().await;
        let message = answer.invalid_request("not_allowed", field);
        assert!(message.contains(field), "{message}");
    }
    assert_eq!(app.runner().messages(CONVERSATION).await.len(), 2, "nothing is stored");
}

#[tokio::test]
async fn strict_mode_takes_every_documented_field() {
    let app = strict().await;
    let path = |rest: &str| format!("/v1/runner/{DEPLOYMENT}{rest}");
    let mut first = text_body("Hi");
    first["variables"] = json!({});
    app.post(&path(""), &first).await.good();
    assert_eq!(app.post(&path("/stream"), &first).await.status, 200);
    first["meta"] = json!({});
    first["history_limit"] = json!(3);
    app.post(&path("/conversation"), &first).await.good();
    let mut next = continue_body(CONVERSATION, "Hi");
    next["history_limit"] = json!(3);
    app.post(&path("/conversation"), &next).await.good();
    assert_eq!(app.post(&path("/conversation/stream"), &next).await.status, 200);
}

#[tokio::test]
async fn the_keys_of_variables_and_meta_stay_free_in_strict_mode() {
    let app = strict().await;
    let mut body = text_body("Hi");
    body["variables"] = json!({"ANY": {"deep": [{"er": 1}]}, "content": 1});
    body["meta"] = json!({"any": "thing", "content": 1, "colour": true});
    app.runner().start_conversation(DEPLOYMENT, &body).await.good();
}
