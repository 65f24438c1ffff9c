//! Statuses that any operation can give, at every operation that documents them: what is wrong with
//! a body, a limit that is used up, an account that ends meanwhile, and what faults are asked for.
//!
//! Here it is the layer in `support/held` that looks at the answers; `tests/openapi_coverage` counts
//! them.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::characters::BEARER;
use crate::support::raw::RawConnection;
use crate::support::{ACCOUNTS, CONVERSATION, KEY, TestApp, TestRequest, continue_body, text_body};

/// What a server reads at most of one body.
const LARGEST_BODY: usize = 10 * 1024 * 1024;
/// How long a server waits for a body.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

const LOOKS: [&str; 12] = [
    "/v1/runner/conversations",
    "/v1/runner/YOUR_DEPLOYMENT_ID/conversations",
    "/v1/runner/conversation/550e8400-e29b-41d4-a716-446655440000/messages",
    "/v1/runner/YOUR_DEPLOYMENT_ID/trigger/trg_123abc",
    "/v2/runner/YOUR_DEPLOYMENT_ID/conversation/550e8400-e29b-41d4-a716-446655440000/history",
    "/api/v1/models?type=llm",
    "/api/v1/conversations",
    "/api/v1/conversations/conv_123abc",
    "/api/v1/conversations/conv_123abc/messages",
    "/api/v1/agents",
    "/api/v1/agents/agent_xyz789",
    "/api/v1/images",
];

const TRIGGER: &str = "/v1/runner/YOUR_DEPLOYMENT_ID/trigger";
const AGENT_RUN: &str = "/v2/runner/YOUR_DEPLOYMENT_ID/conversation";

/// Every operation with a body, and a valid body.
fn bodies() -> [(&'static str, Value); 11] {
    let message = json!({"role": "user", "content": "Hi"});
    [
        ("/v1/runner/YOUR_DEPLOYMENT_ID", text_body("Hi")),
        ("/v1/runner/YOUR_DEPLOYMENT_ID/stream", text_body("Hi")),
        ("/v1/runner/YOUR_DEPLOYMENT_ID/conversation", text_body("Hi")),
        ("/v1/runner/YOUR_DEPLOYMENT_ID/conversation/stream", continue_body(CONVERSATION, "Hi")),
        (TRIGGER, text_body("Hi")),
        (AGENT_RUN, text_body("Hi")),
        ("/api/v1/completions", json!({"messages": [message], "llm_id": "model_abc123"})),
        ("/api/v1/conversations", json!({"title": "T", "llm_id": "model_abc123"})),
        ("/api/v1/conversations/conv_123abc/messages", json!({"content": "Hi"})),
        ("/api/v1/agents", json!({"name": "A", "sd_model_id": "sd_model_456abc"})),
        ("/api/v1/images", json!({"prompt": "A hill", "sd_model_id": "sd_model_456abc"})),
    ]
}

fn with_key<'a>(app: &'a TestApp, method: Method, path: &str, key: &str) -> TestRequest<'a> {
    app.request(method, path).key(key).bearer(key)
}

/// Every operation once, with the key of one account.
fn each<'a>(app: &'a TestApp, key: &'a str) -> impl Iterator<Item = TestRequest<'a>> {
    let looks = LOOKS.iter().map(move |path| with_key(app, Method::GET, path, key));
    let post = move |path| with_key(app, Method::POST, path, key);
    looks.chain(bodies().into_iter().map(move |(path, body)| post(path).json(&body)))
}

/// The head of a POST whose body of `length` bytes is yet to come.
fn head(path: &str, key: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: mynah\r\nx-api-key: {key}\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn every_operation_answers() {
    let app = TestApp::start().await;
    for request in each(&app, KEY) {
        let answer = request.await;
        assert!(answer.status.is_success(), "{answer:?}");
    }
}

#[tokio::test]
async fn every_body_has_to_be_json_and_not_too_large() {
    let app = TestApp::start().await;
    for (path, _) in bodies() {
        let post = || with_key(&app, Method::POST, path, KEY);
        assert_eq!(post().untyped_body("{}").await.status, 415, "{path}");
        assert_eq!(post().body("{").await.status, 400, "{path}");
        let large = " ".repeat(LARGEST_BODY + 1);
        assert_eq!(post().body(large).await.status, 413, "{path}");
    }
}

#[tokio::test]
async fn every_body_has_to_come_in_time() {
    let app = TestApp::start().await;
    for (path, _) in bodies() {
        let mut raw = RawConnection::connect(app.address).await;
        raw.send_request_in_parts("POST", path, &head(path, KEY, 10), "{").await;
        app.settle().await;
        tokio::time::pause();
        tokio::time::advance(BODY_PATIENCE).await;
        tokio::time::resume();
        assert_eq!(raw.response().await.0, 408, "{path}");
    }
}

#[tokio::test]
async fn every_operation_in_an_account_that_ends_meanwhile_is_409() {
    let app = TestApp::start().await;
    let stores = |path: &str| path.starts_with("/api") || path == TRIGGER;
    for (path, body) in bodies().into_iter().filter(|(path, _)| stores(path)) {
        let body = body.to_string();
        let mut raw = RawConnection::connect(app.address).await;
        raw.send_request_in_parts("POST", path, &head(path, BEARER, body.len()), "").await;
        app.settle().await;
        let reset = app.demo().reset();
        reset.await.good();
        raw.send(body.as_bytes()).await;
        assert_eq!(raw.response().await.0, 409, "{path}");
    }
}

#[tokio::test]
async fn every_operation_is_429_when_the_limit_is_used_up() {
    let plan = "requests_per_minute = 100";
    let limited = format!("{plan}\nrunner_requests_per_minute = 1");
    let accounts = ACCOUNTS.replace(plan, &limited.replace("= 100", "= 1"));
    let app = TestApp::with_replaced_fixture("accounts.toml", &accounts).await;
    for api in ["/v1/runner/conversations", "/api/v1/agents"] {
        with_key(&app, Method::GET, api, KEY).await.good();
    }
    for request in each(&app, KEY) {
        assert_eq!(request.await.status, 429);
    }
}

#[tokio::test]
async fn every_operation_has_the_envelope_of_each_error_that_faults_ask_for() {
    let app = TestApp::start().await;
    let faults = "/_mynah/accounts/demo/faults";
    for status in [422, 500, 502, 503, 504] {
        let fault = json!({"effect": {"status": status}});
        assert_eq!(app.request(Method::POST, faults).json(&fault).await.status, 201);
        for request in each(&app, KEY) {
            // The Characters API knows no 422.
            let request = if status == 422 { request.undocumented() } else { request };
            assert_eq!(request.send_expecting_5xx().await.status, status);
        }
        assert_eq!(app.request(Method::DELETE, faults).await.status, 204);
    }
    assert_eq!(app.runner().messages(CONVERSATION).await.len(), 2, "nothing was stored");
}
