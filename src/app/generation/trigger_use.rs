//! Starts from triggers: loads the trigger that a request names, and records the start.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::FirstMessageError;
use crate::app::accounts::AccountSession;
use crate::app::auth::Caller;
use crate::app::triggers;
use crate::domain::conversation::{Message, Turn, Variables};
use crate::domain::error::InternalError;
use crate::domain::{Part, Role, UsedTrigger};
use crate::ids::{ConversationId, IdAllocation, IdKind, TriggerId};
use crate::storage::{LargeReadPermit, Storage, TriggerUpdate};

/// A trigger that a request starts from.
pub(in crate::app) struct StartTrigger {
    ordinal: u64,
    /// What rules and templates see of it.
    pub(in crate::app) used: Arc<UsedTrigger>,
    /// What the model is shown before the message of the request.
    pub(in crate::app) content: Vec<Part>,
    /// Whether the content is the message of the request, which has none of its own.
    is_message: bool,
    /// Held until the answer is complete; `None` if the content is short.
    _permit: Option<LargeReadPermit>,
}

impl StartTrigger {
    /// Loads the trigger `id` of the caller's deployment. Its variables are added to `variables`,
    /// except those that are given there. Its content is the message of a request that has none.
    pub(in crate::app) async fn load(
        storage: &dyn Storage,
        caller: &Caller,
        id: TriggerId,
        parts: &mut Vec<Part>,
        variables: &mut Variables,
    ) -> Result<Self, FirstMessageError> {
        let Some((trigger, permit)) = triggers::find(storage, caller, &id).await? else {
            return Err(FirstMessageError::UnknownTrigger(id));
        };
        if trigger.has_expired(caller.session.clock.now()) {
            return Err(FirstMessageError::ExpiredTrigger(id));
        }
        for (name, value) in trigger.variables.into_iter().flatten() {
            variables.entry(name).or_insert(value);
        }
        let is_message = parts.is_empty();
        if is_message {
            parts.clone_from(&trigger.content);
        }
        let used = Arc::new(UsedTrigger { id, ui_surface: trigger.ui_surface });
        Ok(Self {
            ordinal: trigger.ordinal,
            used,
            content: trigger.content,
            is_message,
            _permit: permit,
        })
    }

    /// The content as a message of the user before that of the request.
    pub(in crate::app) fn first_turn(&self) -> Option<Turn> {
        let turn = || Turn { role: Role::User, parts: self.content.clone() };
        (!self.is_message).then(turn)
    }

    /// The same as a message to be stored.
    pub(in crate::app) fn opening_message(
        &self,
        ids: &mut IdAllocation<'_>,
        sent_at: DateTime<Utc>,
    ) -> Option<Message> {
        let Turn { role, parts } = self.first_turn()?;
        Some(Message::new(ids.message(), role, parts, sent_at))
    }

    /// The change of the trigger by the start number `workflow_log`, of `conversation` if it is of one.
    pub(in crate::app) fn started(
        &self,
        workflow_log: u64,
        conversation: Option<ConversationId>,
    ) -> TriggerUpdate {
        let ordinal = self.ordinal;
        let workflow_log = Some(workflow_log);
        TriggerUpdate { ordinal, workflow_log, conversation, expires_at: None }
    }
}

/// Counts a run that stores no turn, and records it with the trigger that it started from. If the account
/// was reset meanwhile, that trigger is gone, and there is nothing to record.
pub(in crate::app) async fn record_run(
    storage: &dyn Storage,
    session: &AccountSession,
    trigger: Option<&StartTrigger>,
) -> Result<(), InternalError> {
    let Some(trigger) = trigger else {
        session.epoch().ids.next(IdKind::WorkflowLog);
        return Ok(());
    };
    let mut ids = session.epoch().ids.allocation();
    let update = trigger.started(ids.next(IdKind::WorkflowLog), None);
    storage.update_trigger(session.write_scope(&ids), update).await.map_err(InternalError::new)?;
    Ok(())
}
