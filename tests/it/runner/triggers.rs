//! Runner API, triggers: what an assistant is to start from.

use mynah::config::{Profile, RunnerStyle};
use serde_json::{Value, json};

use crate::support::{DEPLOYMENT, ECHO, OTHER, PUBLIC, TestApp, text_body};

/// The trigger of the fixtures.
const SEEDED: &str = "trg_123abc";
const HOUR: u64 = 60 * 60;

/// A body with the text "Hi" and one more field.
fn with(field: &str, value: Value) -> Value {
    let mut body = text_body("Hi");
    body[field] = value;
    body
}

async fn create(app: &TestApp, body: Value) -> Value {
    app.runner().create_trigger(DEPLOYMENT, body).await.good()
}

async fn create_id(app: &TestApp, body: Value) -> String {
    create(app, body).await["id"].as_str().unwrap().to_owned()
}

async fn trigger(app: &TestApp, id: &str) -> Value {
    app.runner().trigger(DEPLOYMENT, id).await.good()
}

async fn advance(app: &TestApp, seconds: u64) {
    app.demo().advance_clock(&json!({"seconds": seconds})).await.good();
}

#[tokio::test]
async fn a_trigger_is_answered_and_found_as_it_was_sent() {
    let app = TestApp::start().await;
    let content = json!([
        {"type": "text", "text": "The order is late."},
        {"type": "url", "mime_type": "application/pdf", "file_uri": "https://example.com/a.pdf"},
    ]);
    let body = json!({
        "content": content, "variables": {"TONE": "warm", "N": [1.50, null]},
        "ui_surface": "orders", "ttl_hours": 48,
    });
    let created = create(&app, body.clone()).await;
    let id = created["id"].as_str().unwrap();
    assert!(id.strip_prefix("trg_").is_some_and(|rest| rest.len() == 20), "{id}");
    assert_eq!(created["deployment_id"], DEPLOYMENT);
    for field in ["content", "variables", "ui_surface"] {
        assert_eq!(created[field], body[field], "{field}");
    }
    assert_eq!(created["created_at"], "2026-05-01T12:00:00Z");
    assert_eq!(created["expires_at"], "2026-05-03T12:00:00Z");
    assert_eq!(created["expired"], false);
    assert_eq!(
        (&created["conversation_id"], &created["workflow_log_id"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(trigger(&app, id).await, created);
}

#[tokio::test]
async fn what_is_not_sent_is_null_and_a_life_is_24_hours() {
    let app = TestApp::start().await;
    let created = create(&app, text_body("Hi")).await;
    assert_eq!((&created["ui_surface"], &created["variables"]), (&Value::Null, &Value::Null));
    assert_eq!(created["expires_at"], "2026-05-02T12:00:00Z");
    let forever = create(&app, with("ttl_hours", Value::Null)).await;
    assert_eq!((&forever["expires_at"], &forever["expired"]), (&Value::Null, &json!(false)));
    let minutes = create(&app, with("ttl_hours", json!(0.25))).await;
    assert_eq!(minutes["expires_at"], "2026-05-01T12:15:00Z");
}

#[tokio::test]
async fn the_number_of_the_assistant_is_that_of_the_deployment() {
    let app = TestApp::start().await;
    let [one, another] = [create(&app, text_body("a")).await, create(&app, text_body("b")).await];
    assert_eq!(one["workflow_id"], another["workflow_id"]);
    assert!(one["workflow_id"].is_u64());
    let elsewhere = app.runner().create_trigger(ECHO, "Hi").await.good();
    assert_ne!(one["workflow_id"], elsewhere["workflow_id"]);
    let seeded = TestApp::with(|config| config.seed = 7).await;
    assert_eq!(create(&seeded, text_body("a")).await["workflow_id"], one["workflow_id"]);
}

#[tokio::test]
async fn the_clock_of_the_account_decides_whether_a_trigger_has_expired() {
    let app = TestApp::start().await;
    let id = create_id(&app, with("ttl_hours", json!(1))).await;
    advance(&app, HOUR - 1).await;
    assert_eq!(trigger(&app, &id).await["expired"], false);
    advance(&app, 1).await;
    assert_eq!(trigger(&app, &id).await["expired"], true);
    let other = app.control().new_account().await;
    let created = app.runner_as(&other.key).create_trigger(DEPLOYMENT, "Hi").await.good();
    assert_eq!(created["expired"], false);
}

#[tokio::test]
async fn the_content_of_a_trigger_is_checked_like_that_of_a_run() {
    let app = TestApp::start().await;
    let refused = app.runner().create_trigger(DEPLOYMENT, json!({})).await;
    refused.invalid_request("missing_required_field", "content");
    let refused = app.runner().create_trigger(DEPLOYMENT, json!({"content": []})).await;
    refused.invalid_request("empty_array", "content");
    let part = json!({"content": [{"type": "image", "mime_type": "image/png"}]});
    let refused = app.runner().create_trigger(DEPLOYMENT, part).await;
    refused.invalid_request("missing_required_field", "content[0].file_uri");
}

#[tokio::test]
async fn the_other_fields_of_a_trigger_are_checked() {
    let app = TestApp::start().await;
    let wrong = [
        ("variables", json!([]), "invalid_type"),
        ("ui_surface", json!(7), "invalid_type"),
        ("ui_surface", json!("x".repeat(201)), "invalid_value"),
        ("ttl_hours", json!(0), "invalid_value"),
        ("ttl_hours", json!(-1), "invalid_value"),
        ("ttl_hours", json!(876_000.5), "invalid_value"),
        ("ttl_hours", json!("24"), "invalid_type"),
        ("ttl_hours", json!(true), "invalid_type"),
    ];
    for (field, value, code) in wrong {
        let refused = app.runner().create_trigger(DEPLOYMENT, with(field, value)).await;
        refused.invalid_request(code, field);
    }
    create(&app, with("ui_surface", json!("é".repeat(200)))).await;
    create(&app, with("ttl_hours", json!(876_000))).await;
}

#[tokio::test]
async fn a_life_ends_no_later_than_the_clocks() {
    let app = TestApp::start().await;
    app.demo().set_clock(&json!({"now": "9999-12-31T00:00:00Z", "frozen": true})).await.good();
    let created = create(&app, with("ttl_hours", json!(876_000))).await;
    assert_eq!(created["expires_at"], "9999-12-31T23:59:59Z");
}

#[tokio::test]
async fn an_unknown_trigger_is_404() {
    let app = TestApp::start().await;
    for id in ["trg_0", "..%2F", SEEDED] {
        let refused = app.runner().trigger(ECHO, id).await;
        let error = refused.runner_error(404, "invalid_request_error", "trigger_not_found");
        assert_eq!(error["param"], Value::Null);
    }
    let refused = app.runner().trigger("NONE", SEEDED).await;
    refused.runner_error(404, "invalid_request_error", "deployment_not_found");
    let refused = app.runner().trigger(OTHER, SEEDED).await;
    refused.runner_error(403, "auth_error", "deployment_forbidden");
}

#[tokio::test]
async fn a_trigger_is_not_found_by_another_account() {
    let app = TestApp::start().await;
    create(&app, text_body("first")).await;
    let id = create_id(&app, text_body("second")).await;
    let other = app.control().new_account().await;
    let refused = app.runner_as(&other.key).trigger(DEPLOYMENT, &id).await;
    refused.runner_error(404, "invalid_request_error", "trigger_not_found");
}

#[tokio::test]
async fn a_public_deployment_takes_triggers_without_a_key() {
    let app = TestApp::start().await;
    let origin = "https://app.example.com";
    let request = app.runner_without_key().create_trigger(PUBLIC, "Hi");
    let created = request.header("origin", origin).await.good();
    let id = created["id"].as_str().unwrap();
    let request = app.runner_without_key().trigger(PUBLIC, id);
    assert_eq!(request.header("origin", origin).await.good(), created);
    let refused = app.runner_without_key().trigger(PUBLIC, id).await;
    refused.runner_error(403, "auth_error", "origin_not_allowed");
    assert_eq!(app.runner().trigger(PUBLIC, id).header("origin", origin).await.good(), created);
}

#[tokio::test]
async fn the_profile_current_shows_the_times_of_triggers_in_microseconds() {
    let app = TestApp::with(|config| config.runner = RunnerStyle::of(Profile::Current)).await;
    let request = app.runner().create_trigger(DEPLOYMENT, with("ttl_hours", json!(0.0001)));
    let created = request.undocumented().await.good();
    assert_eq!(created["created_at"], "2026-05-01T12:00:00.000000");
    assert_eq!(created["expires_at"], "2026-05-01T12:00:00.360000");
    let refused = app.runner().trigger(DEPLOYMENT, "trg_0").await;
    assert_eq!(refused.status, 404);
    assert!(refused.json()["detail"].is_string());
}

#[tokio::test]
async fn a_reset_leaves_the_triggers_of_the_fixtures() {
    let app = TestApp::start().await;
    let id = create_id(&app, text_body("Hi")).await;
    app.demo().reset().await.good();
    let refused = app.runner().trigger(DEPLOYMENT, &id).await;
    refused.runner_error(404, "invalid_request_error", "trigger_not_found");
    let seeded = trigger(&app, SEEDED).await;
    assert_eq!(seeded["ui_surface"], "orders/12345");
    assert_eq!(create_id(&app, text_body("Hi")).await, id, "ids begin again");
}

#[tokio::test]
async fn snapshots_and_forks_have_the_triggers() {
    let app = TestApp::start().await;
    let id = create_id(&app, with("variables", json!({"TONE": "warm"}))).await;
    let created = trigger(&app, &id).await;
    let taken = app.demo().snapshot().await.good();
    app.demo().reset().await.good();
    app.demo().restore(&taken).await.good();
    assert_eq!(trigger(&app, &id).await, created);
    let again = app.demo().snapshot().await.good();
    assert_eq!(again["triggers"], taken["triggers"]);
    let fork = app.demo().fork(&json!({})).await.created();
    let key = fork["key"].as_str().unwrap();
    assert_eq!(app.runner_as(key).trigger(DEPLOYMENT, &id).await.good(), created);
    let mut wrong = taken.clone();
    wrong["triggers"][0]["expires_at"] = json!("tomorrow");
    let refused = app.demo().restore(&wrong).await;
    assert!(refused.error_message(400).contains("triggers[0].expires_at"));
    let mut older = taken;
    older.as_object_mut().unwrap().remove("triggers");
    app.demo().restore(&older).await.good();
    let refused = app.runner().trigger(DEPLOYMENT, &id).await;
    refused.runner_error(404, "invalid_request_error", "trigger_not_found");
}

#[tokio::test]
async fn an_account_has_a_bound_of_triggers() {
    let app = TestApp::start().await;
    let mut snapshot = app.demo().snapshot().await.good();
    let like = snapshot["triggers"][0].clone();
    let triggers = (1..=10_000).map(|ordinal: u64| {
        let mut trigger = like.clone();
        trigger["ordinal"] = json!(ordinal);
        trigger["id"] = json!(format!("trg_{ordinal}"));
        trigger
    });
    let mut triggers: Vec<Value> = triggers.collect();
    let last = triggers.pop().unwrap();
    snapshot["triggers"] = json!(triggers);
    snapshot["made"]["trigger"] = json!(20_000);
    app.demo().restore(&snapshot).await.good();
    create(&app, text_body("the last")).await;
    let request = app.runner().create_trigger(DEPLOYMENT, "one too many");
    let refused = request.deliberately_invalid().await;
    let error = refused.runner_error(400, "invalid_request_error", "too_many_triggers");
    assert_eq!(error["param"], Value::Null);
    triggers.extend([last.clone(), {
        let mut more = last;
        (more["ordinal"], more["id"]) = (json!(10_001), json!("trg_10001"));
        more
    }]);
    snapshot["triggers"] = json!(triggers);
    let refused = app.demo().restore(&snapshot).await;
    assert!(refused.error_message(400).contains("triggers must be at most 10000"));
}
