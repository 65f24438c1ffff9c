//! Keys and the admin token stand in no line of the log and nowhere in the request log, whichever way a
//! client has sent them by mistake.

use std::sync::Arc;

use mynah::http::apis::control::ControlAccess;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::binary::Binary;
use crate::support::{ECHO, KEY, TestApp, text_body};

const TOKEN: &str = "sesame-token";
/// The key of another account than the one whose request log is read.
const FREE: &str = "free_api_key";

async fn app_with_token() -> TestApp {
    TestApp::with(|config| config.control = ControlAccess::Token(Arc::from(TOKEN))).await
}

/// The demo account's request log, as text and as JSON.
async fn request_log(app: &TestApp) -> (String, Value) {
    let answer = app.demo().requests("").bearer(TOKEN).await;
    (answer.body.clone(), answer.good())
}

#[tokio::test]
async fn a_request_id_with_a_key_or_the_token_in_it_is_replaced() {
    let app = app_with_token().await;
    for id in [KEY, FREE, TOKEN, "trace/free_api_key", "YOUR%5FAPI_KEY", "id=sesame%2dtoken"] {
        let answer = app.runner().run(ECHO, "Hi").header("x-request-id", id).await;
        let given = answer.header("x-request-id").unwrap();
        assert!(given.starts_with("req_"), "{id} became {given}");
    }
    let own = app.runner().run(ECHO, "Hi").header("x-request-id", "your_api_keys").await;
    assert_eq!(own.header("x-request-id"), Some("your_api_keys"));
}

#[tokio::test]
async fn keys_in_urls_and_headers_are_blanked_in_the_request_log() {
    let app = app_with_token().await;
    for path in [
        "/v1/runner/conversations?key=YOUR_API_KEY&page=1".to_owned(),
        "/v1/runner/conversations?key=YOUR%5FAPI%5FKEY".to_owned(),
        "/v1/runner/conversations?a=x%255FYOUR%255FAPI_KEY".to_owned(),
        "/v1/runner/conversations?other=free%5Fapi_key".to_owned(),
        "/v1/runner/conversations?other=Bearer+free_api_key".to_owned(),
        "/v1/runner/conversations?admin=sesame%2Dtoken".to_owned(),
        "/v1/runner/conversations?api_key=not_known_here".to_owned(),
        "/v1/runner/free_api_key/conversations".to_owned(),
        "/v1/runner/free%5Fapi_key/nothing".to_owned(),
    ] {
        app.request(Method::GET, &path).key(KEY).await;
    }
    let request = app.request(Method::POST, &format!("/v1/runner/{ECHO}")).key(KEY);
    let request = ["api-key", "x-goog-api-key", "proxy-authorization", "cookie"]
        .iter()
        .fold(request, |request, name| request.header(name, "not_known_here"));
    let request = request.header("referer", "https://app.example/?key=free%5Fapi_key");
    let request = request.header("x-forwarded-authorization", format!("Bearer {TOKEN}"));
    request.json(&text_body("about free_api_key")).await.good();
    let (text, shown) = request_log(&app).await;
    for secret in [KEY, "YOUR%5F", "YOUR%255F", "free%5F", TOKEN, "sesame%2D", "not_known_here"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let entries = shown["requests"].as_array().unwrap();
    assert_eq!(entries[0]["query"], "key=[redacted]&page=1");
    assert_eq!(entries[4]["query"], "other=Bearer+[redacted]");
    assert_eq!(entries[7]["path"], "/v1/runner/[redacted]/conversations");
    let last = entries.last().unwrap();
    assert_eq!(last["headers"]["referer"], "https://app.example/?key=[redacted]");
    assert_eq!(last["body"], text_body("about free_api_key"), "bodies are what was said");
}

#[tokio::test]
async fn labels_called_key_or_token_are_shown_where_they_hold_none() {
    let app = TestApp::start().await;
    app.runner().list_conversations("?key=blue&token=7").await.good();
    let shown = app.demo().requests("").await.good();
    assert_eq!(shown["requests"][0]["query"], "key=blue&token=7");
}

#[tokio::test]
async fn the_log_holds_no_key_however_it_is_sent() {
    let mut server = Binary::start(&["--admin-token", TOKEN]).await;
    let made = server.client.post(server.url("/_mynah/accounts")).bearer_auth(TOKEN);
    let made: Value = made.json(&json!({})).send().await.unwrap().json().await.unwrap();
    let key = made["key"].as_str().unwrap().to_owned();
    for (path, id) in [
        ("/v1/runner/conversations".to_owned(), key.clone()),
        (format!("/v1/runner/conversations?key={key}"), TOKEN.to_owned()),
        (format!("/v1/runner/{key}/stream"), format!("trace:{key}")),
        (format!("/{key}"), "mine".to_owned()),
    ] {
        let request = server.client.get(server.url(&path)).header("x-api-key", &key);
        request.header("x-request-id", id).send().await.unwrap();
    }
    let method = reqwest::Method::from_bytes(key.replace('_', "-").as_bytes()).unwrap();
    server.client.request(method, server.url("/v1/runner/x")).send().await.unwrap();
    let mut lines = Vec::new();
    for _ in 0..6 {
        lines.push(server.request_line().await);
    }
    lines.extend(server.stop().await);
    for line in lines {
        let plain = line.replace('-', "_");
        assert!(!plain.contains(&key.replace('-', "_")) && !line.contains(TOKEN), "{line}");
    }
}
