//! What one account owns, another cannot see.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, CONVERSATION, DEPLOYMENT, ECHO, NOW, TestApp, going_on, said};

const OTHERS: [&str; 3] = ["free_api_key", "broke_api_key", "other_api_key"];

async fn get_as(app: &TestApp, key: &str, path: &str) -> Answer {
    app.request(Method::GET, path).key(key).send().await
}

async fn post_as(app: &TestApp, key: &str, path: &str, body: &Value) -> Answer {
    app.request(Method::POST, path).key(key).json(body).send().await
}

#[tokio::test]
async fn the_conversations_of_one_account_are_404_to_another() {
    let app = TestApp::start().await;
    let id = app.start_conversation(ECHO, "Hi").await;
    for key in OTHERS {
        let messages = format!("/v1/runner/conversation/{id}/messages");
        let answer = get_as(&app, key, &messages).await;
        answer.refused(404, "invalid_request_error", "conversation_not_found");
    }
    for key in ["free_api_key", "broke_api_key"] {
        for rest in ["", "/stream"] {
            let path = format!("/v1/runner/{ECHO}/conversation{rest}");
            let answer = post_as(&app, key, &path, &going_on(&id, "Hi")).await;
            answer.refused(404, "invalid_request_error", "conversation_not_found");
        }
    }
    assert_eq!(app.messages(&id).await.len(), 2);
}

#[tokio::test]
async fn another_accounts_id_is_refused_as_one_that_was_never_given() {
    let app = TestApp::start().await;
    let id = app.start_conversation(ECHO, "Hi").await;
    let message = |id: String| {
        let app = &app;
        async move {
            let path = format!("/v1/runner/conversation/{id}/messages");
            let said = get_as(app, "free_api_key", &path).await;
            said.json()["error"]["message"].as_str().unwrap().replace(&id, "")
        }
    };
    assert_eq!(message(id).await, message("never".to_owned()).await);
}

#[tokio::test]
async fn lists_hold_an_accounts_own_conversations_only() {
    let app = TestApp::start().await;
    let mut body = said("Hi");
    body["meta"] = json!({"k": "v"});
    app.post(&format!("/v1/runner/{ECHO}/conversation"), &body).await.good();
    for key in OTHERS {
        let all = get_as(&app, key, "/v1/runner/conversations").await.good();
        assert_eq!((&all["total"], &all["items"][0]["id"]), (&json!(1), &json!(CONVERSATION)));
        let labelled = get_as(&app, key, "/v1/runner/conversations?k=v").await.good();
        assert_eq!(labelled["total"], 0);
    }
    for key in ["free_api_key", "broke_api_key"] {
        let path = format!("/v1/runner/{ECHO}/conversations");
        assert_eq!(get_as(&app, key, &path).await.good()["total"], 0);
    }
}

#[tokio::test]
async fn every_account_starts_with_its_own_copy_of_the_fixtures() {
    let app = TestApp::start().await;
    let messages = format!("/v1/runner/conversation/{CONVERSATION}/messages");
    app.go_on(DEPLOYMENT, CONVERSATION, "Hi").await.good();
    for key in OTHERS {
        assert_eq!(get_as(&app, key, &messages).await.good()["total"], 2);
    }
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation");
    post_as(&app, "free_api_key", &path, &going_on(CONVERSATION, "Hi")).await.good();
    post_as(&app, "free_api_key", &path, &going_on(CONVERSATION, "Hi")).await.good();
    for (key, total) in [("YOUR_API_KEY", 4), ("free_api_key", 6), ("broke_api_key", 2)] {
        assert_eq!(get_as(&app, key, &messages).await.good()["total"], total);
    }
}

#[tokio::test]
async fn both_keys_of_an_account_open_the_same_account() {
    let app = TestApp::start().await;
    let id = app.start_conversation(ECHO, "Hi").await;
    let messages = format!("/v1/runner/conversation/{id}/messages");
    assert_eq!(get_as(&app, "your_api_key_here", &messages).await.good()["total"], 2);
}

#[tokio::test]
async fn every_account_has_a_clock_of_its_own() {
    let app = TestApp::start().await;
    app.clock("demo").advance(Duration::from_hours(24));
    let path = format!("/v1/runner/{ECHO}/conversation");
    let mine = app.post(&path, &said("Hi")).await.good();
    let theirs = post_as(&app, "free_api_key", &path, &said("Hi")).await.good();
    assert_eq!(
        (&mine["created_at"], &theirs["created_at"]),
        (&json!("2026-05-02T12:00:00Z"), &json!(NOW))
    );
}
