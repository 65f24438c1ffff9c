//! An entry of the request log inside a test.

use std::fmt;

use serde_json::Value;

use crate::http::apis::control::{headline, number, text};

/// A request with its response and trace (docs/control.md, "Request log"). Keys are blanked.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedExchange(Value);

const NULL: &Value = &Value::Null;

impl LoggedExchange {
    pub(super) fn new(entry: Value) -> Self {
        Self(entry)
    }

    fn field(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(NULL)
    }

    /// The entry as JSON.
    pub fn entry(&self) -> &Value {
        &self.0
    }

    /// The number, from 1.
    pub fn number(&self) -> u64 {
        number(&self.0)
    }

    /// `GET`, `POST` …
    pub fn method(&self) -> &str {
        text(&self.0, "method")
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        text(&self.0, "path")
    }

    /// The route: `/v1/runner/{deployment_id}`.
    pub fn route(&self) -> Option<&str> {
        self.field("route").as_str()
    }

    /// The query without the `?`, as it was sent.
    pub fn query(&self) -> Option<&str> {
        self.field("query").as_str()
    }

    /// The header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.field("headers").get(name.to_ascii_lowercase())?.as_str()
    }

    /// The body: an object if it was one in JSON, else its text; `null` if none was sent or read (as
    /// with 401, 429 and a fault's status).
    pub fn body(&self) -> &Value {
        self.field("body")
    }

    /// The status of the response; `None` if the client left before.
    pub fn status(&self) -> Option<u16> {
        self.answer()?.get("status")?.as_u64()?.try_into().ok()
    }

    /// The response: `status`, `headers`, `body`, and `words` of a stream.
    pub fn answer(&self) -> Option<&Value> {
        Some(self.field("answer")).filter(|answer| !answer.is_null())
    }

    /// How the response ended: `complete`, `broken` by the server, or `hung_up` by the client.
    pub fn end(&self) -> &str {
        text(&self.0, "end")
    }

    /// The prompt and the rule that answered; `None` if no model was used.
    pub fn model(&self) -> Option<&Value> {
        Some(self.field("model")).filter(|model| !model.is_null())
    }

    /// The rule that answered, or `queue`.
    pub fn rule(&self) -> Option<&str> {
        self.model()?.get("rule")?.as_str()
    }

    /// The effect of the fault of the request: `status`, `break_after` …
    pub fn fault(&self) -> Option<&str> {
        self.field("fault").get("effect")?.as_str()
    }
}

impl fmt::Display for LoggedExchange {
    /// One line: `3 POST /v1/runner/X → 503 (fault: status)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&headline(&self.0))
    }
}
