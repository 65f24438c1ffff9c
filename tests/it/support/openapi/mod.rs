//! Checks requests and responses of the tests against the OpenAPI documents.
//!
//! A response with an undocumented status, header or field fails the test. So does a request that the
//! documents forbid and the server accepts, and one that they allow and the server calls malformed. A
//! test declares exceptions with an [`Expectation`]. Operations and statuses are recorded for
//! `tests/openapi_coverage`, see [`coverage`].

mod coverage;
mod document;
mod request;

use std::sync::LazyLock;

use document::{Document, Response, Schema, essence};
use mynah::domain::Api;
use mynah::openapi;
use serde_json::Value;

/// Headers that belong to HTTP or to CORS and not to an operation.
const GENERAL_HEADERS: [&str; 6] =
    ["connection", "content-length", "content-type", "date", "transfer-encoding", "vary"];

/// What a test expects of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// It is refused if, and only if, the documents forbid it.
    Documented,
    /// It is refused, possibly for a reason that no schema expresses.
    Refused,
    /// The response is not documented, for example because a fault changes it.
    Undocumented,
}

#[derive(Debug, Clone)]
pub struct SentRequest {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// `None` where it is not known as a whole.
    pub body: Option<Vec<u8>>,
    pub expectation: Expectation,
}

#[derive(Debug, Clone, Copy)]
pub struct ReceivedResponse<'a> {
    pub status: u16,
    /// Names in lower case.
    pub headers: &'a [(String, String)],
    /// `None` where it was not read to its end.
    pub body: Option<&'a [u8]>,
}

impl SentRequest {
    fn path(&self) -> &str {
        self.target.split(['?', '#']).next().expect("split returns at least one item")
    }

    fn query(&self) -> &str {
        let target = self.target.split('#').next().expect("split returns at least one item");
        target.split_once('?').map_or("", |(_, query)| query)
    }

    fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }
}

/// Checks one exchange.
///
/// # Panics
///
/// If it is not as documented.
pub fn check_exchange(sent: &SentRequest, received: ReceivedResponse<'_>) {
    let problems = problems(sent, received);
    assert!(
        problems.is_empty() || sent.expectation == Expectation::Undocumented,
        "not as the OpenAPI document says: {} {} answered {}:\n  {}\n{}",
        sent.method,
        sent.target,
        received.status,
        problems.join("\n  "),
        String::from_utf8_lossy(received.body.unwrap_or_default()),
    );
}

fn problems(sent: &SentRequest, received: ReceivedResponse<'_>) -> Vec<String> {
    let Some((api, document)) = document_of(sent.path()) else { return Vec::new() };
    if sent.method == "OPTIONS" {
        return Vec::new();
    }
    let method = if sent.method == "HEAD" { "GET" } else { sent.method.as_str() };
    let operations = document.operations_at(sent.path());
    let Some((operation, values)) =
        operations.iter().find(|(operation, _)| operation.method == method)
    else {
        return unknown_operation_problems(document, !operations.is_empty(), received);
    };
    let Some(response) = operation.responses.get(&received.status) else {
        return vec![format!("`{}` has no response {}", operation.id, received.status)];
    };
    let mut problems = response_problems(response, sent.method == "HEAD", received);
    problems.extend(request::problems(operation, values, sent, received.status));
    if problems.is_empty() {
        coverage::record(api, &operation.id, received.status);
    }
    problems
}

/// What is wrong with the response to an operation that does not exist: it must be 404, or 405 where
/// the path has other methods.
fn unknown_operation_problems(
    document: &Document,
    path_is_known: bool,
    received: ReceivedResponse<'_>,
) -> Vec<String> {
    let expected = if path_is_known { 405 } else { 404 };
    if received.status != expected {
        return vec![format!("the document has no such operation: it should be {expected}")];
    }
    let check = |schema| received.body.map_or_else(Vec::new, |body| body_problems(schema, body));
    let by_envelope: Vec<_> = document.error_envelopes.iter().map(check).collect();
    let mut problems =
        if by_envelope.iter().any(Vec::is_empty) { Vec::new() } else { by_envelope.concat() };
    if path_is_known != find_header(received.headers, "allow").is_some() {
        problems.push("`Allow` belongs to a 405, and to nothing else".to_owned());
    }
    problems
}

fn response_problems(
    response: &Response,
    is_head: bool,
    received: ReceivedResponse<'_>,
) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, value) in received.headers {
        match response.headers.get(name) {
            Some(header) => problems.extend(header_problems(&header.schema, name, value)),
            None if GENERAL_HEADERS.contains(&name.as_str())
                || name.starts_with("access-control-") => {}
            None => problems.push(format!("the header `{name}` is not documented")),
        }
    }
    for (name, header) in &response.headers {
        if header.required && find_header(received.headers, name).is_none() {
            problems.push(format!("the header `{name}` is missing"));
        }
    }
    let kind = find_header(received.headers, "content-type").map(essence);
    match kind.as_ref().and_then(|kind| response.content.get(kind)) {
        Some(_) if is_head => {}
        Some(schema) => {
            let json = kind.as_deref() == Some("application/json");
            if let (Some(schema), Some(body)) = (schema, received.body) {
                let check = if json { body_problems } else { text_problems };
                problems.extend(check(schema, body));
            }
        }
        None if kind.is_none() && response.content.is_empty() => {}
        None => problems.push(format!("the content type {kind:?} is not documented")),
    }
    problems
}

fn body_problems(schema: &Schema, body: &[u8]) -> Vec<String> {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => schema.problems(&value),
        Err(error) => vec![format!("the body is not JSON: {error}")],
    }
}

/// A text is checked as a string; bytes that are not UTF-8 (a picture) are not checked.
fn text_problems(schema: &Schema, body: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(body);
    text.map_or_else(|_| Vec::new(), |text| schema.problems(&Value::from(text)))
}

fn header_problems(schema: &Schema, name: &str, value: &str) -> Vec<String> {
    let problems = schema.problems(&request::parse_as(schema, value)).into_iter();
    problems.map(|problem| format!("header `{name}`: {problem}")).collect()
}

fn find_header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// The document of the API to which a path belongs.
fn document_of(path: &str) -> Option<(Api, &'static Document)> {
    static RUNNER: LazyLock<Document> = LazyLock::new(|| read(Api::Runner));
    static CHARACTERS: LazyLock<Document> = LazyLock::new(|| read(Api::Characters));
    let is_below = |prefix: &str| {
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if is_below("/v1/runner") || is_below("/v2/runner") {
        Some((Api::Runner, &RUNNER))
    } else if is_below("/api/v1") || is_below("/images") {
        Some((Api::Characters, &CHARACTERS))
    } else {
        None
    }
}

fn read(api: Api) -> Document {
    let text = serde_json::from_str(openapi::json(api)).expect("the document is JSON");
    Document::read(api.name(), &text)
}
