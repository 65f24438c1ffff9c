//! Stores adjacent writes of the queue in one transaction.
//!
//! The writes of requests all have the same form: a cost, a conversation, messages, counters. They need no
//! savepoint each, and all of them are one SQL text ([`super::rows`]). Only if that fails is each stored
//! by itself, so that a write that fails does not undo the others.
//!
//! The bound of an account's triggers is a CHECK, too: where it fails, each write is stored by itself.
//!
//! Balances are not read first. A balance that would fall below zero fails the batch; then the writes
//! that are not covered are refused, in the order of the queue.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sqlx::Executor as _;
use tokio::sync::oneshot;

use super::Connection;
use super::queries::accounts;
use super::rows::{Filled, Rows};
use crate::domain::Credits;
use crate::domain::Trigger;
use crate::domain::catalog::{Agent, Image};
use crate::domain::conversation::Conversation;
use crate::storage::{AccountKey, NewMessages, NewRunStep, StorageError, WriteOutcome, WriteScope};

/// The write of a request, stored as a whole or not at all.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) scope: WriteScope,
    /// Subtracted from the account's balance.
    pub(super) cost: Credits,
    /// A conversation without messages, with its activity number.
    pub(super) conversation: Option<(Conversation, u64)>,
    pub(super) messages: Option<NewMessages>,
    /// An agent with its ordinal.
    pub(super) agent: Option<(u64, Agent)>,
    /// An image with its ordinal.
    pub(super) image: Option<(u64, Image)>,
    pub(super) trigger: Option<Trigger>,
    /// A step of a run.
    pub(super) run_step: Option<NewRunStep>,
    /// Changes of stored rows, after everything else.
    pub(super) updates: Vec<Filled<'static>>,
}

impl Write {
    /// A write that subtracts `cost` from the balance.
    pub(super) fn charge(scope: WriteScope, cost: Credits) -> Self {
        Self {
            scope,
            cost,
            conversation: None,
            messages: None,
            agent: None,
            image: None,
            trigger: None,
            run_step: None,
            updates: Vec::new(),
        }
    }

    fn add_to<'r>(&'r self, rows: &mut Rows<'r>) {
        let owner = self.scope.owner;
        rows.accounts.charge(owner, self.cost);
        if let Some((conversation, activity)) = &self.conversation {
            rows.conversations.add(owner, conversation, *activity);
        }
        if let Some(NewMessages { conversation, activity, at, messages }) = &self.messages {
            rows.messages.add(owner, *conversation, messages, (*at, *activity));
        }
        if let Some((ordinal, agent)) = &self.agent {
            rows.agents.add(owner, *ordinal, agent);
        }
        if let Some((ordinal, image)) = &self.image {
            rows.images.add(owner, *ordinal, image);
        }
        if let Some(trigger) = &self.trigger {
            rows.triggers.add(owner, trigger);
        }
        if let Some(new) = &self.run_step {
            let NewRunStep { conversation, created, messages, activity, step, .. } = new;
            if let Some(created) = created {
                rows.conversations.add(owner, created, *activity);
            }
            rows.messages.add(owner, *conversation, messages, (step.at, *activity));
            rows.runs.add(owner, *conversation, step, *activity);
        }
        for (statement, values) in &self.updates {
            rows.updates.push((statement, values.clone()));
        }
        rows.accounts.count(owner, &self.scope.made);
    }
}

/// A write in the queue.
#[derive(Debug)]
pub(super) struct QueuedWrite {
    pub(super) write: Write,
    pub(super) answer: oneshot::Sender<Result<WriteOutcome, StorageError>>,
}

impl QueuedWrite {
    pub(super) fn answer(self, outcome: Result<WriteOutcome, StorageError>) {
        // The caller may be gone; what is stored stays stored.
        let _ = self.answer.send(outcome);
    }
}

/// Why writes were not stored.
enum BatchError {
    /// A balance would fall below zero; everything is undone.
    NotCovered,
    /// An account would have too many triggers, in a batch without costs; everything is undone.
    TooManyTriggers,
    /// A statement failed; everything is undone.
    Undone(sqlx::Error),
    /// There is no transaction: it did not begin, or SQLite rolled it back.
    Lost(sqlx::Error),
}

/// Stores `writes` and answers each. `committed` is called after each commit with the number of
/// writes in it.
pub(super) async fn store(
    db: &mut Connection,
    writes: Vec<QueuedWrite>,
    committed: impl Fn(usize),
) {
    let writes =
        refuse(writes, WriteOutcome::EpochEnded, |write| !write.scope.epoch_ended.is_cancelled());
    let Err((writes, error)) = store_together(db, writes, &committed).await else { return };
    let writes = match error {
        BatchError::NotCovered => match refuse_uncovered(db, writes).await {
            Ok(writes) => writes,
            Err((writes, error)) => return answer_not_committed(writes, &error),
        },
        BatchError::TooManyTriggers | BatchError::Undone(_) => {
            return store_one_by_one(db, writes, committed).await;
        }
        BatchError::Lost(error) => return answer_not_committed(writes, &error),
    };
    match store_together(db, writes, &committed).await {
        Ok(()) => {}
        Err((writes, BatchError::Lost(error))) => answer_not_committed(writes, &error),
        Err((writes, _)) => store_one_by_one(db, writes, committed).await,
    }
}

/// Stores all of `writes` in one transaction, or returns them.
async fn store_together(
    db: &mut Connection,
    writes: Vec<QueuedWrite>,
    committed: &impl Fn(usize),
) -> Result<(), (Vec<QueuedWrite>, BatchError)> {
    if writes.is_empty() {
        return Ok(());
    }
    if let Err(error) = commit(db, writes.iter().map(|queued| &queued.write)).await {
        return Err((writes, error));
    }
    committed(writes.len());
    for queued in writes {
        queued.answer(Ok(WriteOutcome::Stored));
    }
    Ok(())
}

/// Stores each of `writes` in its own transaction.
async fn store_one_by_one(
    db: &mut Connection,
    writes: Vec<QueuedWrite>,
    committed: impl Fn(usize),
) {
    for queued in writes {
        let outcome = match commit(db, [&queued.write]).await {
            Ok(()) => {
                committed(1);
                Ok(WriteOutcome::Stored)
            }
            Err(BatchError::NotCovered) => Ok(WriteOutcome::NotCovered),
            Err(BatchError::TooManyTriggers) => Ok(WriteOutcome::TooManyTriggers),
            Err(BatchError::Undone(error))
                if queued.write.run_step.is_some() && is_unique(&error) =>
            {
                Ok(WriteOutcome::Superseded)
            }
            Err(BatchError::Undone(error)) => Err(error.into()),
            Err(BatchError::Lost(error)) => Err(StorageError::NotCommitted(error.to_string())),
        };
        queued.answer(outcome);
    }
}

async fn commit<'w>(
    db: &mut Connection,
    writes: impl IntoIterator<Item = &'w Write>,
) -> Result<(), BatchError> {
    let mut rows = Rows::default();
    let (mut costs, mut triggers) = (false, false);
    for write in writes {
        costs |= write.cost > Credits::default();
        triggers |= write.trigger.is_some();
        write.add_to(&mut rows);
    }
    let Err(error) = rows.commit(db).await else { return Ok(()) };
    if db.execute("ROLLBACK").await.is_err() {
        return Err(BatchError::Lost(error));
    }
    let check =
        error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_check_violation);
    Err(match (check, costs, triggers) {
        (true, true, _) => BatchError::NotCovered,
        (true, false, true) => BatchError::TooManyTriggers,
        (true, false, false) | (false, _, _) => BatchError::Undone(error),
    })
}

fn is_unique(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Refuses those of `writes` that the balances do not cover, in the order of the queue; returns the
/// others.
async fn refuse_uncovered(
    db: &mut Connection,
    writes: Vec<QueuedWrite>,
) -> Result<Vec<QueuedWrite>, (Vec<QueuedWrite>, StorageError)> {
    let mut balances: HashMap<AccountKey, i64> = HashMap::new();
    for queued in &writes {
        let owner = queued.write.scope.owner;
        if let Entry::Vacant(entry) = balances.entry(owner) {
            let balance = match accounts::balance(db, owner).await {
                // A removed account has no balance.
                Ok(balance) => balance.map_or(0, Credits::millionths),
                Err(error) => return Err((writes, error)),
            };
            entry.insert(balance);
        }
    }
    Ok(refuse(writes, WriteOutcome::NotCovered, |write| {
        let balance = balances.entry(write.scope.owner).or_default();
        let covered = *balance >= write.cost.millionths();
        if covered {
            *balance -= write.cost.millionths();
        }
        covered
    }))
}

/// Answers those of `writes` for which `keep` is false with `outcome`; returns the others.
fn refuse(
    writes: Vec<QueuedWrite>,
    outcome: WriteOutcome,
    mut keep: impl FnMut(&Write) -> bool,
) -> Vec<QueuedWrite> {
    let mut kept = Vec::with_capacity(writes.len());
    for queued in writes {
        if keep(&queued.write) {
            kept.push(queued);
        } else {
            queued.answer(Ok(outcome));
        }
    }
    kept
}

fn answer_not_committed(writes: Vec<QueuedWrite>, error: &impl std::fmt::Display) {
    for queued in writes {
        queued.answer(Err(StorageError::NotCommitted(error.to_string())));
    }
}

#[cfg(test)]
mod tests;
