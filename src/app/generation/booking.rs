//! What turns and completions come to in the store: a charge and a turn, together or not at all.

use super::{GenerateError, NewTurn};
use crate::app::accounts::{AccountSession, SessionWriteError};
use crate::domain::conversation::Conversation;
use crate::domain::Credits;
use crate::ids::{IdGenerator, IdKind, MessageId};
use crate::storage::{AccountKey, Drawn, Posted, Posting, Store, WholeTurn};

/// A charge, and the turn that it is for if that is to be stored.
pub(super) struct TurnRecord {
    session: AccountSession,
    cost: Credits,
    /// The turn, and the ordinal of its conversation; none once it is drawn.
    turn: Option<(NewTurn, u64)>,
    /// The id of the answer, drawn when nothing can refuse it any more.
    answer: Option<MessageId>,
}

impl TurnRecord {
    /// Charges `cost`, and stores nothing else.
    pub(super) fn charge(session: &AccountSession, cost: Credits) -> Self {
        Self { session: session.clone(), cost, turn: None, answer: None }
    }

    /// Adds `turn` to the end of conversation `ordinal`, free of charge.
    pub(super) fn turn(session: &AccountSession, turn: NewTurn, ordinal: u64) -> Self {
        Self::charge(session, Credits::default()).with(turn, ordinal)
    }

    /// And adds `turn` to the end of conversation `ordinal`.
    pub(super) fn with(self, turn: NewTurn, ordinal: u64) -> Self {
        Self { turn: Some((turn, ordinal)), ..self }
    }

    /// Waits until it is stored; gives the id of the answer.
    pub(super) async fn store(self, store: &Store) -> Result<MessageId, GenerateError> {
        // What is stored has drawn its id before.
        let answer = stored(self, store).await?.answer;
        Ok(answer.ok_or(SessionWriteError::AccountEnded)?)
    }
}

/// A conversation of the Runner API that begins with a turn.
pub(super) struct NewRunnerConversation {
    session: AccountSession,
    /// The turn; none once it is drawn.
    turn: Option<NewTurn>,
    /// Lacks its ordinal and id until they are drawn.
    conversation: Conversation,
}

impl NewRunnerConversation {
    /// Begins `conversation`, which lacks nothing but its ordinal and id, with `turn`.
    pub(super) fn new(session: &AccountSession, turn: NewTurn, conversation: Conversation) -> Self {
        Self { session: session.clone(), turn: Some(turn), conversation }
    }

    /// Waits until it is stored; gives the conversation as it was before its first turn.
    pub(super) async fn store(self, store: &Store) -> Result<Conversation, GenerateError> {
        Ok(stored(self, store).await?.conversation)
    }
}

/// Waits until `posting` is stored.
async fn stored<P: Posting>(posting: P, store: &Store) -> Result<P, GenerateError> {
    let cost = posting.cost();
    match store.post(posting).await.map_err(GenerateError::internal)? {
        Posted::Stored(posting) => Ok(posting),
        Posted::NotCovered => Err(GenerateError::InsufficientBalance { cost }),
        Posted::Outdated => Err(SessionWriteError::AccountEnded.into()),
    }
}

impl NewTurn {
    /// The turn at the end of conversation `ordinal`, its ids drawn.
    fn draw(self, ids: &IdGenerator, conversation: u64) -> WholeTurn {
        let messages = self.messages(ids);
        WholeTurn { conversation, activity: ids.next(IdKind::Activity), messages }
    }
}

impl Posting for NewRunnerConversation {
    fn owner(&self) -> AccountKey {
        self.session.row
    }

    fn cost(&self) -> Credits {
        Credits::default()
    }

    fn stands(&self) -> bool {
        self.session.is_current()
    }

    fn draw(&mut self) -> Drawn {
        let ids = &self.session.epoch().ids;
        let ordinal = ids.next(IdKind::Conversation);
        (self.conversation.ordinal, self.conversation.id) =
            (ordinal, ids.runner_conversation(ordinal));
        let turn = self.turn.take().map(|turn| turn.draw(ids, ordinal));
        let made = ids.made_each(&[IdKind::Conversation, IdKind::Message, IdKind::Activity]);
        Drawn { begins: Some(self.conversation.clone()), turn, made }
    }
}

impl Posting for TurnRecord {
    fn owner(&self) -> AccountKey {
        self.session.row
    }

    fn cost(&self) -> Credits {
        self.cost
    }

    fn stands(&self) -> bool {
        self.session.is_current()
    }

    fn draw(&mut self) -> Drawn {
        let ids = &self.session.epoch().ids;
        let Some((turn, conversation)) = self.turn.take() else {
            self.answer = Some(ids.message());
            return Drawn { begins: None, turn: None, made: ids.made_each(&[IdKind::Message]) };
        };
        let turn = turn.draw(ids, conversation);
        self.answer = turn.messages.last().map(|answer| answer.id.clone());
        let made = ids.made_each(&[IdKind::Message, IdKind::Activity]);
        Drawn { begins: None, turn: Some(turn), made }
    }
}
