//! Writes of whole accounts, each in a savepoint of its own.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use sqlx::Executor as _;
use tokio::sync::oneshot;

use super::Connection;
use super::queries::{accounts, snapshots};
use crate::storage::{
    AccountKey, AccountReplacement, AccountUpdate, NewAccountData, Publish, StorageError,
};

/// A write of whole accounts.
#[derive(Debug)]
pub(super) enum AccountWrite {
    /// Allocates the numbers of this many accounts.
    Allocate(u64),
    /// Creates accounts.
    Create(Vec<NewAccountData>),
    /// Removes an account.
    Remove(AccountKey),
    /// Replaces everything that an account holds.
    Replace(AccountKey, AccountReplacement),
    /// Changes balance, plan, limits or clock of an account.
    Update(AccountKey, AccountUpdate),
}

/// The allocated numbers; empty unless the write was [`AccountWrite::Allocate`].
pub(super) type Allocated = Vec<AccountKey>;

impl AccountWrite {
    async fn run(self, db: &mut Connection) -> Result<Allocated, StorageError> {
        match self {
            Self::Allocate(count) => return accounts::allocate(db, count).await,
            Self::Create(new) => {
                for account in &new {
                    create(db, account).await?;
                }
            }
            Self::Remove(owner) => accounts::remove(db, owner).await?,
            Self::Replace(owner, replacement) => replace(db, owner, replacement).await?,
            Self::Update(owner, update) => accounts::update(db, owner, update).await?,
        }
        Ok(Vec::new())
    }
}

async fn create(db: &mut Connection, account: &NewAccountData) -> Result<(), StorageError> {
    let NewAccountData { key, record, data, terms, origin } = account;
    accounts::insert(db, *key, record).await?;
    snapshots::fill(db, *key, data).await?;
    if let Some(terms) = terms {
        accounts::set_terms(db, *key, terms).await?;
    }
    if let Some(origin) = origin {
        accounts::save_origin(db, *key, origin).await?;
    }
    Ok(())
}

async fn replace(
    db: &mut Connection,
    owner: AccountKey,
    replacement: AccountReplacement,
) -> Result<(), StorageError> {
    let AccountReplacement { data, reset_terms, terms, clock } = replacement;
    if reset_terms {
        accounts::reset_terms(db, owner).await?;
    }
    accounts::clear(db, owner).await?;
    snapshots::fill(db, owner, &data).await?;
    accounts::update(db, owner, AccountUpdate { balance: None, terms, clock }).await
}

/// An account write in the queue.
pub(super) struct QueuedAccountWrite {
    pub(super) write: AccountWrite,
    pub(super) caller: AccountWriteCaller,
}

/// The caller that waits for an account write.
pub(super) struct AccountWriteCaller {
    /// Called after the commit. A write that has one is the last of its transaction.
    pub(super) publish: Option<Publish>,
    pub(super) answer: oneshot::Sender<Result<Allocated, StorageError>>,
}

impl AccountWriteCaller {
    /// Publishes and answers, given the results of the write and of its transaction.
    pub(super) fn answer(
        self,
        result: Result<Allocated, StorageError>,
        committed: Result<(), StorageError>,
    ) {
        let Self { publish, answer } = self;
        let result = result.and_then(|allocated| {
            committed?;
            if let Some(publish) = publish {
                // A panic fails this write only.
                std::panic::catch_unwind(AssertUnwindSafe(publish))
                    .map_err(|_| StorageError::Panicked)?;
            }
            Ok(allocated)
        });
        // The caller may be gone; what is stored stays stored.
        let _ = answer.send(result);
    }
}

/// A transaction in which each write can be undone by itself. Its savepoint is released by the statement
/// that sets the next one or commits, because each statement is a message to the connection's thread.
pub(super) struct Transaction<'c> {
    connection: &'c mut Connection,
    /// The number of writes; the transaction begins with the first.
    writes: usize,
    /// An error if the transaction is lost: SQLite rolls some back (when the disk is full, for example),
    /// and later statements would be committed one by one.
    state: Result<(), sqlx::Error>,
}

impl<'c> Transaction<'c> {
    pub(super) fn new(connection: &'c mut Connection) -> Self {
        Self { connection, writes: 0, state: Ok(()) }
    }

    /// The number of writes.
    pub(super) fn writes(&self) -> usize {
        self.writes
    }

    /// Whether there is still a transaction.
    pub(super) fn is_open(&self) -> bool {
        self.state.is_ok()
    }

    /// Sets the savepoint of one more write; returns whether there is still a transaction for it.
    pub(super) async fn begin_write(&mut self) -> bool {
        let begin = match self.writes {
            0 => "BEGIN IMMEDIATE; SAVEPOINT account_write",
            _ => "RELEASE account_write; SAVEPOINT account_write",
        };
        self.execute(begin).await;
        if self.is_open() {
            self.writes += 1;
        }
        self.is_open()
    }

    /// Runs the write whose savepoint was set last. Undoes it if it fails or panics.
    pub(super) async fn run(&mut self, write: AccountWrite) -> Result<Allocated, StorageError> {
        if let Err(error) = &self.state {
            return Err(StorageError::NotCommitted(error.to_string()));
        }
        let ran = AssertUnwindSafe(write.run(self.connection)).catch_unwind().await;
        let result = ran.unwrap_or(Err(StorageError::Panicked));
        if result.is_err() {
            self.execute("ROLLBACK TO account_write").await;
        }
        result
    }

    /// Commits, or rolls everything back.
    pub(super) async fn end(mut self) -> Result<(), sqlx::Error> {
        if self.writes > 0 {
            self.execute("RELEASE account_write; COMMIT").await;
        }
        if !self.is_open() {
            let _ = self.connection.execute("ROLLBACK").await;
        }
        self.state
    }

    async fn execute(&mut self, statements: &'static str) {
        if self.state.is_ok() {
            self.state = self.connection.execute(statements).await.map(drop);
        }
    }
}
