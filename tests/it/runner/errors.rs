//! Runner API, "Errors": both envelopes, for every reason there is.

use mynah::config::Config;
use mynah::http::apis::runner::ErrorStyle;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    CONVERSATION, DEPLOYMENT, ECHO, KEY, OTHER, PUBLIC, TestApp, TestResponse, continue_body,
    text_body,
};

const BREAKING: &str = r#"
    [[rule]]
    when = { contains = "break" }
    reply = [{ text = "{{ 1 // 0 }}" }]
"#;

async fn fast_api() -> TestApp {
    TestApp::with(|config| config.runner.errors = ErrorStyle::FastApi).await
}

/// Every refusal that has no field: what to send, and what both envelopes say.
async fn refusals(app: &TestApp) -> Vec<(TestResponse, u16, &'static str, &'static str)> {
    let run = format!("/v1/runner/{DEPLOYMENT}");
    let body = text_body("Hi");
    let post = |path: &str| app.request(Method::POST, path);
    let at = |deployment: &str| format!("/v1/runner/{deployment}");
    let conversation = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    let nowhere = "/v1/runner/conversation/nowhere/messages";
    let going = |id: &str| continue_body(id, "Hi");
    let further = format!("{run}/conversation");
    vec![
        (post(&run).json(&body).send().await, 401, "auth_error", "missing_api_key"),
        (post(&run).key("x").json(&body).send().await, 401, "auth_error", "invalid_api_key"),
        (app.post(&at(OTHER), &body).await, 403, "auth_error", "deployment_forbidden"),
        (app.post(&at(PUBLIC), &body).await, 403, "auth_error", "origin_not_allowed"),
        (app.post(&at("NONE"), &body).await, 404, "invalid_request_error", "deployment_not_found"),
        (app.get(nowhere).await, 404, "invalid_request_error", "conversation_not_found"),
        (
            app.post(&further, &going("nowhere")).await,
            404,
            "invalid_request_error",
            "conversation_not_found",
        ),
        (
            app.post(&further, &going(&conversation)).await,
            409,
            "invalid_request_error",
            "deployment_mismatch",
        ),
        (app.get("/v1/runner/a/b/c").await, 404, "invalid_request_error", "not_found"),
        (app.get(&run).await, 405, "invalid_request_error", "method_not_allowed"),
        (
            post(&run).key(KEY).untyped_body("x").send().await,
            415,
            "invalid_request_error",
            "unsupported_media_type",
        ),
        (
            post(&run).key(KEY).body(" ".repeat(10 * 1024 * 1024 + 1)).send().await,
            413,
            "invalid_request_error",
            "request_too_large",
        ),
    ]
}

#[tokio::test]
async fn envelope_1_has_all_four_keys_and_null_where_they_do_not_apply() {
    let app = TestApp::start().await;
    for (answer, status, kind, code) in refusals(&app).await {
        let error = answer.runner_error(status, kind, code);
        assert_eq!(error["param"], json!(null), "{error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
}

/// notes.md, "Errors", the documented example.
#[tokio::test]
async fn the_documented_example_of_envelope_1_is_answered() {
    let app = TestApp::start().await;
    let answer = app.runner().run(DEPLOYMENT, json!({})).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json(),
        json!({"error": {
            "type": "invalid_request_error",
            "message": "content is required",
            "param": "content",
            "code": "missing_required_field",
        }})
    );
}

/// notes.md, "Errors", envelope 2.
#[tokio::test]
async fn envelope_2_says_everything_else_in_one_sentence() {
    let app = fast_api().await;
    for (answer, status, _, code) in refusals(&app).await {
        assert_eq!(answer.status, status, "{code}");
        let body = answer.json();
        let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["detail"]);
        assert!(!body["detail"].as_str().unwrap().is_empty());
    }
}

/// notes.md, "Errors", envelope 3: the documented example.
#[tokio::test]
async fn envelope_3_is_422_with_loc_msg_and_type() {
    let app = fast_api().await;
    let answer = app.runner().run(DEPLOYMENT, json!({})).await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.json(),
        json!({"detail": [
            {"loc": ["body", "content"], "msg": "field required", "type": "value_error.missing"}
        ]})
    );
}

/// Bodies and queries with a wrong field: the location that envelope 3 gives, and its type.
#[tokio::test]
async fn envelope_3_locates_every_kind_of_error() {
    let app = fast_api().await;
    let further = |field: &str, value: Value| {
        let mut body = continue_body(CONVERSATION, "Hi");
        body[field] = value;
        body
    };
    let file = json!({"content": [
        {"type": "text", "text": "Hi"},
        {"type": "image", "mime_type": "image/png", "file_uri": "nowhere"},
    ]});
    let cases = [
        (json!({"content": []}), json!(["body", "content"]), "value_error.list.min_items"),
        (json!({"content": 5}), json!(["body", "content"]), "type_error"),
        (file, json!(["body", "content", 1, "file_uri"]), "value_error"),
        (further("history_limit", json!(-1)), json!(["body", "history_limit"]), "value_error"),
        (further("meta", json!({})), json!(["body", "meta"]), "value_error.extra"),
    ];
    for (body, location, kind) in cases {
        let answer = app.runner().start_conversation(DEPLOYMENT, &body).await;
        assert_eq!(answer.status, 422, "{body}");
        let detail = &answer.json()["detail"];
        assert_eq!(detail.as_array().unwrap().len(), 1);
        assert_eq!((&detail[0]["loc"], &detail[0]["type"]), (&location, &json!(kind)));
        assert!(detail[0]["msg"].is_string());
    }
    let page = app.runner().list_conversations("?page=0").await;
    assert_eq!(page.status, 422);
    assert_eq!(page.json()["detail"][0]["loc"], json!(["query", "page"]));
}

#[tokio::test]
async fn broken_json_is_422_in_envelope_3_and_names_line_and_column() {
    let app = fast_api().await;
    let request = app.request(Method::POST, &format!("/v1/runner/{DEPLOYMENT}")).key(KEY);
    let answer = request.body("{\n !").await;
    assert_eq!(answer.status, 422);
    let detail = &answer.json()["detail"][0];
    assert_eq!(
        (&detail["loc"], &detail["type"]),
        (&json!(["body"]), &json!("value_error.jsondecode"))
    );
    assert!(detail["msg"].as_str().unwrap().ends_with("line 2, column 2"), "{detail}");
}

#[tokio::test]
async fn a_servers_fault_is_500_api_error_and_stores_nothing() {
    let app = TestApp::with_rules(BREAKING).await;
    let conversation = app.runner().start_conversation(DEPLOYMENT, "Hi").await.conversation_id();
    let going = continue_body(&conversation, "break");
    for (rest, body) in [
        ("", text_body("break")),
        ("/stream", text_body("break")),
        ("/conversation", text_body("break")),
        ("/conversation", going.clone()),
        ("/conversation/stream", going),
    ] {
        let path = format!("/v1/runner/{DEPLOYMENT}{rest}");
        let request = app.request(Method::POST, &path).key(KEY).json(&body);
        let error =
            request.send_expecting_5xx().await.runner_error(500, "api_error", "internal_error");
        assert_eq!((&error["message"], &error["param"]), (&json!("internal error"), &json!(null)));
    }
    assert_eq!(app.runner().messages(&conversation).await.len(), 2);
    assert_eq!(app.runner().conversation_ids("").await.len(), 1);
}

#[tokio::test]
async fn a_servers_fault_is_500_with_a_detail_in_envelope_2() {
    let change = |config: &mut Config| config.runner.errors = ErrorStyle::FastApi;
    let app = TestApp::with_rules_and(BREAKING, change).await;
    let path = format!("/v1/runner/{DEPLOYMENT}");
    let request = app.request(Method::POST, &path).key(KEY).json(&text_body("break"));
    let answer = request.send_expecting_5xx().await;
    assert_eq!((answer.status.as_u16(), answer.json()), (500, json!({"detail": "internal error"})));
}
