//! Why an account cannot be used or changed.

use thiserror::Error;

use crate::domain::error::{FieldError, InternalError};
use crate::ids::AccountId;

/// Why an account was not found, created, changed or removed.
#[derive(Debug, Error)]
pub enum AccountError {
    /// A field of the request is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// There is no such account.
    #[error("there is no account `{0}`")]
    UnknownAccount(AccountId),
    /// The fixtures define the account.
    #[error("account `{0}` is of the fixtures; it can be reset, not removed")]
    FixtureAccount(AccountId),
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

/// Why a request's write was not stored.
#[derive(Debug, Error)]
pub enum SessionWriteError {
    /// The account was reset or removed while the request was being answered.
    #[error("the account was reset while this request was being answered")]
    AccountEnded,
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
}
