//! Template → compile and render within its budget. An input is the text of a reply: it is queued, and if
//! that succeeds, a request is answered with it.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use super::{is_orderly, said};
use crate::Target;
use crate::server::{Answer, answer};

/// The target.
pub const TARGET: Target = Target {
    name: "template",
    run,
    dictionary: &[
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "{{ ",
        " }}",
        "{% ",
        " %}",
        "(",
        ")",
        "[",
        "]",
        ".b",
        "|e",
        "|upper",
        "|join",
        "|format(1)",
        "|indent(100000000)",
        "-",
        "1+",
        "~",
        "not ",
        " and ",
        "{% for i in range(100000) %}",
        "{% endfor %}",
        "{% if a %}",
        "{% elif b %}",
        "{% endif %}",
        "{% set s = s ~ s %}",
        "{% macro m() %}",
        "{{ m() }}{{ m() }}",
        "{% endmacro %}",
        "{% set ns = namespace(s='a') %}",
        "message.text",
        "variables.",
        "history",
        "meta",
        "tool_results",
        "capabilities",
        "loop.index",
        "range(",
        "*99999",
        "**9",
        "'%1000000d'",
        "\"a\"",
    ],
};

const QUEUE: &str = "/_mynah/accounts/demo/replies/queue";
const RUN: &str = "/v1/runner/YOUR_DEPLOYMENT_ID";

fn run(input: &[u8]) {
    let source = String::from_utf8_lossy(input);
    let queued = send("POST", QUEUE, json!({ "text": source }).to_string());
    is_orderly(&queued, QUEUE);
    if queued.status != StatusCode::CREATED {
        assert_eq!(queued.status, StatusCode::BAD_REQUEST, "{}", said(&queued).unwrap_or_default());
        return;
    }
    let body = json!({
        "content": [{"type": "text", "text": "Where is my order 17?"}],
        "variables": {"customer_name": "Ada", "numbers": [1, 2.5, 1e300], "nested": {"a": {"b": null}}},
    });
    let answered = send("POST", RUN, body.to_string());
    // A template that fails or exceeds its budget fails its own request …
    let failed = answered.status == StatusCode::INTERNAL_SERVER_ERROR;
    assert!(failed || answered.status.is_success(), "{RUN}: status {}", answered.status);
    // … but not the next one: the reply is used up.
    let next = send("POST", RUN, body.to_string());
    assert!(next.status.is_success(), "the next request: status {}", next.status);
}

fn send(method: &str, path: &str, body: String) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .header("x-api-key", "YOUR_API_KEY")
        .body(Body::from(body));
    let answered = request.map_err(anyhow::Error::from).and_then(answer);
    match answered {
        Ok(answered) => answered,
        Err(error) => panic!("{path}: {error:#}"),
    }
}
