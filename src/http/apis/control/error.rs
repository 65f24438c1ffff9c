//! Errors of the control plane as statuses, and their envelope (docs/control.md).

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use thiserror::Error;

use crate::app::accounts::AccountError;
use crate::app::agent_runs::RunError;
use crate::app::auth::KeyError;
use crate::app::faults::UnknownFault;
use crate::app::replies::{RepliesError, UnknownRule};
use crate::app::request_log::TooManyWatchers;
use crate::app::snapshots::SnapshotError;
use crate::app::triggers::AccountTriggerError;
use crate::domain::error::{FieldError, InternalError};
use crate::http::response::error::{self, ErrorStatus, HttpError, carrying};
use crate::http::response::plain;

/// Why a request to the control plane gets no ordinary answer.
#[derive(Debug, Error)]
pub(crate) enum ControlError {
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The admin token is missing or another one.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The control plane is not open to the client.
    #[error(
        "the control plane is open to programs on this machine only; start the server with \
         --admin-token or --admin-open to open it further"
    )]
    Closed,
    /// A proxy says that the client is on another machine.
    #[error(
        "this request came through a proxy from another machine, and the control plane is open to \
         programs on this machine only; start the server with --admin-token or --admin-open to \
         open it further"
    )]
    FromElsewhere,
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Replies(#[from] RepliesError),
    #[error(transparent)]
    UnknownRule(#[from] UnknownRule),
    #[error(transparent)]
    UnknownFault(#[from] UnknownFault),
    #[error(transparent)]
    AccountTrigger(#[from] AccountTriggerError),
    #[error(transparent)]
    Run(RunError),
    #[error(transparent)]
    TooManyWatchers(#[from] TooManyWatchers),
    #[error(transparent)]
    Internal(#[from] InternalError),
}

impl From<FieldError> for ControlError {
    fn from(error: FieldError) -> Self {
        Self::Http(error.into())
    }
}

impl From<RunError> for ControlError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Field(field) => field.into(),
            error => Self::Run(error),
        }
    }
}

impl ControlError {
    fn status(&self) -> ErrorStatus {
        match self {
            Self::Http(error) => error.status(),
            Self::Key(KeyError::Missing | KeyError::Unknown) => StatusCode::UNAUTHORIZED.into(),
            Self::Closed | Self::FromElsewhere => StatusCode::FORBIDDEN.into(),
            Self::Account(error) => account_status(error),
            Self::Snapshot(error) => snapshot_status(error),
            Self::Replies(RepliesError::Field(_)) => StatusCode::BAD_REQUEST.into(),
            Self::UnknownRule(_)
            | Self::UnknownFault(_)
            | Self::AccountTrigger(AccountTriggerError::UnknownTrigger(_)) => {
                StatusCode::NOT_FOUND.into()
            }
            Self::Run(error) => run_status(error),
            Self::TooManyWatchers(_) => StatusCode::TOO_MANY_REQUESTS.into(),
            Self::Replies(RepliesError::Internal(_))
            | Self::AccountTrigger(AccountTriggerError::Internal(_))
            | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR.into(),
        }
    }
}

fn account_status(error: &AccountError) -> ErrorStatus {
    match error {
        AccountError::Field(_) => StatusCode::BAD_REQUEST.into(),
        AccountError::UnknownAccount(_) => StatusCode::NOT_FOUND.into(),
        AccountError::FixtureAccount(_) => StatusCode::CONFLICT.into(),
        AccountError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR.into(),
    }
}

fn snapshot_status(error: &SnapshotError) -> ErrorStatus {
    match error {
        SnapshotError::Field(_) => StatusCode::BAD_REQUEST.into(),
        SnapshotError::Account(error) => account_status(error),
        SnapshotError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR.into(),
    }
}

fn run_status(error: &RunError) -> ErrorStatus {
    match error {
        RunError::Field(_) => StatusCode::BAD_REQUEST.into(),
        RunError::UnknownConversation(_)
        | RunError::UnknownRun(_)
        | RunError::UnknownDeployment(_) => StatusCode::NOT_FOUND.into(),
        RunError::NothingPending(_)
        | RunError::ResultsConflict
        | RunError::RunExpired(_)
        | RunError::Busy(_) => StatusCode::CONFLICT.into(),
        RunError::Start(_) | RunError::Continue(_) => StatusCode::INTERNAL_SERVER_ERROR.into(),
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        carrying(self)
    }
}

/// Gives errors their envelope.
pub(crate) fn rendered(response: Response) -> Response {
    error::rendered(response, |error: &ControlError| {
        let status = error.status();
        status.completed(error, plain::envelope(status.status, error))
    })
}
