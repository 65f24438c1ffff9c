//! Errors that several use cases share: a wrong field of a request, a failure of the server.

use std::error::Error as StdError;

use thiserror::Error;

/// The error and its sources as one sentence. Some libraries end their message with that of the source,
/// which is then not repeated.
pub fn with_sources(error: &(dyn StdError + 'static)) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !message.ends_with(&cause) {
            message.push_str(": ");
            message.push_str(&cause);
        }
        source = error.source();
    }
    message
}

/// The server failed. Clients see no more than this; the log has the source.
#[derive(Debug, Error)]
#[error("internal error")]
pub struct InternalError(#[source] Box<dyn StdError + Send + Sync>);

impl InternalError {
    /// A failure with this cause.
    pub fn new(source: impl StdError + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct FieldError {
    /// The part of the request that contains it.
    pub place: FieldLocation,
    /// Its path: `content`, `content[1].file_uri`, `history_limit`. Empty for the body as a whole.
    pub field: String,
    /// What is wrong, as a kind.
    pub kind: FieldErrorKind,
    /// The field and what is wrong with it, as a sentence.
    pub message: String,
}

impl FieldError {
    /// `field` of the body is wrong.
    pub fn new(field: impl Into<String>, kind: FieldErrorKind, message: impl Into<String>) -> Self {
        Self { place: FieldLocation::Body, field: field.into(), kind, message: message.into() }
    }

    /// The error for a field in another part of the request.
    #[must_use]
    pub fn in_the(self, place: FieldLocation) -> Self {
        Self { place, ..self }
    }

    /// `field` is required and missing.
    pub fn missing(field: impl Into<String>) -> Self {
        let field = field.into();
        let message = format!("{field} is required");
        Self::new(field, FieldErrorKind::Missing, message)
    }
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldLocation {
    /// In the body.
    Body,
    /// In the query of the URL.
    Query,
    /// A header.
    Header,
}

/// What can be wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// It is required and missing.
    Missing,
    /// It has another JSON type.
    WrongType,
    /// Its value is invalid or out of range.
    BadValue,
    /// An array that needs an item has none.
    EmptyArray,
    /// It is not allowed here.
    NotAllowed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Error)]
    #[error("cannot open: {0}")]
    struct Repeating(#[source] std::io::Error);

    #[test]
    fn a_cause_that_the_message_contains_is_not_repeated() {
        let cause = || std::io::Error::other("no such file");
        assert_eq!(with_sources(&Repeating(cause())), "cannot open: no such file");
        assert_eq!(with_sources(&InternalError::new(cause())), "internal error: no such file");
    }
}
