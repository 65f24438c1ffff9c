//! Why an act was refused, knowing nothing of HTTP.
//!
//! Each room turns these reasons into its documented statuses and envelopes, in one `match`.

use std::error::Error as StdError;
use std::time::Duration;

use thiserror::Error;

use crate::ids::{AccountId, ConversationId, DeploymentId, FaultId};

/// Why an act was refused or failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of the request is wrong.
    #[error("{0}")]
    Field(FieldError),
    /// No key where one is needed.
    #[error("no API key was sent")]
    MissingKey,
    /// A key that opens no account.
    #[error("the API key is not known")]
    UnknownKey,
    /// A deployment of another project.
    #[error("the API key belongs to another project than deployment `{0}`")]
    ForbiddenDeployment(DeploymentId),
    /// A page that a public deployment does not serve.
    #[error("the origin is not on the allowlist of deployment `{0}`")]
    OriginNotAllowed(DeploymentId),
    /// No such deployment.
    #[error("there is no deployment `{0}`")]
    UnknownDeployment(DeploymentId),
    /// The control plane is not for this caller.
    #[error(
        "the control plane is open to programs on this machine only; start the server with \
         --admin-token or --admin-open to open it further"
    )]
    ControlClosed,
    /// No such account (control plane).
    #[error("there is no account `{0}`")]
    UnknownAccount(AccountId),
    /// No such rule among those made at run time (control plane).
    #[error("there is no rule `{0}`")]
    UnknownRule(String),
    /// An account of the fixtures cannot be removed (control plane).
    #[error("account `{0}` is of the fixtures; it can be reset, not removed")]
    FixtureAccount(AccountId),
    /// No such conversation in the caller's account.
    #[error("there is no conversation `{0}`")]
    UnknownConversation(ConversationId),
    /// The plan's limit is used up until the window ends.
    #[error("the rate limit of {limit} requests a minute is reached; retry in {retry_after:?}")]
    RateLimited {
        /// Requests a window.
        limit: u32,
        /// Time until the window ends.
        retry_after: Duration,
    },
    /// No such fault in the account (control plane).
    #[error("there is no fault `{0}`")]
    UnknownFault(FaultId),
    /// The server is at fault; the client only learns that.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

impl Error {
    /// The error with everything that led to it, for the log: never for a client.
    pub fn with_sources(&self) -> String {
        with_sources(self)
    }

    /// A failure that is the server's own.
    pub fn internal(source: impl StdError + Send + Sync + 'static) -> Self {
        Self::Internal(InternalError::new(source))
    }
}

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

impl From<FieldError> for Error {
    fn from(field: FieldError) -> Self {
        Self::Field(field)
    }
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
        assert_eq!(Error::internal(cause()).with_sources(), "internal error: no such file");
    }
}
