//! Why a trigger was not created or not found.

use thiserror::Error;

use crate::app::accounts::SessionWriteError;
use crate::domain::error::InternalError;
use crate::domain::trigger::{MOST_TRIGGER_BYTES, MOST_TRIGGERS};
use crate::ids::TriggerId;

/// Why a trigger was not created.
#[derive(Debug, Error)]
pub enum CreateTriggerError {
    /// The account has too many triggers.
    #[error(
        "an account can have at most {MOST_TRIGGERS} triggers with {} MiB of content and variables",
        MOST_TRIGGER_BYTES >> 20
    )]
    TooMany,
    /// Nothing was stored.
    #[error(transparent)]
    Write(#[from] SessionWriteError),
}

/// Why a trigger was not found.
#[derive(Debug, Error)]
pub enum TriggerLookupError {
    /// The account has no such trigger of the deployment.
    #[error("there is no trigger `{0}` of this deployment")]
    Unknown(TriggerId),
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

/// Why the triggers of an account were not read, or one was not expired.
#[derive(Debug, Error)]
pub enum AccountTriggerError {
    /// The account has no such trigger.
    #[error("there is no trigger `{0}`")]
    UnknownTrigger(TriggerId),
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
}
