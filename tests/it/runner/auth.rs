//! Runner API, "Authentication": keys, projects, public deployments and their allowlists.

use reqwest::Method;
use serde_json::json;

use crate::support::raw::RawConnection;
use crate::support::{
    CONVERSATION, DEPLOYMENT, KEY, OTHER, PUBLIC, TestApp, TestResponse, continue_body, text_body,
};

/// Every way to ask something of a deployment.
const AT_A_DEPLOYMENT: [(&str, &str, &str); 7] = [
    ("POST", "v1", ""),
    ("POST", "v1", "/stream"),
    ("POST", "v1", "/conversation"),
    ("POST", "v1", "/conversation/stream"),
    ("GET", "v1", "/conversations"),
    ("POST", "v1", "/trigger"),
    ("POST", "v2", "/conversation"),
];

/// Sends a good request for each of these, with a key or none.
async fn at(app: &TestApp, deployment: &str, key: Option<&str>) -> Vec<TestResponse> {
    let mut answers = Vec::new();
    for (method, version, rest) in AT_A_DEPLOYMENT {
        let method: Method = method.parse().unwrap();
        let path = format!("/{version}/runner/{deployment}{rest}");
        let mut request = app.request(method.clone(), &path);
        if method == Method::POST {
            let body = if rest == "/conversation/stream" {
                continue_body(CONVERSATION, "Hi")
            } else {
                text_body("Hi")
            };
            request = request.json(&body);
        }
        if let Some(key) = key {
            request = request.key(key);
        }
        answers.push(request.send().await);
    }
    answers
}

#[tokio::test]
async fn a_missing_key_is_401() {
    let app = TestApp::start().await;
    let mut answers = at(&app, DEPLOYMENT, None).await;
    answers.push(app.runner_without_key().list_conversations("").await);
    answers.push(app.runner_without_key().list_messages(CONVERSATION, "").await);
    answers.push(app.runner_without_key().trigger(DEPLOYMENT, "trg_123abc").await);
    for answer in answers {
        let error = answer.runner_error(401, "auth_error", "missing_api_key");
        assert_eq!(error["param"], json!(null));
    }
}

#[tokio::test]
async fn an_unknown_key_is_401() {
    let app = TestApp::start().await;
    for key in ["wrong", "your_API_key", "YOUR_API_KEYS", "YOUR_API_KEY,x", "", "\u{e9}"] {
        let mut answers = at(&app, DEPLOYMENT, Some(key)).await;
        answers.push(app.runner_as(key).list_conversations("").await);
        answers.push(app.runner_as(key).list_messages(CONVERSATION, "").await);
        for answer in answers {
            answer.runner_error(401, "auth_error", "invalid_api_key");
        }
    }
}

#[tokio::test]
async fn a_bearer_token_is_no_key() {
    let app = TestApp::start().await;
    let request = app.request(Method::POST, &format!("/v1/runner/{DEPLOYMENT}"));
    let request = request.bearer(KEY);
    let answer = request.json(&text_body("Hi")).await;
    answer.runner_error(401, "auth_error", "missing_api_key");
}

#[tokio::test]
async fn a_key_of_another_project_is_403() {
    let app = TestApp::start().await;
    let mine = at(&app, OTHER, Some(KEY)).await;
    let theirs = at(&app, DEPLOYMENT, Some("other_api_key")).await;
    for answer in mine.into_iter().chain(theirs) {
        let error = answer.runner_error(403, "auth_error", "deployment_forbidden");
        assert_eq!(error["param"], json!(null));
    }
    app.runner_as("other_api_key").run(OTHER, "Hi").await.good();
}

#[tokio::test]
async fn an_unknown_deployment_is_404_to_who_has_a_key_and_401_to_others() {
    let app = TestApp::start().await;
    for answer in at(&app, "NOT_A_DEPLOYMENT", Some(KEY)).await {
        answer.runner_error(404, "invalid_request_error", "deployment_not_found");
    }
    for answer in at(&app, "NOT_A_DEPLOYMENT", None).await {
        answer.runner_error(401, "auth_error", "missing_api_key");
    }
    for answer in at(&app, "NOT_A_DEPLOYMENT", Some("wrong")).await {
        answer.runner_error(401, "auth_error", "invalid_api_key");
    }
}

#[tokio::test]
async fn authentication_is_checked_before_anything_in_the_request() {
    let app = TestApp::start().await;
    let run = format!("/v1/runner/{DEPLOYMENT}");
    let broken = app.request(Method::POST, &run).key("wrong").body("{").await;
    broken.runner_error(401, "auth_error", "invalid_api_key");
    let untyped = app.request(Method::POST, &run).untyped_body("x").await;
    untyped.runner_error(401, "auth_error", "missing_api_key");
    let page = app.runner_without_key().list_conversations("?page=x").await;
    page.runner_error(401, "auth_error", "missing_api_key");
    let forbidden = app.request(Method::POST, &format!("/v1/runner/{OTHER}")).key(KEY);
    forbidden.body("{").await.runner_error(403, "auth_error", "deployment_forbidden");
}

/// A client that waits for `100 Continue` sends its body only when the server begins to read it.
#[tokio::test]
async fn a_refused_client_is_never_asked_for_its_body() {
    let app = TestApp::start().await;
    for (path, headers, status) in [
        (DEPLOYMENT, "", 401),
        (DEPLOYMENT, "x-api-key: wrong\r\n", 401),
        (OTHER, "x-api-key: YOUR_API_KEY\r\n", 403),
        (PUBLIC, "origin: https://evil.org\r\n", 403),
        (DEPLOYMENT, "x-api-key: YOUR_API_KEY\r\n", 100),
    ] {
        let mut raw = RawConnection::connect(app.address).await;
        let head = format!(
            "POST /v1/runner/{path} HTTP/1.1\r\nhost: mynah\r\nexpect: 100-continue\r\n{headers}\
             content-type: application/json\r\ncontent-length: 1000\r\n\r\n"
        );
        raw.send(head.as_bytes()).await;
        assert_eq!(raw.head().await.0, status, "{path} {headers}");
    }
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_the_body_and_leaves_the_connection_usable() {
    let app = TestApp::start().await;
    let mut raw = RawConnection::connect(app.address).await;
    let body = text_body("Hi").to_string();
    let (half, rest) = body.split_at(10);
    let head = format!(
        "POST /v1/runner/{DEPLOYMENT} HTTP/1.1\r\nhost: mynah\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    raw.send(format!("{head}{half}").as_bytes()).await;
    let patience = std::time::Duration::from_secs(5);
    let answer = tokio::time::timeout(patience, raw.response()).await;
    assert_eq!(answer.expect("an answer before the body is there").0, 401);
    raw.send(rest.as_bytes()).await;
    raw.post(&format!("/v1/runner/{DEPLOYMENT}"), &text_body("Hi")).await;
    assert_eq!(raw.response().await.0, 200);
}

// --- public deployments --------------------------------------------------------------------------

/// A run of the public deployment with these headers.
async fn run_public(app: &TestApp, headers: &[(&str, &str)]) -> TestResponse {
    let mut request = app.runner_without_key().run(PUBLIC, "Hi");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.await
}

#[tokio::test]
async fn a_public_deployment_needs_no_key_but_an_origin_on_its_allowlist() {
    let app = TestApp::start().await;
    for origin in [
        "https://example.com",
        "http://example.com:8080",
        "https://app.example.com",
        "https://EXAMPLE.com",
        "http://localhost:3000",
    ] {
        run_public(&app, &[("origin", origin)]).await.good();
    }
    for origin in [
        "https://notexample.com",
        "https://example.com.evil.org",
        "https://evil.org",
        "http://127.0.0.1:3000",
        "null",
    ] {
        let answer = run_public(&app, &[("origin", origin)]).await;
        let error = answer.runner_error(403, "auth_error", "origin_not_allowed");
        assert_eq!(error["param"], json!(null), "{origin}");
    }
}

#[tokio::test]
async fn every_path_of_a_public_deployment_is_open_to_its_origins_and_to_no_other() {
    let app = TestApp::start().await;
    for answer in at(&app, PUBLIC, None).await {
        answer.runner_error(403, "auth_error", "origin_not_allowed");
    }
    for (method, version, rest) in AT_A_DEPLOYMENT {
        let path = format!("/{version}/runner/{PUBLIC}{rest}");
        let request = app.request(method.parse().unwrap(), &path);
        let request = request.header("origin", "https://example.com").json(&text_body("Hi"));
        let status = request.await.status;
        assert!([200, 400].contains(&status.as_u16()), "{rest}: {status}");
    }
}

#[tokio::test]
async fn the_referer_stands_in_for_a_missing_origin_only() {
    let app = TestApp::start().await;
    run_public(&app, &[("referer", "https://example.com/chat?x=1")]).await.good();
    let strange = run_public(&app, &[("referer", "https://evil.org/example.com")]).await;
    strange.runner_error(403, "auth_error", "origin_not_allowed");
    let both = [("origin", "https://evil.org"), ("referer", "https://example.com/")];
    run_public(&app, &both).await.runner_error(403, "auth_error", "origin_not_allowed");
}

#[tokio::test]
async fn without_origin_and_referer_a_filled_allowlist_refuses_with_a_key_too() {
    let app = TestApp::start().await;
    run_public(&app, &[]).await.runner_error(403, "auth_error", "origin_not_allowed");
    let with_key = run_public(&app, &[("x-api-key", KEY)]).await;
    with_key.runner_error(403, "auth_error", "origin_not_allowed");
}

#[tokio::test]
async fn a_key_no_matter_which_changes_nothing_about_a_public_deployment() {
    let app = TestApp::start().await;
    for key in [KEY, "other_api_key", "wrong"] {
        let headers = [("x-api-key", key), ("origin", "https://example.com")];
        run_public(&app, &headers).await.good();
    }
}

#[tokio::test]
async fn an_empty_allowlist_allows_every_origin_and_none() {
    let deployment = r#"
        [[deployment]]
        id = "OPEN"
        account = "demo"
        model = "deepseek-chat"
        public = true
    "#;
    let app = TestApp::with_rules(deployment).await;
    let run = || app.runner_without_key().run("OPEN", "Hi");
    run().await.good();
    run().header("origin", "https://anywhere.org").await.good();
}

#[tokio::test]
async fn entries_of_an_allowlist_are_normalised() {
    let deployment = r#"
        [[deployment]]
        id = "SHOP"
        account = "demo"
        model = "deepseek-chat"
        public = true
        allowlist = ["https://www.Shop.example:8443/cart"]
    "#;
    let app = TestApp::with_rules(deployment).await;
    let run = || app.runner_without_key().run("SHOP", "Hi");
    run().header("origin", "http://shop.example").await.good();
    run().header("origin", "https://www.shop.example").await.good();
    let other = run().header("origin", "https://example").await;
    other.runner_error(403, "auth_error", "origin_not_allowed");
}

#[tokio::test]
async fn the_allowlist_of_a_deployment_with_authentication_is_no_matter() {
    let app = TestApp::start().await;
    let request = app.runner().run(DEPLOYMENT, "Hi");
    request.header("origin", "https://evil.org").await.good();
}

/// Starts a conversation on the public deployment, without a key.
async fn public_conversation(app: &TestApp) -> String {
    let request = app.runner_without_key().start_conversation(PUBLIC, "Hi");
    request.header("origin", "https://example.com").await.conversation_id()
}

#[tokio::test]
async fn use_of_a_public_deployment_is_attributed_to_its_owner() {
    let app = TestApp::start().await;
    let id = public_conversation(&app).await;
    assert!(app.runner().conversation_ids("").await.contains(&id));
    let mut body = text_body("Hi");
    body["history_limit"] = json!(1);
    let request = app.runner_without_key().continue_conversation(PUBLIC, &id, body);
    request.header("origin", "https://example.com").await.good();
    assert_eq!(app.runner().messages(&id).await.len(), 4);
}

#[tokio::test]
async fn messages_of_a_public_conversation_need_no_key_but_an_allowed_origin() {
    let app = TestApp::start().await;
    let id = public_conversation(&app).await;
    let get = || app.runner_without_key().list_messages(&id, "");
    let list = get().header("origin", "https://example.com").await.good();
    assert_eq!(list["total"], 2);
    get().await.runner_error(403, "auth_error", "origin_not_allowed");
    let evil = get().header("origin", "https://evil.org").await;
    evil.runner_error(403, "auth_error", "origin_not_allowed");
    get().key(KEY).await.good();
}

#[tokio::test]
async fn messages_of_other_conversations_need_a_key_whatever_the_origin() {
    let app = TestApp::start().await;
    let known = app.runner_without_key().list_messages(CONVERSATION, "");
    let known = known.header("origin", "https://example.com");
    known.await.runner_error(401, "auth_error", "missing_api_key");
    let nowhere = app.runner_without_key().list_messages("nowhere", "");
    nowhere.await.runner_error(401, "auth_error", "missing_api_key");
}
