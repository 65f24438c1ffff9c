//! Errors of a server inside a test.

use std::error::Error as StdError;
use std::fmt;

use thiserror::Error;

use crate::app::accounts::AccountError;
use crate::app::faults::UnknownFault;
use crate::app::snapshots::SnapshotError;
use crate::app::triggers::AccountTriggerError;
use crate::domain::error::{FieldError, InternalError};
use crate::fixtures::FixturesError;
use crate::models::rules::UnknownRule;
use crate::server::ServerError;

/// Why a server did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The fixtures have errors, or the database cannot be opened.
    #[error(transparent)]
    App(#[from] ServerError),
    /// The port cannot be bound, for example because it is in use.
    #[error("cannot listen on port {port} of this machine")]
    Listen {
        /// The port; 0 for a free one.
        port: u16,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The thread or its runtime cannot be created.
    #[error("cannot start the server's thread")]
    Thread(#[source] std::io::Error),
    /// The server ended before it was ready.
    #[error("the server ended before it was ready")]
    Ended,
}

impl From<FixturesError> for StartError {
    fn from(error: FixturesError) -> Self {
        Self::App(error.into())
    }
}

/// Why a call on an account or its server failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The control plane refuses the same over HTTP: a wrong field, an unknown account …
    #[error(transparent)]
    Refused(Box<dyn StdError + Send + Sync>),
    /// The server has stopped.
    #[error("the server has stopped")]
    Stopped,
}

macro_rules! refusals {
    ($($error:ident)*) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Refused(error.into())
            }
        }
    )*};
}

refusals! { FieldError AccountError SnapshotError AccountTriggerError InternalError UnknownFault UnknownRule }

/// The expected requests did not come in time. `Display` and `Debug` report what came instead, so that
/// `unwrap` shows it.
#[derive(Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ExpectationTimeout(pub(super) String);

impl fmt::Debug for ExpectationTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
