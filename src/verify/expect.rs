//! What came back, and what is said of it where that is not what was expected.

use std::fmt::Display;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// The most characters of an answer that a report shows.
const EXCERPT: usize = 240;

/// Why a fact does not hold, or could not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unmet {
    /// The target answers otherwise.
    Differs {
        /// Method and path.
        request: String,
        /// What should have come.
        expected: String,
        /// What came.
        seen: String,
    },
    /// It could not be asked, for this reason.
    Blocked(String),
}

impl Unmet {
    /// The reason why facts that build on this one's answer cannot be asked.
    pub(super) fn into_ground(self) -> Self {
        match self {
            Self::Differs { request, expected, seen } => Self::Blocked(format!(
                "it builds on {request}, which was to give {expected} and gave {seen}"
            )),
            blocked @ Self::Blocked(_) => blocked,
        }
    }
}

/// The first characters of a text, on one line.
pub(super) fn excerpt(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut short: String = line.chars().take(EXCERPT).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Method and path of the request.
    pub(super) request: String,
    /// The status.
    pub(super) status: u16,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body, piece by piece as it arrived.
    pub(super) pieces: Vec<Bytes>,
}

impl Seen {
    /// The body in one.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    /// The body as text; what is none stands as U+FFFD.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// A header as text; empty where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Says that something else was expected of this answer.
    pub(super) fn differs(&self, expected: impl Display, seen: impl Display) -> Unmet {
        Unmet::Differs {
            request: self.request.clone(),
            expected: expected.to_string(),
            seen: excerpt(&seen.to_string()),
        }
    }

    /// Fails unless `holds`, with what was expected and what was seen instead.
    pub(super) fn check(
        &self,
        holds: bool,
        expected: impl Display,
        seen: impl Display,
    ) -> Result<(), Unmet> {
        if holds { Ok(()) } else { Err(self.differs(expected, seen)) }
    }

    /// Fails unless the status is one of these.
    pub(super) fn status(&self, expected: &[u16]) -> Result<&Self, Unmet> {
        if expected.contains(&self.status) {
            return Ok(self);
        }
        let expected: Vec<String> = expected.iter().map(u16::to_string).collect();
        let seen = format!("{} {}", self.status, self.text());
        Err(self.differs(format!("status {}", expected.join(" or ")), seen))
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Json<'_>, Unmet> {
        match serde_json::from_slice(&self.bytes()) {
            Ok(value) => Ok(Json { seen: self, value }),
            Err(_) => Err(self.differs("a JSON body", self.text())),
        }
    }

    /// The JSON body of a 200.
    pub(super) fn good(&self) -> Result<Json<'_>, Unmet> {
        self.status(&[200])?.json()
    }

    /// The JSON body of a 200 or a 201: the documents print both as success.
    pub(super) fn made(&self) -> Result<Json<'_>, Unmet> {
        self.status(&[200, 201])?.json()
    }
}

/// A JSON body, whose fields are asked for by pointer: `/items/0/id`.
#[derive(Debug)]
pub(super) struct Json<'a> {
    seen: &'a Seen,
    /// The body.
    pub(super) value: Value,
}

impl Json<'_> {
    fn missing(&self, what: &str, pointer: &str) -> Unmet {
        let seen = match self.value.pointer(pointer) {
            Some(value) => value.to_string(),
            None => format!("no such field in {}", self.value),
        };
        self.seen.differs(format!("{what} at {pointer}"), seen)
    }

    /// Whether there is something at `pointer`.
    pub(super) fn has(&self, pointer: &str) -> bool {
        self.value.pointer(pointer).is_some()
    }

    /// What is at `pointer`.
    pub(super) fn at(&self, pointer: &str) -> Result<&Value, Unmet> {
        self.value.pointer(pointer).ok_or_else(|| self.missing("something", pointer))
    }

    /// The string at `pointer`.
    pub(super) fn text(&self, pointer: &str) -> Result<&str, Unmet> {
        let text = self.value.pointer(pointer).and_then(Value::as_str);
        text.ok_or_else(|| self.missing("a string", pointer))
    }

    /// The string at `pointer`, which has characters.
    pub(super) fn filled(&self, pointer: &str) -> Result<&str, Unmet> {
        match self.text(pointer)? {
            "" => Err(self.missing("a string that is not empty", pointer)),
            text => Ok(text),
        }
    }

    /// The whole number of 0 or more at `pointer`.
    pub(super) fn whole(&self, pointer: &str) -> Result<u64, Unmet> {
        let number = self.value.pointer(pointer).and_then(Value::as_u64);
        number.ok_or_else(|| self.missing("a whole number", pointer))
    }

    /// The number at `pointer`.
    pub(super) fn number(&self, pointer: &str) -> Result<f64, Unmet> {
        let number = self.value.pointer(pointer).and_then(Value::as_f64);
        number.ok_or_else(|| self.missing("a number", pointer))
    }

    /// The array at `pointer`.
    pub(super) fn list(&self, pointer: &str) -> Result<&[Value], Unmet> {
        let list = self.value.pointer(pointer).and_then(Value::as_array);
        list.map(Vec::as_slice).ok_or_else(|| self.missing("an array", pointer))
    }

    /// The time at `pointer`.
    pub(super) fn time(&self, pointer: &str) -> Result<&str, Unmet> {
        let text = self.text(pointer)?;
        match crate::clock::parse_rfc3339(text) {
            Some(_) => Ok(text),
            None => Err(self.missing("a time as in RFC 3339", pointer)),
        }
    }

    /// Fails unless `expected` is at `pointer`.
    pub(super) fn is(&self, pointer: &str, expected: &Value) -> Result<(), Unmet> {
        match self.value.pointer(pointer) {
            Some(value) if value == expected => Ok(()),
            _ => Err(self.missing(&expected.to_string(), pointer)),
        }
    }

    /// The `id` of each item of the array at `pointer`.
    pub(super) fn ids(&self, pointer: &str) -> Result<Vec<String>, Unmet> {
        let items = 0..self.list(pointer)?.len();
        items.map(|item| self.text(&format!("{pointer}/{item}/id")).map(str::to_owned)).collect()
    }

    /// Fails unless `holds`, with what was expected; what was seen is the whole body.
    pub(super) fn check(&self, holds: bool, expected: impl Display) -> Result<(), Unmet> {
        self.seen.check(holds, expected, &self.value)
    }
}
