//! Why an account cannot be used or changed.

use thiserror::Error;

use crate::domain::error::InternalError;

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
