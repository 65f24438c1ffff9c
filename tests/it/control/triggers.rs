//! Triggers in the control plane: listed and expired.

use serde_json::{Value, json};

use crate::support::{DEPLOYMENT, ECHO, TestApp, text_body};

fn ids(triggers: &[Value]) -> Vec<&str> {
    triggers.iter().map(|trigger| trigger["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_triggers_of_all_deployments_are_listed_in_order() {
    let app = TestApp::start().await;
    let mut created = Vec::new();
    for deployment in [DEPLOYMENT, ECHO] {
        created.push(app.runner().create_trigger(deployment, "Hi").await.good());
    }
    let long = text_body(&"late ".repeat(10_000));
    created.push(app.runner().create_trigger(DEPLOYMENT, &long).await.good());
    let listed = app.demo().triggers().await.array();
    let expected: Vec<&str> = ["trg_123abc"].into_iter().chain(ids(&created)).collect();
    assert_eq!(ids(&listed), expected);
    let seeded = app.runner().trigger(DEPLOYMENT, "trg_123abc").await.good();
    for (name, value) in listed[0].as_object().unwrap() {
        assert_eq!(value, &seeded[name], "{name}");
    }
    assert_eq!(listed[3]["content"], long["content"]);
    let other = app.control().new_account().await;
    let of_other = app.control().account(&other.id).triggers().await.array();
    assert_eq!(ids(&of_other), ["trg_123abc"]);
    app.control().account("nobody").triggers().await.error_message(404);
}

#[tokio::test]
async fn more_triggers_than_a_batch_are_listed() {
    let app = TestApp::start().await;
    for _ in 0..120 {
        app.runner().create_trigger(DEPLOYMENT, "Hi").await.good();
    }
    assert_eq!(app.demo().triggers().await.array().len(), 121);
}

#[tokio::test]
async fn a_trigger_is_expired_once() {
    let app = TestApp::start().await;
    let expired = app.demo().expire_trigger("trg_123abc").await.good();
    assert_eq!(
        (&expired["expired"], &expired["expires_at"]),
        (&json!(true), &json!("2026-05-01T12:00:00Z"))
    );
    let mut body = text_body("Hi");
    body["trigger_id"] = json!("trg_123abc");
    let refused = app.runner().run(DEPLOYMENT, &body).deliberately_invalid().await;
    refused.invalid_request("trigger_expired", "trigger_id");
    app.demo().advance_clock(&json!({"seconds": 60})).await.good();
    assert_eq!(app.demo().expire_trigger("trg_123abc").await.good(), expired);
    let shown = app.runner().trigger(DEPLOYMENT, "trg_123abc").await.good();
    assert_eq!((&shown["expired"], &shown["expires_at"]), (&json!(true), &expired["expires_at"]));
}

#[tokio::test]
async fn what_is_not_there_cannot_expire() {
    let app = TestApp::start().await;
    let message = app.demo().expire_trigger("trg_0").await.error_message(404);
    assert_eq!(message, "there is no trigger `trg_0`");
    app.control().account("nobody").expire_trigger("trg_123abc").await.error_message(404);
}
