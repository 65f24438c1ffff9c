//! Whom a request is addressed to: `Host` (RFC 9112, 3.2), absolute targets, and proxies in front of
//! the control plane.

use std::sync::Arc;

use mynah::http::apis::control::ControlAccess;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::raw::RawConnection;
use crate::support::{KEY, TestApp, text_body};

const ACCOUNTS: &str = "/_mynah/accounts";

/// The answer to a head as it is, without a body: status, header lines, body.
async fn send_head(app: &TestApp, head: &str) -> (u16, Vec<String>, Value) {
    let mut raw = RawConnection::connect(app.address).await;
    raw.send(format!("{head}\r\n").as_bytes()).await;
    let (status, headers, body) = raw.response().await;
    (status, headers, serde_json::from_str(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_request_of_http_1_1_without_one_good_host_is_400_in_the_envelope_of_its_api() {
    let app = TestApp::start().await;
    let key = format!("x-api-key: {KEY}\r\nauthorization: Bearer {KEY}\r\n");
    for (hosts, reason) in [
        ("", "is missing"),
        ("host: mynah\r\nhost: mynah\r\n", "is sent more than once"),
        ("host: a b\r\n", "is not a host with an optional port"),
        ("host: http://mynah/\r\n", "is not a host with an optional port"),
        ("host: mynah:port\r\n", "is not a host with an optional port"),
    ] {
        let message = format!("the header Host {reason}");
        for (path, shape) in [
            (
                "/v1/runner/conversations",
                json!({"error": {"type": "invalid_request_error", "message": message,
                                 "param": null, "code": "invalid_request"}}),
            ),
            ("/api/v1/agents", json!({ "error": message })),
            (ACCOUNTS, json!({ "error": message })),
            ("/_mynah/health", json!({ "error": message })),
        ] {
            let head = format!("GET {path} HTTP/1.1\r\n{hosts}{key}");
            let (status, headers, body) = send_head(&app, &head).await;
            assert_eq!((status, body), (400, shape), "{hosts:?} {path}");
            assert!(headers.iter().any(|line| line.starts_with("x-request-id: ")), "{headers:?}");
        }
    }
}

/// hyper refuses these before any handler sees them.
#[tokio::test]
async fn a_head_that_is_no_request_or_too_large_is_refused_with_id_and_envelope() {
    let app = TestApp::start().await;
    let many = "a: b\r\n".repeat(101);
    let long = format!("/v1/runner/{}", "x".repeat(70_000));
    for (head, status, said) in [
        (format!("GET {long} HTTP/1.1\r\nhost: mynah\r\n"), 414, "the URL is too long"),
        (
            format!("GET /v1/runner/conversations HTTP/1.1\r\nhost: mynah\r\n{many}"),
            431,
            "the request has too many headers, or they are too long",
        ),
        ("GET /v1/runner/a b c\r\n".to_owned(), 400, "this is not a request of HTTP/1.1"),
        (format!("GET /api/v1/agents HTTP/1.1\r\nhost: mynah\r\n{many}"), 431, ""),
        ("GET /_mynah/accounts HTTP/1.1\r\nhost mynah\r\n".to_owned(), 400, ""),
    ] {
        let (answered, headers, body) = send_head(&app, &head).await;
        let start: String = head.chars().take(30).collect();
        assert_eq!(answered, status, "{start}");
        let ids = headers.iter().filter(|line| line.starts_with("x-request-id: req_")).count();
        assert_eq!(ids, 1, "{start}: {headers:?}");
        if said.is_empty() {
            assert!(body["error"].is_string(), "{start}: {body}");
        } else {
            let error = json!({"type": "invalid_request_error", "message": said, "param": null,
                               "code": "invalid_request"});
            assert_eq!(body, json!({ "error": error }), "{start}");
        }
    }
    let metrics = app.control().metrics().await.body;
    for status in [400, 414, 431] {
        let counted = format!("method=\"GET\",route=\"-\",status=\"{status}\"");
        assert!(metrics.contains(&counted), "{counted}");
    }
}

#[tokio::test]
async fn a_connection_is_usable_after_a_wrong_host() {
    let app = TestApp::start().await;
    let mut raw = RawConnection::connect(app.address).await;
    raw.send(b"GET /_mynah/health HTTP/1.1\r\n\r\n").await;
    assert_eq!(raw.response().await.0, 400);
    raw.post("/v1/runner/ECHO_DEPLOYMENT_ID", &text_body("Hi")).await;
    assert_eq!(raw.response().await.0, 200);
}

#[tokio::test]
async fn http_1_0_needs_no_host_and_http_1_1_may_send_an_empty_one() {
    let app = TestApp::start().await;
    for head in ["GET /_mynah/health HTTP/1.0\r\n", "GET /_mynah/health HTTP/1.1\r\nhost:\r\n"] {
        assert_eq!(send_head(&app, head).await.0, 200, "{head}");
    }
    let two = "GET /_mynah/health HTTP/1.0\r\nhost: a\r\nhost: b\r\n";
    assert_eq!(send_head(&app, two).await.0, 400);
}

#[tokio::test]
async fn links_begin_with_what_an_absolute_target_names() {
    let app = TestApp::start().await;
    let ask = async |target: &str| {
        let head =
            format!("GET {target} HTTP/1.1\r\nhost: other\r\nauthorization: Bearer {KEY}\r\n");
        let (status, _, body) = send_head(&app, &head).await;
        assert_eq!(status, 200, "{body}");
        body["data"][0]["url"].as_str().unwrap().to_owned()
    };
    assert!(ask("/api/v1/images").await.starts_with("http://other/images/"));
    let absolute = ask("http://mynah.example:8080/api/v1/images").await;
    assert!(absolute.starts_with("http://mynah.example:8080/images/"), "{absolute}");
}

#[tokio::test]
async fn the_control_plane_is_asked_by_the_authority_of_an_absolute_target() {
    let app = TestApp::start().await;
    for (target, host, status) in [
        ("/_mynah/accounts", "localhost", 200),
        ("/_mynah/accounts", "mynah.example", 403),
        ("http://mynah.example/_mynah/accounts", "localhost", 403),
        ("http://127.0.0.1/_mynah/accounts", "mynah.example", 200),
        ("http://127.0.0.1@mynah.example/_mynah/accounts", "localhost", 403),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n");
        assert_eq!(send_head(&app, &head).await.0, status, "{target} {host}");
    }
}

#[tokio::test]
async fn a_proxy_that_names_another_machine_closes_the_control_plane() {
    let app = TestApp::start().await;
    let ask = |name: &str, value: &str| {
        app.request(Method::GET, ACCOUNTS).header(name, value.to_owned()).send()
    };
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-for", "127.0.0.1, 203.0.113.7"),
        ("x-real-ip", "203.0.113.7"),
        ("x-forwarded-host", "mynah.example"),
        ("forwarded", "for=203.0.113.7;host=localhost"),
        ("via", "1.1 nginx"),
        ("cf-connecting-ip", "203.0.113.7"),
    ] {
        let refused = ask(name, value).await;
        let error = refused.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(refused.status, 403, "{name}: {value}");
        assert!(error.contains("proxy") && error.contains("--admin-token"), "{error}");
    }
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "localhost:5173"),
        ("forwarded", "for=\"[::1]:1234\""),
        ("via", "1.1 localhost:3000"),
    ] {
        assert_eq!(ask(name, value).await.status, 200, "{name}: {value}");
    }
}

#[tokio::test]
async fn with_a_token_the_control_plane_may_be_reached_through_a_proxy() {
    let token = ControlAccess::Token(Arc::from("sesame"));
    let app = TestApp::with(|config| config.control = token).await;
    let ask = app.request(Method::GET, ACCOUNTS).header("x-forwarded-for", "203.0.113.7");
    assert_eq!(ask.header("authorization", "Bearer sesame").await.status, 200);
}
