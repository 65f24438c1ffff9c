//! The criteria of patterns and filters, and their values in the document of an entry.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::differences::{Differences, Place};
use super::value_pattern::ValuePattern;
use crate::domain::Api;

/// A field of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Criterion {
    Api,
    Method,
    Path,
    Route,
    Query,
    Headers,
    Status,
    Body,
    Answer,
    Model,
    End,
    Fault,
}

impl Criterion {
    pub(super) const ALL: [Self; 12] = [
        Self::Api,
        Self::Method,
        Self::Path,
        Self::Route,
        Self::Query,
        Self::Headers,
        Self::Status,
        Self::Body,
        Self::Answer,
        Self::Model,
        Self::End,
        Self::Fault,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Method => "method",
            Self::Path => "path",
            Self::Route => "route",
            Self::Query => "query",
            Self::Headers => "headers",
            Self::Status => "status",
            Self::Body => "body",
            Self::Answer => "answer",
            Self::Model => "model",
            Self::End => "end",
            Self::Fault => "fault",
        }
    }

    pub(super) fn place(self) -> Place<'static> {
        Place::Criterion(self.name())
    }

    /// Adds the differences of an entry's document from `wanted`.
    pub(super) fn compare(
        self,
        wanted: &ValuePattern,
        document: &Value,
        differences: &mut Differences,
    ) {
        let found = self.found(document);
        let (found, place) = (found.as_deref(), self.place());
        match found {
            Some(Value::String(text)) if wanted.is_of_json() && self.is_body() => {
                if self.is_cut(document) {
                    let cut = "only its beginning, as text: it is too long for the log".to_owned();
                    return differences.add(place, || (wanted.shown(), cut));
                }
                // The log has objects as JSON, and all else as text.
                let json = serde_json::from_str(text).ok();
                wanted.compare(json.as_ref().or(found), place, differences);
            }
            Some(Value::String(query)) if wanted.is_of_json() && self == Self::Query => {
                wanted.compare(Some(&parameters(query)), place, differences);
            }
            None | Some(Value::Null) if wanted.is_of_json() && self == Self::Query => {
                wanted.compare(Some(&parameters("")), place, differences);
            }
            found => wanted.compare(found, place, differences),
        }
    }

    /// Its value in the document of an entry.
    pub(super) fn found(self, document: &Value) -> Option<Cow<'_, Value>> {
        let of_answer = |field| document.get("answer")?.get(field);
        let found = match self {
            Self::Api => {
                let api = Api::of_path(document.get("path")?.as_str()?)?;
                return Some(Cow::Owned(api.name().into()));
            }
            Self::Status => of_answer("status"),
            Self::Answer => of_answer("body"),
            Self::Fault => document.get("fault")?.get("effect"),
            Self::Method
            | Self::Path
            | Self::Route
            | Self::Query
            | Self::Headers
            | Self::Body
            | Self::Model
            | Self::End => document.get(self.name()),
        };
        found.map(Cow::Borrowed)
    }

    fn is_body(self) -> bool {
        matches!(self, Self::Body | Self::Answer)
    }

    /// Whether the log has only the beginning of this body.
    fn is_cut(self, document: &Value) -> bool {
        let message = if self == Self::Answer { document.get("answer") } else { Some(document) };
        message.and_then(|message| message.get("body_cut")) == Some(&Value::Bool(true))
    }
}

/// The parameters of a query, decoded; the first of each name.
fn parameters(query: &str) -> Value {
    let mut parameters = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters.entry(name).or_insert_with(|| value.into());
    }
    parameters.into()
}
