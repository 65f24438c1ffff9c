//! The one task that writes. Entries that are queued together are committed together (group commit): with
//! many clients, one transaction stores many writes.
//!
//! Entries are stored in the order of the queue. Adjacent writes of requests are one batch
//! ([`super::batch`]); account writes have a savepoint each ([`super::account_write`]), so that one that
//! fails does not undo the others. An account write can have a callback, which the writer calls after the
//! commit and before the next entry, so that state in memory changes together with the stored data. Reads
//! run before the writes that were queued with them. Callers are answered after the commit.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::Connection as _;
use tokio::sync::{mpsc, oneshot};

use super::Connection;
use super::account_write::{
    AccountWrite, AccountWriteCaller, Allocated, QueuedAccountWrite, Transaction,
};
use super::batch::{self, QueuedWrite, Write};
use super::conversation_loader::{self, LoadRequest};
use super::file::{Lock, WatchedFile};
use crate::storage::{FileLost, Publish, StorageError, WriteOutcome, Written};

/// The most entries that are taken from the queue at a time, and so the most in one transaction. Bounds
/// the time that the first of them waits.
const LARGEST_BATCH: usize = 128;
/// The capacity of the queue; further callers wait.
const QUEUE: usize = 1024;

/// An entry of the queue.
#[expect(
    clippy::large_enum_variant,
    reason = "most entries are writes, which would need an allocation each"
)]
enum QueueEntry {
    Write(QueuedWrite),
    AccountWrite(QueuedAccountWrite),
    /// Needs no transaction.
    Read(QueuedRead),
    Load(LoadRequest),
    Close(oneshot::Sender<()>),
}

/// A query that answers its caller. A function, because each operation that reads has a result type of its
/// own.
type QueuedRead = Box<dyn for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, ()> + Send>;

/// The sending end of the writer's queue.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<QueueEntry>,
    committed: Arc<CommitCount>,
}

/// What was committed since the start.
#[derive(Debug, Default)]
struct CommitCount {
    transactions: AtomicU64,
    writes: AtomicU64,
}

impl CommitCount {
    fn add_transaction(&self, writes: usize) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.writes.fetch_add(u64::try_from(writes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Writer {
    /// Starts the task, which writes on `connection` as long as `file` exists and holds `lock` until
    /// it ends.
    pub(super) fn start(
        connection: Connection,
        file: Option<WatchedFile>,
        lock: Option<Lock>,
    ) -> Self {
        let (queue, entries) = mpsc::channel(QUEUE);
        let committed = Arc::new(CommitCount::default());
        let task = WriterTask { connection, file, committed: Arc::clone(&committed) };
        tokio::spawn(async move {
            let closed = task.run(entries).await;
            drop(lock);
            if let Some(closed) = closed {
                let _ = closed.send(());
            }
        });
        Self { queue, committed }
    }

    /// Stores `write` in a transaction.
    pub(super) async fn write(&self, write: Write) -> Result<WriteOutcome, StorageError> {
        let (answer, outcome) = oneshot::channel();
        self.enqueue(QueueEntry::Write(QueuedWrite { write, answer }), outcome).await
    }

    /// Stores `write` in a transaction and calls `publish` before anything else is written.
    pub(super) async fn write_accounts(
        &self,
        write: AccountWrite,
        publish: Option<Publish>,
    ) -> Result<Allocated, StorageError> {
        let (answer, outcome) = oneshot::channel();
        let queued = QueuedAccountWrite { write, caller: AccountWriteCaller { publish, answer } };
        self.enqueue(QueueEntry::AccountWrite(queued), outcome).await
    }

    /// Runs `query`, which writes nothing, between two transactions.
    pub(super) async fn read<T, F>(&self, query: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StorageError>>,
    {
        let (answer, outcome) = oneshot::channel();
        let read: QueuedRead = Box::new(move |db| {
            async move {
                let result = AssertUnwindSafe(async { query(db).await }).catch_unwind().await;
                // The caller may be gone.
                let _ = answer.send(result.unwrap_or(Err(StorageError::Panicked)));
            }
            .boxed()
        });
        self.enqueue(QueueEntry::Read(read), outcome).await
    }

    /// Loads the conversation of `request` between two transactions.
    pub(super) async fn load(&self, request: LoadRequest) -> Result<(), StorageError> {
        self.queue.send(QueueEntry::Load(request)).await.map_err(|_| StorageError::Closed)
    }

    async fn enqueue<T>(
        &self,
        entry: QueueEntry,
        outcome: oneshot::Receiver<Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.queue.send(entry).await.map_err(|_| StorageError::Closed)?;
        outcome.await.map_err(|_| StorageError::Closed)?
    }

    pub(super) fn written(&self) -> Written {
        Written {
            transactions: self.committed.transactions.load(Ordering::Relaxed),
            writes: self.committed.writes.load(Ordering::Relaxed),
        }
    }

    pub(super) async fn close(&self) {
        let (closed, wait) = oneshot::channel();
        if self.queue.send(QueueEntry::Close(closed)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

/// The receiving end of the queue.
struct WriterTask {
    connection: Connection,
    file: Option<WatchedFile>,
    committed: Arc<CommitCount>,
}

impl WriterTask {
    /// Runs until the database is to be closed, and returns the sender that confirms it, or until all
    /// sending ends are dropped.
    async fn run(mut self, mut queue: mpsc::Receiver<QueueEntry>) -> Option<oneshot::Sender<()>> {
        let mut taken = Vec::with_capacity(LARGEST_BATCH);
        while queue.recv_many(&mut taken, 1).await > 0 {
            // Yield once so that tasks that are ready can enqueue: larger batches are cheaper.
            tokio::task::yield_now().await;
            while taken.len() < LARGEST_BATCH
                && let Ok(entry) = queue.try_recv()
            {
                taken.push(entry);
            }
            let mut entries = self.run_reads(&mut taken).await;
            if !entries.is_empty()
                && let Some(Err(lost)) = self.file.as_ref().map(WatchedFile::check)
            {
                entries = refuse(entries, &lost);
            }
            while let Some(entry) = entries.pop_front() {
                match entry {
                    QueueEntry::Close(closed) => {
                        queue.close();
                        let _ = self.connection.close().await;
                        return Some(closed);
                    }
                    QueueEntry::Write(first) => self.store(first, &mut entries).await,
                    QueueEntry::AccountWrite(first) => {
                        self.store_accounts(first, &mut entries).await;
                    }
                    // `run_reads` has taken them.
                    QueueEntry::Read(_) | QueueEntry::Load(_) => {}
                }
            }
        }
        let _ = self.connection.close().await;
        None
    }

    /// Runs the reads among `taken`; returns the other entries in their order.
    async fn run_reads(&mut self, taken: &mut Vec<QueueEntry>) -> VecDeque<QueueEntry> {
        let mut others = VecDeque::with_capacity(taken.len());
        let mut loads = Vec::new();
        for entry in taken.drain(..) {
            match entry {
                QueueEntry::Read(read) => read(&mut self.connection).await,
                QueueEntry::Load(request) => loads.push(request),
                other => others.push_back(other),
            }
        }
        if !loads.is_empty() {
            conversation_loader::load(&mut self.connection, &mut loads).await;
        }
        others
    }

    /// Stores `first` and the adjacent writes of requests as one batch.
    async fn store(&mut self, first: QueuedWrite, rest: &mut VecDeque<QueueEntry>) {
        let mut writes = vec![first];
        while let Some(entry) = rest.pop_front() {
            match entry {
                QueueEntry::Write(write) => writes.push(write),
                other => {
                    rest.push_front(other);
                    break;
                }
            }
        }
        let committed = |writes| self.committed.add_transaction(writes);
        batch::store(&mut self.connection, writes, committed).await;
    }

    /// Stores `first` and the adjacent account writes in one transaction; leaves in the queue those that it
    /// has no transaction for.
    async fn store_accounts(&mut self, first: QueuedAccountWrite, rest: &mut VecDeque<QueueEntry>) {
        let mut transaction = Transaction::new(&mut self.connection);
        let mut finished = Vec::new();
        let mut next = Some(first);
        while let Some(queued) = next.take() {
            // If the transaction is lost, the remaining writes get another one.
            if !transaction.begin_write().await && !finished.is_empty() {
                rest.push_front(QueueEntry::AccountWrite(queued));
                break;
            }
            let QueuedAccountWrite { write, caller } = queued;
            let result = transaction.run(write).await;
            let is_last = caller.publish.is_some();
            finished.push((caller, result));
            if transaction.is_open() && !is_last {
                next = next_account_write(rest);
            }
        }
        let writes = transaction.writes();
        let outcome = transaction.end().await.map_err(|error| error.to_string());
        if outcome.is_ok() && writes > 0 {
            self.committed.add_transaction(writes);
        }
        for (caller, result) in finished {
            caller.answer(result, outcome.clone().map_err(StorageError::NotCommitted));
        }
    }
}

/// Answers all writes with the error that the file is lost; returns the other entries.
fn refuse(entries: VecDeque<QueueEntry>, lost: &FileLost) -> VecDeque<QueueEntry> {
    let refusal = || StorageError::NotCommitted(lost.to_string());
    let mut others = VecDeque::new();
    for entry in entries {
        match entry {
            QueueEntry::AccountWrite(queued) => queued.caller.answer(Err(refusal()), Ok(())),
            QueueEntry::Write(write) => write.answer(Err(refusal())),
            other => others.push_back(other),
        }
    }
    others
}

/// Takes the next entry if it is an account write.
fn next_account_write(entries: &mut VecDeque<QueueEntry>) -> Option<QueuedAccountWrite> {
    match entries.pop_front()? {
        QueueEntry::AccountWrite(queued) => Some(queued),
        other => {
            entries.push_front(other);
            None
        }
    }
}

#[cfg(test)]
mod tests;
