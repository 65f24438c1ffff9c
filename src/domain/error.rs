//! Errors that several use cases share: a wrong field of a request, a failure of the server.

use std::error::Error as StdError;

use thiserror::Error;


/// What is wrong and what led to it, as one sentence. Some libraries repeat their cause in their own
/// words' last part; here it is said once.
pub fn with_sources(error: &(dyn StdError + 'static)) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !said.ends_with(&cause) {
            said.push_str(": ");
            said.push_str(&cause);
        }
        source = error.source();
    }
    said
}

/// The server is at fault. Clients learn nothing else; the log has the source.
#[derive(Debug, Error)]
#[error("internal error")]
pub struct InternalError(#[source] Box<dyn StdError + Send + Sync>);

impl InternalError {
    /// A failure that `source` led to.
    pub fn new(source: impl StdError + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct FieldError {
    /// Where it stands.
    pub place: FieldLocation,
    /// Its path: `content`, `content[1].file_uri`, `history_limit`. Empty for the body as a whole.
    pub field: String,
    /// What kind of fault.
    pub kind: FieldErrorKind,
    /// The whole sentence: names the field, and what is wrong with it.
    pub message: String,
}

impl FieldError {
    /// `field` is wrong in the way of `fault`; `message` is the whole sentence.
    pub fn new(
        field: impl Into<String>,
        fault: FieldErrorKind,
        message: impl Into<String>,
    ) -> Self {
        Self {
            place: FieldLocation::Body,
            field: field.into(),
            kind: fault,
            message: message.into(),
        }
    }

    /// The same, standing elsewhere than in the body.
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

/// Where in a request a field can stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldLocation {
    /// In the body.
    Body,
    /// In the query of the URL.
    Query,
    /// A header.
    Header,
}

/// The kinds of fault a field can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// It is required and not there.
    Missing,
    /// It has another JSON type.
    WrongType,
    /// Its value is out of range or not understood.
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
    fn a_cause_that_is_said_already_is_not_said_again() {
        let cause = || std::io::Error::other("no such file");
        assert_eq!(with_sources(&Repeating(cause())), "cannot open: no such file");
        assert_eq!(with_sources(&InternalError::new(cause())), "internal error: no such file");
    }
}
