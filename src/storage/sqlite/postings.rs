//! Postings: charges and turns, stored many at a time.
//!
//! What most requests write is always of the same form: a price taken off a balance, a turn added
//! to a conversation, counters. So those that have queued up need no savepoint each: one errand to
//! the thread of the connection begins, stores all of them and commits ([`statements`]). Only when
//! that fails is each stored by itself, so that one that fails undoes no neighbour.
//!
//! A charge has to know the balance. The [`Clerk`] remembers what its own postings left of it, and
//! the statement holds only if that is still what the database says.

mod statements;

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;

use sqlx::Executor as _;
use tokio::sync::oneshot;

pub(super) use self::statements::values;
use super::Connection;
use super::queries::accounts;
use crate::storage::{AccountKey, StoreError};
use crate::domain::Credits;
use crate::domain::conversation::{Conversation, Message};
use crate::ids::IdKind;

const FREE: Credits = Credits::from_millionths(0);
/// Balances that are remembered at most; beyond that, all are read anew.
const REMEMBERED: usize = 1024;

/// A charge, a turn or both: stored together, or not at all.
pub trait Posting: Send + Sync + 'static {
    /// The account that it belongs to.
    fn owner(&self) -> AccountKey;

    /// What it takes off the account's balance; nothing for what is free.
    fn cost(&self) -> Credits;

    /// Whether it is still to be stored, now that it is its turn.
    fn stands(&self) -> bool;

    /// Draws the ids that it needs. Called once, in the order of the queue, if it stands and the
    /// balance covers it.
    fn draw(&mut self) -> Drawn;
}

/// What a posting comes to, its ids drawn.
#[derive(Debug)]
pub struct Drawn {
    /// The conversation that it begins, which has no messages yet.
    pub begins: Option<Conversation>,
    /// The turn that it adds to a conversation, which may be the one that it begins.
    pub turn: Option<WholeTurn>,
    /// How many of each kind its account has made by now.
    pub made: Vec<(IdKind, u64)>,
}

/// A turn at the end of a conversation.
#[derive(Debug)]
pub struct WholeTurn {
    /// The conversation's ordinal.
    pub conversation: u64,
    /// Puts changes of a second in order.
    pub activity: u64,
    /// What was said, the user's message first. They are numbered as the turn that follows the
    /// conversation's latest when they are stored, whatever they say.
    pub messages: Vec<Message>,
}

/// What became of a posting.
#[derive(Debug)]
pub enum Posted<P> {
    /// It is stored.
    Stored(P),
    /// The balance does not cover it, and nothing is stored.
    NotCovered,
    /// It no longer stood, and nothing is stored.
    Outdated,
}

/// What became of a posting that its caller still holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum PostingOutcome {
    Stored,
    NotCovered,
    Outdated,
}

/// A posting, whatever it is, and who waits for it.
pub(super) trait Waiting: Send + Sync {
    fn posting(&mut self) -> &mut dyn Posting;
    fn tell(self: Box<Self>, verdict: Result<PostingOutcome, StoreError>);
}

/// A posting in the queue.
pub(super) struct Queued<P> {
    pub(super) posting: P,
    pub(super) answer: oneshot::Sender<Result<Posted<P>, StoreError>>,
}

impl<P: Posting> Waiting for Queued<P> {
    fn posting(&mut self) -> &mut dyn Posting {
        &mut self.posting
    }

    fn tell(self: Box<Self>, verdict: Result<PostingOutcome, StoreError>) {
        let Self { posting, answer } = *self;
        // Nobody may be waiting any more; what is stored is stored all the same.
        let _ = answer.send(verdict.map(|verdict| match verdict {
            PostingOutcome::Stored => Posted::Stored(posting),
            PostingOutcome::NotCovered => Posted::NotCovered,
            PostingOutcome::Outdated => Posted::Outdated,
        }));
    }
}

/// Stores postings.
#[derive(Debug, Default)]
pub(super) struct Clerk {
    /// What accounts were left with by their latest posting.
    balances: HashMap<AccountKey, Credits>,
}

/// A posting whose ids are drawn.
struct ReadyPosting {
    waiting: Box<dyn Waiting>,
    owner: AccountKey,
    cost: Credits,
    drawn: Drawn,
}

impl ReadyPosting {
    fn waiting(self) -> Box<dyn Waiting> {
        self.waiting
    }
}

/// An account's balance, and what its postings leave of it.
#[derive(Debug, Clone, Copy)]
struct Balance {
    before: Credits,
    after: Credits,
}

/// Why postings were not stored.
enum Failure {
    /// A statement failed, and what came before it is undone.
    Undone(sqlx::Error),
    /// There is no transaction (any more): it did not begin, or SQLite gave it up.
    Lost(String),
}

impl Failure {
    fn told(self) -> StoreError {
        match self {
            Self::Undone(fault) => fault.into(),
            Self::Lost(fault) => StoreError::NotCommitted(fault),
        }
    }
}

impl Clerk {
    /// Somebody else writes: balances may become others.
    pub(super) fn forget(&mut self) {
        self.balances.clear();
    }

    /// Stores `waiting`, as a rule in one transaction, and tells each what became of it;
    /// `committed` hears of each transaction how many it stored.
    pub(super) async fn store(
        &mut self,
        db: &mut Connection,
        waiting: Vec<Box<dyn Waiting>>,
        committed: impl Fn(usize),
    ) {
        let (ready, charged) = match self.settle(db, standing(waiting)).await {
            Ok(settled) => settled,
            Err(Unsettled { waiting, fault }) => return tell_lost(waiting, &fault),
        };
        if ready.is_empty() {
            return;
        }
        match self.together(db, &ready, &charged).await {
            Ok(()) => {
                committed(ready.len());
                for stored in ready {
                    stored.waiting.tell(Ok(PostingOutcome::Stored));
                }
            }
            Err(Failure::Lost(fault)) => {
                tell_lost(ready.into_iter().map(ReadyPosting::waiting), &fault);
            }
            Err(Failure::Undone(_)) => self.one_by_one(db, ready, committed).await,
        }
    }

    /// Stores each in a transaction of its own.
    async fn one_by_one(
        &mut self,
        db: &mut Connection,
        ready: Vec<ReadyPosting>,
        committed: impl Fn(usize),
    ) {
        for one in ready {
            let verdict = self.alone(db, &one).await.map_err(Failure::told);
            if matches!(verdict, Ok(PostingOutcome::Stored)) {
                committed(1);
            }
            one.waiting.tell(verdict);
        }
    }

    /// Stores `one` in a transaction of its own, for what the balance is now.
    async fn alone(
        &mut self,
        db: &mut Connection,
        one: &ReadyPosting,
    ) -> Result<PostingOutcome, Failure> {
        let mut charged = BTreeMap::new();
        if one.cost > FREE {
            let before = balance(db, one.owner).await.map_err(|error| Failure::Lost(error.to_string()))?;
            let Some(after) = left(before, one.cost) else { return Ok(PostingOutcome::NotCovered) };
            charged.insert(one.owner, Balance { before, after });
        }
        self.together(db, std::slice::from_ref(one), &charged)
            .await
            .map(|()| PostingOutcome::Stored)
    }

    /// Decides which of `waiting` the balances cover, in the order of the queue, and draws their
    /// ids; those that are not covered are told so.
    async fn settle(
        &mut self,
        db: &mut Connection,
        mut waiting: Vec<Box<dyn Waiting>>,
    ) -> Result<(Vec<ReadyPosting>, BTreeMap<AccountKey, Balance>), Unsettled> {
        if let Err(fault) = self.know_balances(db, &mut waiting).await {
            return Err(Unsettled { waiting, fault });
        }
        let mut ready = Vec::with_capacity(waiting.len());
        let mut charged = BTreeMap::new();
        for mut waiting in waiting {
            let (owner, cost) = (waiting.posting().owner(), waiting.posting().cost());
            let Some(balance) = self.pay(&charged, owner, cost) else {
                waiting.tell(Ok(PostingOutcome::NotCovered));
                continue;
            };
            // A panic is its posting's own: nothing of it is stored, and everybody else goes on.
            let draw = AssertUnwindSafe(|| waiting.posting().draw());
            let Ok(drawn) = std::panic::catch_unwind(draw) else {
                waiting.tell(Err(StoreError::Panicked));
                continue;
            };
            if cost > FREE {
                charged.insert(owner, balance);
            }
            ready.push(ReadyPosting { waiting, owner, cost, drawn });
        }
        Ok((ready, charged))
    }

    /// Makes sure that the balance of each account that is to pay is known, and that whoever is
    /// refused is refused by what the database says now.
    async fn know_balances(
        &mut self,
        db: &mut Connection,
        waiting: &mut [Box<dyn Waiting>],
    ) -> Result<(), StoreError> {
        let mut due: BTreeMap<AccountKey, Credits> = BTreeMap::new();
        for posting in waiting.iter_mut().map(|waiting| waiting.posting()) {
            if posting.cost() > FREE {
                let sum = due.entry(posting.owner()).or_default();
                let more = sum.millionths().saturating_add(posting.cost().millionths());
                *sum = Credits::from_millionths(more);
            }
        }
        if self.balances.len() + due.len() > REMEMBERED {
            self.balances.clear();
        }
        for (owner, due) in due {
            let remembered = self.balances.get(&owner);
            if remembered.is_none_or(|balance| *balance < due) {
                self.balances.insert(owner, balance(db, owner).await?);
            }
        }
        Ok(())
    }

    /// The balance of `owner` after what was `charged` so far and `cost`, if it covers that.
    fn pay(
        &self,
        charged: &BTreeMap<AccountKey, Balance>,
        owner: AccountKey,
        cost: Credits,
    ) -> Option<Balance> {
        let known = || self.balances.get(&owner).copied().unwrap_or_default();
        let (before, now) = match charged.get(&owner) {
            Some(Balance { before, after }) => (*before, *after),
            None => (known(), known()),
        };
        left(now, cost).map(|after| Balance { before, after })
    }

    /// Stores all of `ready`, at least one, or nothing.
    async fn together(
        &mut self,
        db: &mut Connection,
        ready: &[ReadyPosting],
        charged: &BTreeMap<AccountKey, Balance>,
    ) -> Result<(), Failure> {
        let sheet = statements::Sheet::of(ready, charged).parameters();
        let (shape, parameters) = sheet.map_err(Failure::Undone)?;
        let Err(fault) = statements::execute(db, shape, parameters).await else {
            self.balances.extend(charged.iter().map(|(owner, balance)| (*owner, balance.after)));
            return Ok(());
        };
        self.forget();
        match db.execute("ROLLBACK").await {
            Ok(_) => Err(Failure::Undone(fault)),
            Err(_) => Err(Failure::Lost(fault.to_string())),
        }
    }
}

/// Postings whose balances cannot be read.
struct Unsettled {
    waiting: Vec<Box<dyn Waiting>>,
    fault: StoreError,
}

/// Those of `waiting` that still stand; the others are told that they do not.
fn standing(waiting: Vec<Box<dyn Waiting>>) -> Vec<Box<dyn Waiting>> {
    let mut standing = Vec::with_capacity(waiting.len());
    for mut waiting in waiting {
        if waiting.posting().stands() {
            standing.push(waiting);
        } else {
            waiting.tell(Ok(PostingOutcome::Outdated));
        }
    }
    standing
}

/// Tells `waiting` that nothing of them is stored.
fn tell_lost(waiting: impl IntoIterator<Item = Box<dyn Waiting>>, fault: &impl std::fmt::Display) {
    for waiting in waiting {
        waiting.tell(Err(StoreError::NotCommitted(fault.to_string())));
    }
}

/// What `cost` leaves of `balance`, if that covers it.
fn left(balance: Credits, cost: Credits) -> Option<Credits> {
    (balance >= cost).then(|| Credits::from_millionths(balance.millionths() - cost.millionths()))
}

/// The balance of `owner`; an account that is gone has nothing.
async fn balance(db: &mut Connection, owner: AccountKey) -> Result<Credits, StoreError> {
    Ok(accounts::balance(db, owner).await?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
