//! Runner API, triggers: content that runs and conversations start from.

use mynah::config::{Profile, RunnerStyle};
use serde_json::{Value, json};

use crate::support::{CONVERSATION, DEPLOYMENT, ECHO, OTHER, PUBLIC, TestApp, text_body};

/// The trigger of the fixtures.
const SEEDED: &str = "trg_123abc";
const HOUR: u64 = 60 * 60;

/// Answers what the model is shown of the variables.
const SHOWING: &str = r#"
    [[rule]]
    when = { contains = "tone" }
    reply = [{ text = "{{ variables.TONE }} {{ variables.SIZE }}" }]
"#;

/// A body with a text that starts from a trigger.
fn from(trigger: &str, text: &str) -> Value {
    let mut body = text_body(text);
    body["trigger_id"] = json!(trigger);
    body
}

/// The texts of the history and the message that the latest request showed to a model.
async fn shown(app: &TestApp) -> Vec<String> {
    let model = app.demo().latest_request().await["model"].clone();
    let text = |content: &Value| content[0]["text"].as_str().unwrap().to_owned();
    let history = model["history"].as_array().unwrap().iter().map(|turn| text(&turn["content"]));
    history.chain([text(&model["message"])]).collect()
}

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
async fn omitted_fields_are_null_and_the_default_ttl_is_24_hours() {
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
async fn a_ttl_ends_no_later_than_the_clock_can_show() {
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

#[tokio::test]
async fn the_content_of_a_trigger_comes_before_the_message() {
    let app = TestApp::start().await;
    let id = create_id(&app, text_body("The order is late.")).await;
    app.runner().run(DEPLOYMENT, from(&id, "And now?")).await.good();
    assert_eq!(shown(&app).await, ["The order is late.", "And now?"]);
    let model = app.demo().latest_request().await["model"].clone();
    assert_eq!(model["history"][0]["role"], "user");
    assert_eq!(model["trigger"], json!({"id": id, "ui_surface": null}));
    assert_eq!(model["turn"], 1);
    app.runner().run(DEPLOYMENT, from(SEEDED, "And now?")).await.good();
    let model = app.demo().latest_request().await["model"].clone();
    assert_eq!(model["trigger"], json!({"id": SEEDED, "ui_surface": "orders/12345"}));
    app.runner().run(DEPLOYMENT, "And now?").await.good();
    assert_eq!(app.demo().latest_request().await["model"].get("trigger"), None);
}

#[tokio::test]
async fn the_content_of_a_trigger_counts_as_input() {
    let app = TestApp::start().await;
    let without = app.runner().run(ECHO, "And now?").await.good();
    let created = app.runner().create_trigger(ECHO, "one two three four").await.good();
    let id = created["id"].as_str().unwrap();
    let with = app.runner().run(ECHO, from(id, "And now?")).await.good();
    let tokens = |answer: &Value| answer["input_tokens"].as_u64().unwrap();
    assert_eq!(tokens(&with), tokens(&without) + 4);
    assert_eq!(with["content"], "And now?");
}

#[tokio::test]
async fn a_long_trigger_is_shown_whole() {
    let app = TestApp::start().await;
    let text = "late ".repeat(10_000);
    let id = create_id(&app, text_body(&text)).await;
    assert_eq!(trigger(&app, &id).await["content"][0]["text"], text);
    app.runner().run(DEPLOYMENT, from(&id, "And now?")).await.good();
    assert_eq!(shown(&app).await, [text.as_str(), "And now?"]);
}

#[tokio::test]
async fn a_stream_starts_from_a_trigger() {
    let app = TestApp::start().await;
    let chunks = app.runner().stream(DEPLOYMENT, from(SEEDED, "What can I do?")).await;
    let run = app.runner().run(DEPLOYMENT, from(SEEDED, "What can I do?")).await.good();
    assert_eq!(run["content"], chunks.concat());
    assert_eq!(trigger(&app, SEEDED).await["workflow_log_id"], 2);
}

#[tokio::test]
async fn a_conversation_starts_from_a_trigger() {
    let app = TestApp::start().await;
    let request = app.runner().start_conversation(DEPLOYMENT, from(SEEDED, "And now?"));
    let started = request.await.good();
    assert_eq!(started["name"], "And now");
    let id = started["conversation_id"].as_str().unwrap();
    let messages = app.runner().messages(id).await;
    let content: Vec<_> = messages.iter().map(|message| message["content"].clone()).collect();
    let answer = started["content"].clone();
    assert_eq!(content, [json!("Order #12345 is two days late."), json!("And now?"), answer]);
    let list = app.runner().list_conversations("").await.good();
    assert_eq!(list["items"][0]["message_count"], 3);
    app.runner().continue_conversation(DEPLOYMENT, id, "Go on").await.good();
    assert_eq!(shown(&app).await.len(), 4, "the later turns show it, too");
    let model = app.demo().latest_request().await["model"].clone();
    assert_eq!((&model["turn"], model.get("trigger")), (&json!(2), None));
    let chunks = app.runner().stream_conversation(DEPLOYMENT, id, "Go on").await;
    assert!(!chunks.is_empty());
    let taken = app.demo().snapshot().await.good();
    app.demo().restore(&taken).await.good();
    assert_eq!(app.runner().messages(id).await.len(), 7);
}

#[tokio::test]
async fn variables_of_the_request_replace_those_of_the_trigger() {
    let app = TestApp::with_rules(SHOWING).await;
    let id = create_id(&app, with("variables", json!({"TONE": "warm", "SIZE": "S"}))).await;
    let mut body = from(&id, "tone");
    let answer = app.runner().run(DEPLOYMENT, &body).await.good();
    assert_eq!(answer["content"], "warm S");
    body["variables"] = json!({"SIZE": "L"});
    assert_eq!(app.runner().run(DEPLOYMENT, &body).await.good()["content"], "warm L");
    let started = app.runner().start_conversation(DEPLOYMENT, &body).await.good();
    let conversation = started["conversation_id"].as_str().unwrap();
    let next = app.runner().continue_conversation(DEPLOYMENT, conversation, "tone").await.good();
    assert_eq!(next["content"], "warm L", "the conversation keeps them");
}

#[tokio::test]
async fn the_latest_start_is_shown_by_the_trigger() {
    let app = TestApp::start().await;
    let id = create_id(&app, text_body("Hi")).await;
    app.runner().run(DEPLOYMENT, "without a trigger").await.good();
    app.runner().run(DEPLOYMENT, from(&id, "first")).await.good();
    let used = trigger(&app, &id).await;
    assert_eq!((&used["workflow_log_id"], &used["conversation_id"]), (&json!(2), &Value::Null));
    let started = app.runner().start_conversation(DEPLOYMENT, from(&id, "second")).await.good();
    let conversation = &started["conversation_id"];
    let used = trigger(&app, &id).await;
    assert_eq!((&used["workflow_log_id"], &used["conversation_id"]), (&json!(3), conversation));
    let next = conversation.as_str().unwrap();
    app.runner().continue_conversation(DEPLOYMENT, next, "third").await.good();
    app.runner().stream(DEPLOYMENT, from(&id, "fourth")).await;
    let used = trigger(&app, &id).await;
    assert_eq!((&used["workflow_log_id"], &used["conversation_id"]), (&json!(5), conversation));
    assert_eq!(trigger(&app, SEEDED).await["workflow_log_id"], Value::Null);
}

#[tokio::test]
async fn an_unknown_trigger_starts_nothing() {
    let app = TestApp::start().await;
    let elsewhere = app.runner().create_trigger(ECHO, "Hi").await.good();
    for id in ["trg_0", elsewhere["id"].as_str().unwrap()] {
        for rest in ["", "/stream", "/conversation"] {
            let path = format!("/v1/runner/{DEPLOYMENT}{rest}");
            let refused = app.post(&path, &from(id, "Hi")).await;
            refused.runner_error(404, "invalid_request_error", "trigger_not_found");
        }
    }
    assert_eq!(app.runner().conversation_ids("").await, [CONVERSATION]);
    let mut body = text_body("Hi");
    body["trigger_id"] = json!(7);
    let refused = app.runner().run(DEPLOYMENT, &body).await;
    refused.invalid_request("invalid_type", "trigger_id");
    body["trigger_id"] = Value::Null;
    app.runner().run(DEPLOYMENT, &body).await.good();
}

#[tokio::test]
async fn an_expired_trigger_starts_nothing() {
    let app = TestApp::start().await;
    let id = create_id(&app, with("ttl_hours", json!(1))).await;
    app.runner().run(DEPLOYMENT, from(&id, "in time")).await.good();
    advance(&app, HOUR).await;
    for rest in ["", "/stream", "/conversation"] {
        let request = app.post(&format!("/v1/runner/{DEPLOYMENT}{rest}"), &from(&id, "late"));
        let refused = request.deliberately_invalid().await;
        let message = refused.invalid_request("trigger_expired", "trigger_id");
        assert!(message.contains(&id), "{message}");
    }
    let used = trigger(&app, &id).await;
    assert_eq!((&used["workflow_log_id"], &used["expired"]), (&json!(1), &json!(true)));
    let current = app.control().create_account(&json!({"profile": "current"})).await.created();
    let key = current["key"].as_str().unwrap();
    let request = app.runner_as(key).create_trigger(DEPLOYMENT, with("ttl_hours", json!(1e-12)));
    let created = request.undocumented().await.good();
    let body = from(created["id"].as_str().unwrap(), "late");
    let refused = app.runner_as(key).run(DEPLOYMENT, &body).deliberately_invalid().await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["detail"].is_string());
}

#[tokio::test]
async fn a_continuation_takes_no_trigger() {
    let app = TestApp::start().await;
    let body = from(SEEDED, "Hi");
    let request = app.runner().continue_conversation(DEPLOYMENT, CONVERSATION, &body);
    request.await.invalid_request("not_allowed", "trigger_id");
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation/stream");
    let refused = app.post(&path, &from(SEEDED, "Hi")).await;
    refused.invalid_request("missing_required_field", "conversation_id");
}

#[tokio::test]
async fn a_trigger_starts_a_public_deployment_without_a_key() {
    let app = TestApp::start().await;
    let origin = "https://app.example.com";
    let request = app.runner_without_key().create_trigger(PUBLIC, "Hi");
    let created = request.header("origin", origin).await.good();
    let body = from(created["id"].as_str().unwrap(), "And now?");
    let request = app.runner_without_key().start_conversation(PUBLIC, &body);
    request.header("origin", origin).await.good();
    let refused = app.runner().run(DEPLOYMENT, &body).await;
    refused.runner_error(404, "invalid_request_error", "trigger_not_found");
}

const ASKING: &str = r#"
    [[rule]]
    id = "with"
    when = { trigger = true, contains = "hi" }
    reply = [{ text = "{{ trigger.id }}|{{ trigger.ui_surface }}|{{ trigger.text }}" }]

    [[rule]]
    id = "without"
    when = { trigger = false, contains = "hi" }
    reply = [{ text = "{% if trigger %}a trigger{% else %}no trigger{% endif %}" }]
"#;

#[tokio::test]
async fn a_rule_may_ask_for_a_trigger() {
    let app = TestApp::with_rules(ASKING).await;
    let id = create_id(&app, text_body("The order")).await;
    app.runner().run(DEPLOYMENT, from(&id, "Hi")).await.good();
    assert_eq!(app.demo().latest_request().await["model"]["rule"], "with");
    let answer = app.runner().run(DEPLOYMENT, "Hi").await.good();
    assert_eq!(answer["content"], "no trigger");
}

#[tokio::test]
async fn templates_see_the_trigger() {
    let app = TestApp::with_rules(ASKING).await;
    let mut body = with("ui_surface", json!("inbox"));
    body["content"] = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    let id = create_id(&app, body).await;
    let answer = app.runner().run(DEPLOYMENT, from(&id, "Hi")).await.good();
    assert_eq!(answer["content"], format!("{id}|inbox|a\nb"));
}

#[tokio::test]
async fn a_rule_that_asks_for_a_trigger_is_a_near_miss_without_one() {
    let app = TestApp::start().await;
    let rule = json!({"when": {"trigger": true, "contains": "hi"}, "reply": [{"text": "x"}]});
    app.demo().add_reply_rule(&rule, "").await.created();
    app.runner().run(DEPLOYMENT, "Hi").await.good();
    let misses = app.demo().latest_request().await["model"]["near_misses"].clone();
    let miss = json!({"rule": "rule_1", "condition": "trigger", "wanted": true, "found": false});
    assert_eq!(misses, json!([miss]));
    app.runner().run(DEPLOYMENT, from(SEEDED, "Hi")).await.good();
    assert_eq!(app.demo().latest_request().await["model"]["rule"], "rule_1");
}
