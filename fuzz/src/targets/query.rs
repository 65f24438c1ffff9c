//! Query → page. An input is a path with a query, sent as a GET to a complete server.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::Request;

use super::is_orderly;
use crate::Target;
use crate::server::answer;

/// The target.
pub const TARGET: Target = Target {
    name: "query",
    run,
    dictionary: &[
        "?",
        "&",
        "=",
        "+",
        "%",
        "%00",
        "%ff",
        "%2B",
        "page=",
        "page_size=",
        "type=llm",
        "userId=",
        "method=",
        "route=",
        "path=",
        "status=",
        "body=",
        "since=",
        "limit=",
        "match={",
        "report=true",
        "%22regex%22:",
        "a=1&",
        "&&",
        "=&=",
        "2xx",
        "2026-03-24T09:00:00Z",
        "18446744073709551615",
        "/v1/runner/*",
    ],
};

fn run(input: &[u8]) {
    let target = encoded(input);
    let path = target.split('?').next().unwrap_or_default();
    // These two would wait for requests that are never sent.
    if path.ends_with("/requests/wait") || path.ends_with("/requests/stream") {
        return;
    }
    let request = Request::builder()
        .uri(&target)
        .header("host", "127.0.0.1")
        .header("x-api-key", "YOUR_API_KEY")
        .header("authorization", "Bearer your_api_key_here")
        .body(Body::empty());
    let Ok(request) = request else { return };
    let answered = match answer(request) {
        Ok(answered) => answered,
        Err(error) => panic!("{target}: {error:#}"),
    };
    // Requests may exceed the plan's limit; lists of files have no envelope.
    is_orderly(&answered, path);
    if !answered.status.is_success() || path.starts_with("/_mynah/") {
        return;
    }
    let json = answered.json().unwrap_or_default();
    if let (Some(items), Some(size)) = (json.get("items"), json.get("page_size")) {
        is_a_page(items.as_array().map(Vec::len), size.as_u64(), &target);
    }
    if let (Some(items), Some(pagination)) = (json.get("data"), json.get("pagination")) {
        let size = pagination.get("page_size").and_then(serde_json::Value::as_u64);
        is_a_page(items.as_array().map(Vec::len), size, &target);
    }
}

fn is_a_page(items: Option<usize>, size: Option<u64>, target: &str) {
    let (items, size) = (items.unwrap_or(usize::MAX), size.unwrap_or_default());
    assert!((1..=100).contains(&size), "{target}: a page size of {size}");
    assert!(u64::try_from(items).is_ok_and(|it| it <= size), "{target}: {items} items of {size}");
}

/// The target with characters that are invalid in a URI percent-encoded.
fn encoded(input: &[u8]) -> String {
    let mut target = String::with_capacity(input.len() + 1);
    if input.first() != Some(&b'/') {
        target.push('/');
    }
    for byte in input {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(byte) {
            target.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(target, "%{byte:02X}");
        }
    }
    target
}
