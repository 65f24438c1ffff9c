//! Responses and what is expected of them.

use std::fmt::Display;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Maximum number of characters of a response that a report shows.
const EXCERPT_CHARS: usize = 240;

/// Why a check failed or could not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CheckFailure {
    /// The target answered differently.
    Differs {
        /// Method and path.
        request: String,
        /// The expectation.
        expected: String,
        /// The observation.
        seen: String,
    },
    /// The check could not run, for this reason.
    Blocked(String),
}

impl CheckFailure {
    /// The same failure as the reason why a check that depends on it cannot run.
    pub(super) fn into_blocked(self) -> Self {
        match self {
            Self::Differs { request, expected, seen } => {
                Self::Blocked(format!("it depends on {request}: expected {expected}, seen {seen}"))
            }
            blocked @ Self::Blocked(_) => blocked,
        }
    }
}

/// The first characters of `text` on one line.
pub(super) fn excerpt(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut short: String = line.chars().take(EXCERPT_CHARS).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// A complete response.
#[derive(Debug, Clone)]
pub(super) struct Response {
    /// Method and path of the request.
    pub(super) request: String,
    /// The status.
    pub(super) status: u16,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body in the pieces in which it arrived.
    pub(super) pieces: Vec<Bytes>,
}

impl Response {
    /// The whole body.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    /// The body as text; invalid UTF-8 becomes U+FFFD.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// A header as text; empty if it is absent.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A failure that says what was expected of this response.
    pub(super) fn differs(&self, expected: impl Display, seen: impl Display) -> CheckFailure {
        CheckFailure::Differs {
            request: self.request.clone(),
            expected: expected.to_string(),
            seen: excerpt(&seen.to_string()),
        }
    }

    /// Fails unless `holds`.
    pub(super) fn check(
        &self,
        holds: bool,
        expected: impl Display,
        seen: impl Display,
    ) -> Result<(), CheckFailure> {
        if holds { Ok(()) } else { Err(self.differs(expected, seen)) }
    }

    /// Fails unless the status is one of these.
    pub(super) fn status(&self, expected: &[u16]) -> Result<&Self, CheckFailure> {
        if expected.contains(&self.status) {
            return Ok(self);
        }
        let expected: Vec<String> = expected.iter().map(u16::to_string).collect();
        let seen = format!("{} {}", self.status, self.text());
        Err(self.differs(format!("status {}", expected.join(" or ")), seen))
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Json<'_>, CheckFailure> {
        match serde_json::from_slice(&self.bytes()) {
            Ok(value) => Ok(Json { seen: self, value }),
            Err(_) => Err(self.differs("a JSON body", self.text())),
        }
    }

    /// The JSON body of a 200.
    pub(super) fn ok_json(&self) -> Result<Json<'_>, CheckFailure> {
        self.status(&[200])?.json()
    }

    /// The JSON body of a 200 or a 201; the documents show both as success.
    pub(super) fn created_json(&self) -> Result<Json<'_>, CheckFailure> {
        self.status(&[200, 201])?.json()
    }
}

/// A JSON body with access by JSON pointer: `/items/0/id`.
#[derive(Debug)]
pub(super) struct Json<'a> {
    seen: &'a Response,
    /// The body.
    pub(super) value: Value,
}

impl Json<'_> {
    fn missing(&self, what: &str, pointer: &str) -> CheckFailure {
        let seen = match self.value.pointer(pointer) {
            Some(value) => value.to_string(),
            None => format!("no such field in {}", self.value),
        };
        self.seen.differs(format!("{what} at {pointer}"), seen)
    }

    /// Whether there is a value at `pointer`.
    pub(super) fn has(&self, pointer: &str) -> bool {
        self.value.pointer(pointer).is_some()
    }

    /// The value at `pointer`.
    pub(super) fn at(&self, pointer: &str) -> Result<&Value, CheckFailure> {
        self.value.pointer(pointer).ok_or_else(|| self.missing("something", pointer))
    }

    /// The string at `pointer`.
    pub(super) fn text(&self, pointer: &str) -> Result<&str, CheckFailure> {
        let text = self.value.pointer(pointer).and_then(Value::as_str);
        text.ok_or_else(|| self.missing("a string", pointer))
    }

    /// The non-empty string at `pointer`.
    pub(super) fn non_empty_text(&self, pointer: &str) -> Result<&str, CheckFailure> {
        match self.text(pointer)? {
            "" => Err(self.missing("a string that is not empty", pointer)),
            text => Ok(text),
        }
    }

    /// The unsigned integer at `pointer`.
    pub(super) fn integer(&self, pointer: &str) -> Result<u64, CheckFailure> {
        let number = self.value.pointer(pointer).and_then(Value::as_u64);
        number.ok_or_else(|| self.missing("a whole number", pointer))
    }

    /// The number at `pointer`.
    pub(super) fn number(&self, pointer: &str) -> Result<f64, CheckFailure> {
        let number = self.value.pointer(pointer).and_then(Value::as_f64);
        number.ok_or_else(|| self.missing("a number", pointer))
    }

    /// The array at `pointer`.
    pub(super) fn list(&self, pointer: &str) -> Result<&[Value], CheckFailure> {
        let list = self.value.pointer(pointer).and_then(Value::as_array);
        list.map(Vec::as_slice).ok_or_else(|| self.missing("an array", pointer))
    }

    /// The RFC 3339 time at `pointer`.
    pub(super) fn time(&self, pointer: &str) -> Result<&str, CheckFailure> {
        let text = self.text(pointer)?;
        match chrono::DateTime::parse_from_rfc3339(text) {
            Ok(_) => Ok(text),
            Err(_) => Err(self.missing("an RFC 3339 time", pointer)),
        }
    }

    /// Fails unless `expected` is at `pointer`.
    pub(super) fn is(&self, pointer: &str, expected: &Value) -> Result<(), CheckFailure> {
        match self.value.pointer(pointer) {
            Some(value) if value == expected => Ok(()),
            _ => Err(self.missing(&expected.to_string(), pointer)),
        }
    }

    /// The `id` of each item of the array at `pointer`.
    pub(super) fn ids(&self, pointer: &str) -> Result<Vec<String>, CheckFailure> {
        let items = 0..self.list(pointer)?.len();
        items.map(|item| self.text(&format!("{pointer}/{item}/id")).map(str::to_owned)).collect()
    }

    /// Fails unless `holds`; the observation is the whole body.
    pub(super) fn check(&self, holds: bool, expected: impl Display) -> Result<(), CheckFailure> {
        self.seen.check(holds, expected, &self.value)
    }
}
