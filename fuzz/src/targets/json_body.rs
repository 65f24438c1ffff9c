//! JSON body → validated request. An input is `METHOD /path`, a line break, and a body, sent to a complete
//! server.

use axum::body::Body;
use axum::http::{Method, Request, Uri};

use super::is_orderly;
use crate::Target;
use crate::server::{answer, renew};

/// The target.
pub const TARGET: Target = Target {
    name: "json_body",
    run,
    dictionary: &[
        "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        "0,",
        "null",
        "true",
        "{}",
        "[]",
        "\\u0000",
        "{\"a\":",
        "\"content\"",
        "\"variables\"",
        "\"meta\"",
        "\"conversation_id\"",
        "\"history_limit\"",
        "\"messages\"",
        "\"role\"",
        "\"llm_id\"",
        "\"agent_id\"",
        "\"sd_model_id\"",
        "\"age\"",
        "\"when\"",
        "\"reply\"",
        "\"effect\"",
        "\"regex\"",
        "\"times\"",
        "\"seconds\"",
        "\"clock\"",
        "\"1970-01-01T00:00:00Z\"",
        "\"9999-12-31T23:59:59Z\"",
        "{{ message.text }}",
        "{% for i in ",
    ],
};

/// The default target, for an input whose first line has none.
const DEFAULT: &str = "/v1/runner/YOUR_DEPLOYMENT_ID/conversation";

fn run(input: &[u8]) {
    let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (head, body) = input.split_at(line);
    let (method, path) = target(head);
    let body = body.get(1..).unwrap_or_default().to_vec();
    let request = Request::builder()
        .method(method)
        .uri(&path)
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .header("x-api-key", "YOUR_API_KEY")
        .header("authorization", "Bearer your_api_key_here")
        .body(Body::from(body));
    // Not a valid request: nothing was sent.
    let Ok(request) = request else { return };
    let answered = answer(request);
    // A rule or a fault created by this input must not affect the next one.
    if path.starts_with("/_mynah/") && answered.as_ref().is_ok_and(|it| it.status.is_success()) {
        renew();
    }
    match answered {
        Ok(answered) => is_orderly(&answered, &path),
        Err(error) => panic!("{path}: {error:#}"),
    }
}

/// Method and path in an input's first line.
fn target(head: &[u8]) -> (Method, String) {
    let head = String::from_utf8_lossy(head);
    let (method, path) = head.split_once(' ').unwrap_or(("POST", DEFAULT));
    let method = match method {
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        _ => Method::POST,
    };
    let known = path.parse::<Uri>().is_ok_and(|uri| uri.path().starts_with('/'));
    (method, if known { path } else { DEFAULT }.to_owned())
}
