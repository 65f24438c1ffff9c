//! Stores a charge, a turn, or both.

use super::trigger_use::StartTrigger;
use super::{CompletionError, NewTurn};
use crate::app::accounts::{AccountSession, SessionWriteError, stored};
use crate::domain::Credits;
use crate::domain::conversation::Conversation;
use crate::ids::{ConversationId, IdAllocation, IdKind, MessageId};
use crate::storage::{NewMessages, Storage};

/// Charges for a completion; returns the id of the answer, which is not stored.
pub(super) async fn charge_completion(
    storage: &dyn Storage,
    session: &AccountSession,
    cost: Credits,
) -> Result<MessageId, CompletionError> {
    let mut ids = session.epoch().ids.allocation();
    let answer = ids.message();
    let outcome = storage.charge(session.write_scope(&ids), cost).await;
    check_covered(stored(outcome, ids)?, cost)?;
    Ok(answer)
}

/// Adds `turn` to conversation `ordinal` and charges `cost` for it; returns the id of the answer.
pub(super) async fn record_turn(
    storage: &dyn Storage,
    session: &AccountSession,
    cost: Credits,
    turn: NewTurn,
    ordinal: u64,
) -> Result<MessageId, CompletionError> {
    let mut ids = session.epoch().ids.allocation();
    let (turn, answer) = turn.allocate(&mut ids, ordinal);
    let outcome = storage.record_turn(session.write_scope(&ids), cost, turn).await;
    check_covered(stored(outcome, ids)?, cost)?;
    Ok(answer)
}

/// Adds `turn`, which costs nothing, to conversation `ordinal`.
pub(super) async fn record_free_turn(
    storage: &dyn Storage,
    session: &AccountSession,
    turn: NewTurn,
    ordinal: u64,
) -> Result<(), SessionWriteError> {
    let mut ids = session.epoch().ids.allocation();
    let (turn, _) = turn.allocate(&mut ids, ordinal);
    let scope = session.write_scope(&ids);
    stored(storage.record_turn(scope, Credits::default(), turn).await, ids)?;
    Ok(())
}

/// Stores a conversation of the Runner API with its first turn; `conversation` gets its ordinal and
/// id. The content of the `trigger` that it starts from is its first message, before the turn. Returns the
/// conversation as it was before both.
pub(super) async fn start_conversation(
    storage: &dyn Storage,
    session: &AccountSession,
    turn: NewTurn,
    trigger: Option<&StartTrigger>,
    conversation: impl FnOnce(u64, ConversationId) -> Conversation,
) -> Result<Conversation, SessionWriteError> {
    let mut ids = session.epoch().ids.allocation();
    let ordinal = ids.next(IdKind::Conversation);
    let conversation = conversation(ordinal, session.epoch().ids.runner_conversation(ordinal));
    let mut update = None;
    let mut opening = None;
    if let Some(trigger) = trigger {
        let log = ids.next(IdKind::WorkflowLog);
        update = Some(trigger.started(log, Some(conversation.id.clone())));
        opening = trigger.opening_message(&mut ids, turn.sent_at);
    } else {
        session.epoch().ids.next(IdKind::WorkflowLog);
    }
    let (mut first, _) = turn.allocate(&mut ids, ordinal);
    first.messages.splice(..0, opening);
    let scope = session.write_scope(&ids);
    let outcome = storage.start_conversation(scope, conversation.clone(), first, update).await;
    stored(outcome, ids)?;
    Ok(conversation)
}

fn check_covered(is_covered: bool, cost: Credits) -> Result<(), CompletionError> {
    if is_covered { Ok(()) } else { Err(CompletionError::InsufficientBalance { cost }) }
}

impl NewTurn {
    /// The turn at the end of conversation `conversation`, and the id of its answer.
    fn allocate(self, ids: &mut IdAllocation<'_>, conversation: u64) -> (NewMessages, MessageId) {
        let at = self.answered_at;
        let messages = self.messages(ids);
        let [_, answer] = &messages;
        let answer = answer.id.clone();
        let activity = ids.next(IdKind::Activity);
        (NewMessages { conversation, activity, at, messages: messages.into() }, answer)
    }
}
