//! What turns and completions come to in the store: a charge and a turn, together or not at all.

use super::NewTurn;
use crate::domain::{Credits, Error};
use crate::ids::{Kind, MessageId};
use crate::service::worlds::Visit;
use crate::store::{AccountRow, Drawn, Posted, Posting, Store, WholeTurn};

/// A charge, and the turn that it is for if that is to be stored.
pub(super) struct Booking {
    visit: Visit,
    cost: Credits,
    /// The turn, and the ordinal of its conversation; none once it is drawn.
    turn: Option<(NewTurn, u64)>,
    /// The id of the answer, drawn when nothing can refuse it any more.
    answer: Option<MessageId>,
}

impl Booking {
    /// Charges `cost`, and stores nothing else.
    pub(super) fn charge(visit: &Visit, cost: Credits) -> Self {
        Self { visit: visit.clone(), cost, turn: None, answer: None }
    }

    /// Adds `turn` to the end of conversation `ordinal`, free of charge.
    pub(super) fn turn(visit: &Visit, turn: NewTurn, ordinal: u64) -> Self {
        Self::charge(visit, Credits::default()).with(turn, ordinal)
    }

    /// And adds `turn` to the end of conversation `ordinal`.
    pub(super) fn with(self, turn: NewTurn, ordinal: u64) -> Self {
        Self { turn: Some((turn, ordinal)), ..self }
    }

    /// Waits until it is stored; gives the id of the answer.
    pub(super) async fn store(self, store: &Store) -> Result<MessageId, Error> {
        let cost = self.cost;
        match store.post(self).await.map_err(Error::internal)? {
            Posted::Stored(Self { answer: Some(answer), .. }) => Ok(answer),
            Posted::NotCovered => Err(Error::InsufficientBalance { cost }),
            // What is stored has drawn its id before.
            Posted::Stored(_) | Posted::Outdated => Err(Error::WorldEnded),
        }
    }
}

impl Posting for Booking {
    fn owner(&self) -> AccountRow {
        self.visit.row
    }

    fn cost(&self) -> Credits {
        self.cost
    }

    fn stands(&self) -> bool {
        self.visit.stands()
    }

    fn draw(&mut self) -> Drawn {
        let ids = &self.visit.ids;
        let Some((turn, conversation)) = self.turn.take() else {
            self.answer = Some(ids.message());
            return Drawn { turn: None, made: vec![(Kind::Message, ids.made(Kind::Message))] };
        };
        let messages = turn.messages(&self.visit);
        let [_, answer] = &messages;
        self.answer = Some(answer.id.clone());
        let turn = WholeTurn { conversation, activity: ids.next(Kind::Activity), messages };
        let made = [Kind::Message, Kind::Activity].map(|kind| (kind, ids.made(kind)));
        Drawn { turn: Some(turn), made: made.to_vec() }
    }
}
