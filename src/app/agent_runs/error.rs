//! Why an agent run is not started, continued or shown.

use thiserror::Error;

use crate::app::accounts::SessionWriteError;
use crate::app::generation::{ContinueError, FirstMessageError, ReplyError};
use crate::app::run_state::BusyError;
use crate::domain::agent_run::ResultsMismatch;
use crate::domain::error::{FieldError, FieldErrorKind, InternalError};
use crate::ids::{ConversationId, DeploymentId, RunId};

/// Why an agent run is not started, continued, resumed or shown.
#[derive(Debug, Error)]
pub enum RunError {
    /// The results do not fit the pending calls.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The account has no such conversation of the deployment.
    #[error("there is no conversation `{0}`")]
    UnknownConversation(ConversationId),
    /// The account has no such run.
    #[error("there is no run `{0}`")]
    UnknownRun(RunId),
    /// The run's deployment is not in the fixtures any more.
    #[error("there is no deployment `{0}`")]
    UnknownDeployment(DeploymentId),
    /// No run of the conversation waits, and the results are of no call that was resolved.
    #[error("no run of conversation `{0}` waits for results")]
    NothingPending(ConversationId),
    /// The calls were resolved with other results.
    #[error("these calls were resolved with other results")]
    ResultsConflict,
    /// The run expired before it was resumed.
    #[error("run `{0}` has expired")]
    RunExpired(RunId),
    /// The conversation takes no message.
    #[error(transparent)]
    Busy(#[from] BusyError),
    /// The run was not started.
    #[error(transparent)]
    Start(#[from] FirstMessageError),
    /// The conversation cannot be continued.
    #[error(transparent)]
    Continue(#[from] ContinueError),
}

impl From<InternalError> for RunError {
    fn from(error: InternalError) -> Self {
        Self::Start(error.into())
    }
}

impl From<SessionWriteError> for RunError {
    fn from(error: SessionWriteError) -> Self {
        Self::Start(error.into())
    }
}

impl From<ReplyError> for RunError {
    fn from(error: ReplyError) -> Self {
        Self::Start(error.into())
    }
}

impl From<ResultsMismatch> for RunError {
    fn from(mismatch: ResultsMismatch) -> Self {
        let at = |index: usize| format!("tool_results[{index}].call_id");
        let (field, kind, message) = match mismatch {
            ResultsMismatch::NotPending(index) => (
                at(index),
                FieldErrorKind::BadValue,
                format!("{} names no pending call", at(index)),
            ),
            ResultsMismatch::Repeated(index) => {
                let message = format!("{} has a result already", at(index));
                (at(index), FieldErrorKind::BadValue, message)
            }
            ResultsMismatch::Missing(id) => {
                let message = format!("tool_results has no result for the pending call `{id}`");
                ("tool_results".to_owned(), FieldErrorKind::Missing, message)
            }
        };
        Self::Field(FieldError::new(field, kind, message))
    }
}
