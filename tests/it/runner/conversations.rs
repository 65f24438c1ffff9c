//! Runner API, conversations: start, continue, what the model is shown of the past, names, meta.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    CONVERSATION, DEPLOYMENT, ECHO, NOW, TestApp, TestResponse, continue_body, text_body,
};

/// Rules that show what the model is shown of the past.
const REMEMBERING: &str = r#"
    [[rule]]
    reply = [{ text = "{{ history | map(attribute='text') | join('|') }}" }]
"#;

fn path(deployment: &str) -> String {
    format!("/v1/runner/{deployment}/conversation")
}

fn id_of(answer: &Value) -> &str {
    answer["conversation_id"].as_str().unwrap()
}

// --- start and continue --------------------------------------------------------------------------

#[tokio::test]
async fn a_first_message_starts_a_conversation() {
    let app = TestApp::start().await;
    let answer = app.runner().start_conversation(ECHO, "Hi there").await.good();
    let uuid: uuid::Uuid = id_of(&answer).parse().unwrap();
    assert_eq!(uuid.get_version_num(), 4);
    let request_id = answer["request_id"].as_str().unwrap();
    assert_eq!(
        answer,
        json!({
            "conversation_id": id_of(&answer),
            "name": "Hi there",
            "content": "Hi there",
            "input_tokens": 2,
            "output_tokens": 2,
            "model": "echo",
            "request_id": request_id,
            "created_at": NOW,
            "updated_at": NOW,
        })
    );
    let messages = app.runner().messages(id_of(&answer)).await;
    let told: Vec<_> = messages.iter().map(|m| (&m["role"], &m["content"])).collect();
    assert_eq!(
        told,
        [(&json!("user"), &json!("Hi there")), (&json!("assistant"), &json!("Hi there"))]
    );
}

#[tokio::test]
async fn a_null_conversation_id_is_none() {
    let app = TestApp::start().await;
    let mut body = text_body("Hi");
    body["conversation_id"] = json!(null);
    app.runner().start_conversation(ECHO, &body).await.good();
    assert_eq!(app.runner().conversation_ids("").await.len(), 2);
}

#[tokio::test]
async fn a_conversation_id_continues_without_streaming() {
    let app = TestApp::start().await;
    let first = app.runner().start_conversation(ECHO, "one").await.good();
    app.clock("demo").advance(Duration::from_secs(61));
    let second = app.runner().continue_conversation(ECHO, id_of(&first), "two").await.good();
    for field in ["conversation_id", "name", "created_at", "model"] {
        assert_eq!(second[field], first[field], "{field}");
    }
    assert_eq!(
        (&second["content"], &second["updated_at"]),
        (&json!("two"), &json!("2026-05-01T12:01:01Z"))
    );
    let messages = app.runner().messages(id_of(&first)).await;
    let texts: Vec<&Value> = messages.iter().map(|message| &message["content"]).collect();
    assert_eq!(texts, ["one", "one", "two", "two"]);
    let times: Vec<&Value> = messages.iter().map(|message| &message["created_at"]).collect();
    assert_eq!(times, [NOW, NOW, "2026-05-01T12:01:01Z", "2026-05-01T12:01:01Z"]);
}

#[tokio::test]
async fn the_documented_conversation_can_be_continued() {
    let app = TestApp::start().await;
    let answer = app.runner().continue_conversation(DEPLOYMENT, CONVERSATION, "Hi").await.good();
    assert_eq!(
        (&answer["conversation_id"], &answer["name"], &answer["created_at"]),
        (&json!(CONVERSATION), &json!("Billing support"), &json!("2026-03-24T09:00:00Z"))
    );
}

#[tokio::test]
async fn variables_and_meta_are_not_allowed_on_a_continuation() {
    let app = TestApp::start().await;
    for field in ["variables", "meta"] {
        for rest in ["", "/stream"] {
            let path = format!("{}{rest}", path(DEPLOYMENT));
            let mut body = continue_body(CONVERSATION, "Hi");
            body[field] = json!({});
            let message = app.post(&path, &body).await.invalid_request("not_allowed", field);
            assert!(message.contains(field), "{message}");
            body[field] = json!(null);
            assert_eq!(app.post(&path, &body).await.status, 200, "null is as good as absent");
        }
    }
}

#[tokio::test]
async fn a_stream_without_conversation_id_is_400() {
    let app = TestApp::start().await;
    let path = format!("{}/stream", path(DEPLOYMENT));
    for id in [None, Some(json!(null))] {
        let mut body = text_body("Hi");
        if let Some(id) = id {
            body["conversation_id"] = id;
        }
        let answer = app.post(&path, &body).await;
        answer.invalid_request("missing_required_field", "conversation_id");
    }
    assert_eq!(app.runner().conversation_ids("").await.len(), 1, "none is started");
}

#[tokio::test]
async fn a_conversation_id_must_be_a_string() {
    let app = TestApp::start().await;
    for rest in ["", "/stream"] {
        for wrong in [json!(5), json!(["x"]), json!({})] {
            let mut body = text_body("Hi");
            body["conversation_id"] = wrong;
            let answer = app.post(&format!("{}{rest}", path(DEPLOYMENT)), &body).await;
            answer.invalid_request("invalid_type", "conversation_id");
        }
    }
}

#[tokio::test]
async fn an_unknown_conversation_is_404() {
    let app = TestApp::start().await;
    for id in ["", "conv_existing_123", "550e8400-e29b-41d4-a716-446655440001", "%00'; --"] {
        for rest in ["", "/stream"] {
            let answer =
                app.post(&format!("{}{rest}", path(DEPLOYMENT)), &continue_body(id, "Hi")).await;
            let error = answer.runner_error(404, "invalid_request_error", "conversation_not_found");
            assert_eq!(error["param"], json!(null));
        }
    }
}

#[tokio::test]
async fn a_conversation_of_another_deployment_is_409() {
    let app = TestApp::start().await;
    let id = app.runner().start_conversation(DEPLOYMENT, "Hi").await.conversation_id();
    for rest in ["", "/stream"] {
        let answer = app.post(&format!("{}{rest}", path(ECHO)), &continue_body(&id, "Hi")).await;
        answer.runner_error(409, "invalid_request_error", "deployment_mismatch");
    }
    assert_eq!(app.runner().messages(&id).await.len(), 2, "nothing is stored");
}

// --- history -------------------------------------------------------------------------------------

/// A conversation of so many turns, which say `1`, `2`, `3` … and what the answers remember.
async fn of_turns(app: &TestApp, turns: usize) -> String {
    let id = app.runner().start_conversation(DEPLOYMENT, "1").await.conversation_id();
    for turn in 2..=turns {
        app.runner().continue_conversation(DEPLOYMENT, &id, &turn.to_string()).await.good();
    }
    id
}

/// The last `turns` turns of messages, as the rule above shows them.
fn last_turns(messages: &[Value], turns: usize) -> String {
    let from = messages.len() - (turns * 2).min(messages.len());
    let texts: Vec<&str> =
        messages[from..].iter().map(|message| message["content"].as_str().unwrap()).collect();
    texts.join("|")
}

#[tokio::test]
async fn the_model_is_shown_the_last_five_turns_by_default() {
    let app = TestApp::with_rules(REMEMBERING).await;
    let id = app.runner().start_conversation(DEPLOYMENT, "1").await.conversation_id();
    for turn in 2..9 {
        let before = app.runner().messages(&id).await;
        let answer =
            app.runner().continue_conversation(DEPLOYMENT, &id, &turn.to_string()).await.good();
        assert_eq!(answer["content"], last_turns(&before, 5));
    }
}

#[tokio::test]
async fn history_limit_says_how_many_turns_the_model_is_shown() {
    let app = TestApp::with_rules(REMEMBERING).await;
    let id = of_turns(&app, 4).await;
    for limit in [0, 1, 2, 3, 4, 5, 6, 1000] {
        for rest in ["", "/stream"] {
            let before = app.runner().messages(&id).await;
            let mut body = continue_body(&id, "x");
            body["history_limit"] = json!(limit);
            let path = format!("{}{rest}", path(DEPLOYMENT));
            app.post(&path, &body).await;
            let after = app.runner().messages(&id).await;
            let shown = last_turns(&before, limit);
            assert_eq!(after.last().unwrap()["content"], shown, "history_limit {limit}");
        }
    }
}

#[tokio::test]
async fn history_limit_must_be_a_whole_number_from_0_to_1000() {
    let app = TestApp::start().await;
    for (wrong, code) in [
        (json!(-1), "invalid_value"),
        (json!(1001), "invalid_value"),
        (json!(u64::MAX), "invalid_value"),
        (json!(1e30), "invalid_value"),
        (json!(2.5), "invalid_value"),
        (json!("5"), "invalid_type"),
        (json!(true), "invalid_type"),
        (json!([5]), "invalid_type"),
        (json!({}), "invalid_type"),
    ] {
        for rest in ["", "/stream"] {
            let mut body = continue_body(CONVERSATION, "Hi");
            body["history_limit"] = wrong.clone();
            let answer = app.post(&format!("{}{rest}", path(DEPLOYMENT)), &body).await;
            let message = answer.invalid_request(code, "history_limit");
            assert!(message.contains("whole number"), "{message}");
        }
    }
    for good in [json!(0), json!(1000), json!(5.0), json!(null)] {
        let mut body = continue_body(CONVERSATION, "Hi");
        body["history_limit"] = good;
        app.runner().start_conversation(DEPLOYMENT, &body).await.good();
    }
}

#[tokio::test]
async fn history_limit_is_ignored_on_a_first_message() {
    let app = TestApp::with_rules(REMEMBERING).await;
    for ignored in [json!(0), json!(5000), json!("many")] {
        let mut body = text_body("1");
        body["history_limit"] = ignored;
        let answer = app.runner().start_conversation(DEPLOYMENT, &body).await.good();
        let further =
            app.runner().continue_conversation(DEPLOYMENT, id_of(&answer), "2").await.good();
        assert_eq!(further["content"], "1|", "the first turn is remembered all the same");
    }
}

// --- names ---------------------------------------------------------------------------------------

async fn name_of(app: &TestApp, content: Value) -> String {
    let body = json!({ "content": content });
    let answer = app.runner().start_conversation(ECHO, &body).await.good();
    answer["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_conversation_is_named_after_the_first_words_of_its_first_text() {
    let app = TestApp::start().await;
    let text = |text: &str| json!([{"type": "text", "text": text}]);
    for (said, name) in [
        ("Hello", "Hello"),
        ("Hello!", "Hello"),
        ("  Where\nis   it? ", "Where is it"),
        ("one, two; three...", "one, two; three"),
        // 60 characters to the letter, and one more.
        (
            &format!("{} {}", "a".repeat(30), "b".repeat(29)),
            &format!("{} {}", "a".repeat(30), "b".repeat(29)),
        ),
        (&format!("{} {}", "a".repeat(30), "b".repeat(30)), &"a".repeat(30)),
        (&"é".repeat(70), &"é".repeat(60)),
        ("?!", "New conversation"),
    ] {
        assert_eq!(name_of(&app, text(said)).await, name);
    }
}

#[tokio::test]
async fn a_conversation_that_starts_with_files_only_is_a_new_conversation() {
    let app = TestApp::start().await;
    let file = json!({"type": "image", "mime_type": "image/png", "file_uri": "https://e.org/a"});
    assert_eq!(name_of(&app, json!([file, file])).await, "New conversation");
    let text = json!({"type": "text", "text": "What is this?"});
    assert_eq!(name_of(&app, json!([file, text])).await, "What is this");
}

#[tokio::test]
async fn the_matching_rule_may_name_a_conversation() {
    let app = TestApp::start().await;
    for (text, name) in [
        ("Hi, I need help with billing.", "Billing support"),
        ("Hello! I need help with my order.", "Order support"),
        ("Hi", "Hi"),
    ] {
        let answer = app.runner().start_conversation(DEPLOYMENT, text).await.good();
        assert_eq!(answer["name"], name);
        let listed = &app.runner().list_conversations("").await.good()["items"][0];
        assert_eq!(listed["name"], name);
    }
}

#[tokio::test]
async fn a_continuation_leaves_the_name_as_it_is() {
    let app = TestApp::start().await;
    let id = app.runner().start_conversation(DEPLOYMENT, "Tell me a story").await.conversation_id();
    let answer = app
        .runner()
        .continue_conversation(DEPLOYMENT, &id, "Hi, I need help with billing.")
        .await
        .good();
    assert_eq!(answer["name"], "Tell me a story");
}

// --- meta ----------------------------------------------------------------------------------------

async fn start_with_meta(app: &TestApp, meta: Value) -> TestResponse {
    let mut body = text_body("Hi");
    body["meta"] = meta;
    app.runner().start_conversation(ECHO, &body).await
}

#[tokio::test]
async fn meta_is_a_flat_object_of_strings_numbers_and_booleans() {
    let app = TestApp::start().await;
    let good = json!({"s": "x", "empty": "", "n": 7, "f": -1.5, "t": true, "é 世": "\u{0}'\"%_"});
    start_with_meta(&app, good.clone()).await.good();
    assert_eq!(app.runner().list_conversations("").await.good()["items"][0]["meta"], good);
    for wrong in [json!(null), json!([]), json!(["x"]), json!({}), json!({"a": "b"})] {
        let answer = start_with_meta(&app, json!({"good": 1, "bad": wrong})).await;
        answer.invalid_request("invalid_type", "meta.bad");
    }
    for wrong in [json!([]), json!("x"), json!(5)] {
        start_with_meta(&app, wrong).await.invalid_request("invalid_type", "meta");
    }
    assert_eq!(app.runner().conversation_ids("").await.len(), 2, "nothing else is stored");
}

fn meta_of(keys: impl IntoIterator<Item = String>) -> Value {
    keys.into_iter().map(|key| (key, json!("x"))).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn meta_has_at_most_50_keys() {
    let app = TestApp::start().await;
    start_with_meta(&app, meta_of((0..50).map(|n| n.to_string()))).await.good();
    let answer = start_with_meta(&app, meta_of((0..51).map(|n| n.to_string()))).await;
    answer.invalid_request("invalid_value", "meta");
}

#[tokio::test]
async fn a_value_of_meta_has_at_most_4096_characters() {
    let app = TestApp::start().await;
    start_with_meta(&app, json!({"label": "é".repeat(4096)})).await.good();
    let body = json!({
        "content": [{"type": "text", "text": "Hi"}], "meta": {"label": "é".repeat(4097)},
    });
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation");
    app.post(&path, &body)
        .deliberately_invalid()
        .await
        .invalid_request("invalid_value", "meta.label");
}

#[tokio::test]
async fn keys_of_meta_have_1_to_64_characters_and_are_not_the_pages() {
    let app = TestApp::start().await;
    start_with_meta(&app, meta_of(["é".repeat(64), "a".to_owned()])).await.good();
    for wrong in [String::new(), "a".repeat(65), "é".repeat(65)] {
        start_with_meta(&app, meta_of([wrong])).await.invalid_request("invalid_value", "meta");
    }
    for wrong in ["page", "page_size"] {
        let answer = start_with_meta(&app, meta_of([wrong.to_owned()])).await;
        answer.invalid_request("not_allowed", &format!("meta.{wrong}"));
    }
    start_with_meta(&app, meta_of(["Page".to_owned()])).await.good();
}
