//! Holds what goes over the wire to the OpenAPI documents: every answer that a test receives, and
//! every request it sends.
//!
//! An answer whose status, header or field is not in its document fails the test. A request that
//! is not as documented must be refused, and one that is must not be called malformed: neither is
//! the server laxer than the documents nor they than it. A test that means an exception says so by
//! a [`Mark`]. What was seen of operations and statuses is written down for
//! `tests/openapi_coverage`, see [`record`].

mod document;
mod record;
mod request;

use std::sync::LazyLock;

use document::{Document, Response, Schema, essence};
use mynah::domain::Api;
use mynah::openapi;
use serde_json::Value;

/// Headers that belong to HTTP, or to CORS, and not to an operation.
const GENERAL: [&str; 6] =
    ["connection", "content-length", "content-type", "date", "transfer-encoding", "vary"];

/// How a test means a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// As the documents have it: refused if they say so, and only then.
    Ordinary,
    /// Meant to be refused, be it for a reason that no schema can tell.
    DeliberatelyInvalid,
    /// Answered in a way the documents do not know: by a fault that was asked for, say.
    BeyondDocuments,
}

/// What was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// None where it is not known as a whole.
    pub body: Option<Vec<u8>>,
    pub mark: Mark,
}

/// What came back.
#[derive(Debug, Clone, Copy)]
pub struct Came<'a> {
    pub status: u16,
    /// Names in lower case.
    pub headers: &'a [(String, String)],
    /// None where nobody read it to its end.
    pub body: Option<&'a [u8]>,
}

impl Sent {
    fn path(&self) -> &str {
        self.target.split(['?', '#']).next().unwrap_or_default()
    }

    fn query(&self) -> &str {
        let target = self.target.split('#').next().unwrap_or_default();
        target.split_once('?').map_or("", |(_, query)| query)
    }

    fn header(&self, name: &str) -> Option<&str> {
        named(&self.headers, name)
    }
}

/// Holds an exchange to the documents.
///
/// # Panics
///
/// Where it is not as they say.
pub fn hold(sent: &Sent, came: Came<'_>) {
    let faults = faults(sent, came);
    assert!(
        faults.is_empty() || sent.mark == Mark::BeyondDocuments,
        "not as the OpenAPI document says: {} {} answered {}:\n  {}\n{}",
        sent.method,
        sent.target,
        came.status,
        faults.join("\n  "),
        String::from_utf8_lossy(came.body.unwrap_or_default()),
    );
}

fn faults(sent: &Sent, came: Came<'_>) -> Vec<String> {
    let Some((room, document)) = document_of(sent.path()) else { return Vec::new() };
    if sent.method == "OPTIONS" {
        return Vec::new();
    }
    let method = if sent.method == "HEAD" { "GET" } else { sent.method.as_str() };
    let at = document.at(sent.path());
    let Some((operation, values)) = at.iter().find(|(operation, _)| operation.method == method)
    else {
        return outside(document, !at.is_empty(), came);
    };
    let Some(response) = operation.responses.get(&came.status) else {
        return vec![format!("`{}` has no answer {}", operation.id, came.status)];
    };
    let mut faults = faults_of_answer(response, sent.method == "HEAD", came);
    faults.extend(request::judged(operation, values, sent, came.status));
    if faults.is_empty() {
        record::seen(room, &operation.id, came.status);
    }
    faults
}

/// What is wrong with an answer of no operation: 404, or 405 where other methods are known.
fn outside(document: &Document, known: bool, came: Came<'_>) -> Vec<String> {
    let expected = if known { 405 } else { 404 };
    if came.status != expected {
        return vec![format!("the document has no such operation: it should be {expected}")];
    }
    let of_body = |schema| came.body.map_or_else(Vec::new, |body| body_faults(schema, body));
    let of_bodies: Vec<_> = document.refusals.iter().map(of_body).collect();
    let mut faults =
        if of_bodies.iter().any(Vec::is_empty) { Vec::new() } else { of_bodies.concat() };
    if known != named(came.headers, "allow").is_some() {
        faults.push("`Allow` belongs to a 405, and to nothing else".to_owned());
    }
    faults
}

fn faults_of_answer(response: &Response, without_body: bool, came: Came<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, value) in came.headers {
        match response.headers.get(name) {
            Some(header) => faults.extend(header_faults(&header.schema, name, value)),
            None if GENERAL.contains(&name.as_str()) || name.starts_with("access-control-") => {}
            None => faults.push(format!("the header `{name}` is not documented")),
        }
    }
    for (name, header) in &response.headers {
        if header.required && named(came.headers, name).is_none() {
            faults.push(format!("the header `{name}` is missing"));
        }
    }
    let kind = named(came.headers, "content-type").map(essence);
    match kind.as_ref().and_then(|kind| response.content.get(kind)) {
        Some(_) if without_body => {}
        Some(schema) => {
            let json = kind.as_deref() == Some("application/json");
            if let (Some(schema), Some(body)) = (schema, came.body) {
                let of_body = if json { body_faults } else { text_faults };
                faults.extend(of_body(schema, body));
            }
        }
        None if kind.is_none() && response.content.is_empty() => {}
        None => faults.push(format!("the content type {kind:?} is not documented")),
    }
    faults
}

fn body_faults(schema: &Schema, body: &[u8]) -> Vec<String> {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => schema.faults(&value),
        Err(error) => vec![format!("the answer is no JSON: {error}")],
    }
}

/// A text is checked as a string; bytes that are none (a picture) are whatever they are.
fn text_faults(schema: &Schema, body: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(body);
    text.map_or_else(|_| Vec::new(), |text| schema.faults(&Value::from(text)))
}

fn header_faults(schema: &Schema, name: &str, value: &str) -> Vec<String> {
    let faults = schema.faults(&request::as_typed(schema, value)).into_iter();
    faults.map(|fault| format!("header `{name}`: {fault}")).collect()
}

fn named<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(theirs, _)| theirs == name).map(|(_, value)| value.as_str())
}

/// The document that speaks of a path.
fn document_of(path: &str) -> Option<(Api, &'static Document)> {
    static RUNNER: LazyLock<Document> = LazyLock::new(|| read(Api::Runner));
    static CHARACTERS: LazyLock<Document> = LazyLock::new(|| read(Api::Characters));
    let below = |prefix: &str| {
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if below("/v1/runner") {
        Some((Api::Runner, &RUNNER))
    } else if below("/api/v1") || below("/images") {
        Some((Api::Characters, &CHARACTERS))
    } else {
        None
    }
}

fn read(room: Api) -> Document {
    let text = serde_json::from_str(openapi::json(room)).expect("the document is JSON");
    Document::read(room.name(), &text)
}
