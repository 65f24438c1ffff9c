//! The targets, one file each.

#![expect(clippy::panic, reason = "a target reports a violated property by a panic")]

pub mod allowlist;
pub mod fixtures;
pub mod json_body;
pub mod query;
pub mod template;

use axum::http::header;

use crate::server::Answer;

/// Checks an answer to a request without a fault or a failing template: the status is below 500, and an
/// error has the documented envelope.
fn is_orderly(answer: &Answer, path: &str) {
    let status = answer.status;
    assert!(!status.is_server_error(), "{path}: status {status}: {}", text(&answer.body));
    assert!(answer.headers.contains_key("x-request-id"), "{path}: no x-request-id");
    if status.is_client_error() {
        let message = said(answer).unwrap_or_default();
        assert!(!message.is_empty(), "{path}: status {status}: {}", text(&answer.body));
        let json = answer.headers.get(header::CONTENT_TYPE);
        assert!(json.is_some_and(|it| it == "application/json"), "{path}: {json:?}");
    }
}

/// The message of an error in the envelope of either API.
fn said(answer: &Answer) -> Option<String> {
    let json = answer.json()?;
    let error = json.get("error")?;
    let message = error.as_str().or_else(|| error.get("message")?.as_str())?;
    Some(message.to_owned())
}

/// The beginning of a body, for messages.
fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(500).collect()
}
