//! What one account owns, another cannot see.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{CONVERSATION, DEPLOYMENT, ECHO, NOW, TestApp, continue_body, text_body};

const OTHERS: [&str; 3] = ["free_api_key", "broke_api_key", "other_api_key"];

#[tokio::test]
async fn the_conversations_of_one_account_are_404_to_another() {
    let app = TestApp::start().await;
    let id = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    for key in OTHERS {
        let answer = app.runner_as(key).list_messages(&id, "").await;
        answer.runner_error(404, "invalid_request_error", "conversation_not_found");
    }
    for key in ["free_api_key", "broke_api_key"] {
        for rest in ["", "/stream"] {
            let path = format!("/{ECHO}/conversation{rest}");
            let request = app.runner_as(key).request(Method::POST, &path);
            let answer = request.json(&continue_body(&id, "Hi")).await;
            answer.runner_error(404, "invalid_request_error", "conversation_not_found");
        }
    }
    assert_eq!(app.runner().messages(&id).await.len(), 2);
}

#[tokio::test]
async fn another_accounts_id_is_refused_as_one_that_was_never_given() {
    let app = TestApp::start().await;
    let id = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    let message = |id: String| {
        let app = &app;
        async move {
            let answer = app.runner_as("free_api_key").list_messages(&id, "").await;
            answer.json()["error"]["message"].as_str().unwrap().replace(&id, "")
        }
    };
    assert_eq!(message(id).await, message("never".to_owned()).await);
}

#[tokio::test]
async fn lists_hold_an_accounts_own_conversations_only() {
    let app = TestApp::start().await;
    let mut body = text_body("Hi");
    body["meta"] = json!({"k": "v"});
    app.runner().start_conversation(ECHO, &body).await.good();
    for key in OTHERS {
        let all = app.runner_as(key).list_conversations("").await.good();
        assert_eq!((&all["total"], &all["items"][0]["id"]), (&json!(1), &json!(CONVERSATION)));
        let labelled = app.runner_as(key).list_conversations("?k=v").await.good();
        assert_eq!(labelled["total"], 0);
    }
    for key in ["free_api_key", "broke_api_key"] {
        let list = app.runner_as(key).list_deployment_conversations(ECHO, "");
        assert_eq!(list.await.good()["total"], 0);
    }
}

#[tokio::test]
async fn every_account_starts_with_its_own_copy_of_the_fixtures() {
    let app = TestApp::start().await;
    let total = async |key| {
        app.runner_as(key).list_messages(CONVERSATION, "").await.good()["total"].clone()
    };
    app.runner().continue_conversation(DEPLOYMENT, CONVERSATION, "Hi").await.good();
    for key in OTHERS {
        assert_eq!(total(key).await, 2);
    }
    for _ in 0..2 {
        let free = app.runner_as("free_api_key");
        free.continue_conversation(DEPLOYMENT, CONVERSATION, "Hi").await.good();
    }
    for (key, expected) in [("YOUR_API_KEY", 4), ("free_api_key", 6), ("broke_api_key", 2)] {
        assert_eq!(total(key).await, expected);
    }
}

#[tokio::test]
async fn both_keys_of_an_account_open_the_same_account() {
    let app = TestApp::start().await;
    let id = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    let messages = app.runner_as("your_api_key_here").list_messages(&id, "").await.good();
    assert_eq!(messages["total"], 2);
}

#[tokio::test]
async fn every_account_has_a_clock_of_its_own() {
    let app = TestApp::start().await;
    app.clock("demo").advance(Duration::from_hours(24));
    let mine = app.runner().start_conversation(ECHO, "Hi").await.good();
    let theirs = app.runner_as("free_api_key").start_conversation(ECHO, "Hi").await.good();
    assert_eq!(
        (&mine["created_at"], &theirs["created_at"]),
        (&json!("2026-05-02T12:00:00Z"), &json!(NOW))
    );
}
