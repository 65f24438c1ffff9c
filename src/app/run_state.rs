//! The state of a conversation's latest agent run: what follows from time alone is recorded when the
//! conversation is used next.

use thiserror::Error;

use super::accounts::{AccountSession, SessionWriteError, stored};
use crate::domain::agent_run::{RunStatus, RunStep};
use crate::domain::conversation::{Conversation, Message};
use crate::domain::error::InternalError;
use crate::domain::{Part, Role};
use crate::ids::{ConversationId, IdAllocation, IdKind, RunId};
use crate::storage::{NewRunStep, Storage};

/// Why a conversation takes no message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BusyError {
    /// A run waits for the client.
    #[error("run `{0}` waits for the results of client tools")]
    ClientActionRequired(RunId),
    /// A run is not finished.
    #[error("a run of this conversation is in progress")]
    RunInProgress,
    /// A run completed the conversation.
    #[error("conversation `{0}` is completed")]
    Completed(ConversationId),
}

/// The latest step of the conversation's latest run. What is due is recorded first.
pub(super) async fn current_step(
    storage: &dyn Storage,
    session: &AccountSession,
    ordinal: u64,
) -> Result<Option<RunStep>, SessionWriteError> {
    loop {
        let latest = storage.latest_run_step(session.row, ordinal).await;
        let Some(step) = latest.map_err(InternalError::new)? else { return Ok(None) };
        let Some(next) = step.after_due(session.clock.now()) else { return Ok(Some(step)) };
        let mut ids = session.epoch().ids.allocation();
        let parts = next.answer.clone().map(|text| vec![Part::text(text)]);
        let message =
            parts.map(|parts| Message::new(ids.message(), Role::Assistant, parts, next.at));
        let new = NewRunStep {
            conversation: ordinal,
            created: None,
            messages: message.into_iter().collect(),
            trigger: None,
            activity: ids.next(IdKind::Activity),
            step: next,
        };
        // If another request records the step at the same time, the next turn of the loop reads it.
        record_step(storage, session, ids, new).await?;
    }
}

/// Fails if `conversation`, whose latest run is at `step`, takes no message.
pub(super) fn check_idle(
    conversation: &Conversation,
    step: Option<&RunStep>,
) -> Result<(), BusyError> {
    let completed = step.and_then(RunStep::completed_conversation);
    if conversation.completed_at.or(completed).is_some() {
        return Err(BusyError::Completed(conversation.id.clone()));
    }
    match step.map(|step| (step.status, &step.run_id)) {
        Some((RunStatus::WaitingForClientAction, id)) => {
            Err(BusyError::ClientActionRequired(id.clone()))
        }
        Some((RunStatus::Running, _)) => Err(BusyError::RunInProgress),
        _ => Ok(()),
    }
}

/// Stores the step; `false` if its run has a step of this number already.
pub(super) async fn record_step(
    storage: &dyn Storage,
    session: &AccountSession,
    ids: IdAllocation<'_>,
    new: NewRunStep,
) -> Result<bool, SessionWriteError> {
    let scope = session.write_scope(&ids);
    stored(storage.record_run_step(scope, new).await, ids)
}
