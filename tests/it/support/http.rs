//! Requests to the server under test and its responses.

use std::fmt::Display;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::app::TestApp;
use super::openapi::{Expectation, ReceivedResponse, SentRequest, check_exchange};
use super::timeout::TIMEOUT;

/// A client for a server on this machine, which needs no certificates.
pub fn client() -> reqwest::Client {
    client_builder().timeout(TIMEOUT).build().unwrap()
}

/// The same, for tests that pause tokio's clock and limit their waits in another way.
pub fn client_without_timeout() -> reqwest::Client {
    client_builder().build().unwrap()
}

fn client_builder() -> reqwest::ClientBuilder {
    // Only the first call of a process installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().tls_certs_only([])
}

/// A request that can be changed before it is sent. Awaiting it sends it.
pub struct TestRequest<'a> {
    app: &'a TestApp,
    builder: reqwest::RequestBuilder,
    expectation: Expectation,
}

impl<'a> TestRequest<'a> {
    pub(super) fn new(app: &'a TestApp, method: Method, path: &str) -> Self {
        let builder = app.client().request(method, app.url(path));
        Self { app, builder, expectation: Expectation::Documented }
    }

    /// The Runner API's header for a key.
    pub fn key(self, key: &str) -> Self {
        self.header("x-api-key", key)
    }

    /// The Characters API's header for a key.
    pub fn bearer(self, key: &str) -> Self {
        self.header("authorization", format!("Bearer {key}"))
    }

    pub fn header(self, name: &str, value: impl Display) -> Self {
        Self { builder: self.builder.header(name, value.to_string()), ..self }
    }

    pub fn json(self, body: &Value) -> Self {
        Self { builder: self.builder.json(body), ..self }
    }

    /// These bytes with the content type of JSON.
    pub fn body(self, body: impl Into<reqwest::Body>) -> Self {
        let builder = self.builder.header("content-type", "application/json").body(body);
        Self { builder, ..self }
    }

    /// These bytes without a content type.
    pub fn untyped_body(self, body: impl Into<reqwest::Body>) -> Self {
        Self { builder: self.builder.body(body), ..self }
    }

    /// The server must refuse it, possibly for a reason that no schema expresses.
    pub fn deliberately_invalid(self) -> Self {
        Self { expectation: Expectation::Refused, ..self }
    }

    /// The response is not documented, for example because a fault changes it.
    pub fn undocumented(self) -> Self {
        Self { expectation: Expectation::Undocumented, ..self }
    }

    pub async fn send(self) -> TestResponse {
        let app = self.app;
        let response = self.send_expecting_5xx().await;
        if response.status.is_server_error() {
            app.note_unexpected_5xx();
        }
        response
    }

    /// Sends; a 5xx does not make the test fail.
    pub async fn send_expecting_5xx(self) -> TestResponse {
        let (status, headers, body) = self.send_for_bytes().await;
        TestResponse { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// Sends; for a response that is not text.
    pub async fn send_for_bytes(self) -> (StatusCode, HeaderMap, Bytes) {
        let (client, request) = self.builder.build_split();
        let request = request.expect("a request");
        let sent = sent_request(&request, self.expectation);
        let response = client.execute(request).await.expect("the server answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.expect("the response has an end");
        let pairs = header_pairs(&headers);
        let received =
            ReceivedResponse { status: status.as_u16(), headers: &pairs, body: Some(&body) };
        check_exchange(&sent, received);
        (status, headers, body)
    }
}

impl<'a> IntoFuture for TestRequest<'a> {
    type Output = TestResponse;
    type IntoFuture = BoxFuture<'a, TestResponse>;

    fn into_future(self) -> Self::IntoFuture {
        self.send().boxed()
    }
}

fn sent_request(request: &reqwest::Request, expectation: Expectation) -> SentRequest {
    let url = request.url();
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    let body = match request.body() {
        Some(body) => body.as_bytes().map(<[u8]>::to_vec),
        None => Some(Vec::new()),
    };
    SentRequest {
        method: request.method().to_string(),
        target: format!("{}{query}", url.path()),
        headers: header_pairs(request.headers()),
        body,
        expectation,
    }
}

fn header_pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

#[derive(Debug)]
pub struct TestResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl TestResponse {
    /// The body of a 200.
    #[track_caller]
    pub fn good(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    /// The body of a 200, which is an array.
    #[track_caller]
    pub fn array(&self) -> Vec<Value> {
        self.good().as_array().expect("an array").clone()
    }

    /// The body of a 201.
    #[track_caller]
    pub fn created(&self) -> Value {
        assert_eq!(self.status, 201, "{}", self.body);
        self.json()
    }

    /// The `id` in the body of a 201.
    #[track_caller]
    pub fn created_id(&self) -> String {
        self.created()["id"].as_str().expect("an id").to_owned()
    }

    /// The `conversation_id` in the body of a 200.
    #[track_caller]
    pub fn conversation_id(&self) -> String {
        self.good()["conversation_id"].as_str().expect("an id").to_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// An error in the Runner API's first envelope, with all four keys; returns the `error`.
    #[track_caller]
    pub fn runner_error(&self, status: u16, kind: &str, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        let body = self.json();
        let error = body["error"].as_object().unwrap_or_else(|| panic!("no envelope: {body}"));
        let keys: Vec<&str> = error.keys().map(String::as_str).collect();
        assert_eq!(keys, ["type", "message", "param", "code"], "{body}");
        assert_eq!((&error["type"], &error["code"]), (&json!(kind), &json!(code)), "{body}");
        body["error"].clone()
    }

    /// The Runner API's 400 `invalid_request_error` at `param`; returns the message.
    #[track_caller]
    pub fn invalid_request(&self, code: &str, param: &str) -> String {
        let error = self.runner_error(400, "invalid_request_error", code);
        assert_eq!(error["param"], json!(param), "{error}");
        error["message"].as_str().unwrap().to_owned()
    }

    /// An error of the Characters API or the control plane, `{"error": …}` and nothing else; returns
    /// the message.
    #[track_caller]
    pub fn error_message(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        let body = self.json();
        let envelope = body.as_object().unwrap_or_else(|| panic!("no envelope: {body}"));
        assert_eq!(envelope.keys().collect::<Vec<_>>(), ["error"], "{body}");
        body["error"].as_str().expect("a text").to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// A header that is a whole number.
    #[track_caller]
    pub fn integer_header(&self, name: &str) -> i64 {
        let value = self.header(name).unwrap_or_else(|| panic!("no {name}: {:?}", self.headers));
        value.parse().unwrap_or_else(|_| panic!("{name} is {value}"))
    }
}
