//! The one writer: acts queue up, and those that have queued up commit together.
//!
//! Group commit costs one transaction for many acts when many clients write, and nothing when one
//! does. Acts run in the order in which they queued up, each in a savepoint, so that one that fails
//! undoes itself and no neighbour. An act may come with a function to call once it is committed: the
//! writer calls it before it takes the next act, so that what is kept in memory changes together
//! with what is stored. Postings that stand next to each other are stored together (see
//! [`super::postings`]). Looks come first: they write nothing, and what is still in the queue has
//! not happened yet. Everybody learns the outcome only after the commit.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::{Connection as _, Executor as _};
use tokio::sync::{mpsc, oneshot};

use super::conversation_loader::{self, LoadRequest};
use super::file::{Lock, Watched};
use super::postings::{Clerk, Posted, Posting, Queued, Waiting};
use super::Connection;
use crate::storage::{FileLost, StoreError, Written};

/// The most errands that are taken from the queue at a time, and so the most acts in one
/// transaction: bounds how long the first of them waits for the last.
const LARGEST_BATCH: usize = 128;
/// Acts that may wait for the writer; beyond that, callers wait to queue up.
const QUEUE: usize = 1024;

/// One act on its way to the connection.
trait Act: Send {
    /// Runs inside the transaction.
    fn run<'a>(&'a mut self, connection: &'a mut Connection) -> BoxFuture<'a, Outcome>;

    /// Whether something is to be called right after its commit: then no other act may run between
    /// the two, and it is the last of its transaction.
    fn ends_transaction(&self) -> bool;

    /// Tells the caller how the act's transaction ended.
    fn tell(self: Box<Self>, committed: Result<(), StoreError>);
}

/// Whether an act is to be kept, as far as it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Succeeded,
    Failed,
}

enum Errand {
    Act(Box<dyn Act>),
    /// Writes nothing: needs neither a transaction nor, inside one, anything that undoes it.
    Look(Box<dyn Act>),
    Find(LoadRequest),
    Post(Box<dyn Waiting>),
    Close(oneshot::Sender<()>),
}

/// An act in the queue.
struct Pending<F, T> {
    /// None once it runs.
    act: Option<F>,
    /// What came of it, kept back until the commit; none if it did not come to its end.
    result: Option<Result<T, StoreError>>,
    after_commit: Option<AfterCommit<T>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

/// What is called with an act's result, in the writer, between its commit and the next act.
type AfterCommit<T> = Box<dyn FnOnce(&T) + Send>;

impl<F, T> Act for Pending<F, T>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>> + Send,
{
    fn run<'a>(&'a mut self, connection: &'a mut Connection) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Some(act) = self.act.take() else { return Outcome::Failed };
            let result = act(connection).await;
            let outcome = if result.is_ok() { Outcome::Succeeded } else { Outcome::Failed };
            self.result = Some(result);
            outcome
        })
    }

    fn ends_transaction(&self) -> bool {
        self.after_commit.is_some()
    }

    fn tell(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, after_commit, answer, .. } = *self;
        let result = match result {
            Some(Err(fault)) => Err(fault),
            Some(Ok(value)) => committed.and_then(|()| call(after_commit, value)),
            // It did not come to run, or did not come to its end.
            None => Err(committed.err().unwrap_or(StoreError::Panicked)),
        };
        // Nobody may be waiting any more; the act stands all the same.
        let _ = answer.send(result);
    }
}

/// Calls what is to be called after the commit; a panic there is the act's own.
fn call<T>(after_commit: Option<AfterCommit<T>>, value: T) -> Result<T, StoreError> {
    let Some(after_commit) = after_commit else { return Ok(value) };
    std::panic::catch_unwind(AssertUnwindSafe(|| after_commit(&value)))
        .map_err(|_| StoreError::Panicked)?;
    Ok(value)
}

/// The way to the writer's task.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Errand>,
    written: Arc<Tally>,
}

/// What was committed so far.
#[derive(Debug, Default)]
struct Tally {
    transactions: AtomicU64,
    acts: AtomicU64,
}

impl Tally {
    fn add_transaction(&self, acts: usize) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.acts.fetch_add(u64::try_from(acts).unwrap_or_default(), Ordering::Relaxed);
    }
}

impl Writer {
    /// Writes with `connection`, as long as `file` is there; holds `lock` until it is closed.
    pub(super) fn start(connection: Connection, file: Option<Watched>, lock: Option<Lock>) -> Self {
        let (queue, errands) = mpsc::channel(QUEUE);
        let written = Arc::new(Tally::default());
        let desk =
            Desk { connection, clerk: Clerk::default(), file, written: Arc::clone(&written) };
        tokio::spawn(async move {
            let closed = desk.work(errands).await;
            drop(lock);
            if let Some(closed) = closed {
                let _ = closed.send(());
            }
        });
        Self { queue, written }
    }

    /// Runs `act` in a transaction.
    pub(super) async fn run<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        self.run_then(act, None).await
    }

    /// Runs `act` in a transaction, and calls `after_commit` before any other act runs.
    pub(super) async fn run_then<T, F>(
        &self,
        act: F,
        after_commit: Option<AfterCommit<T>>,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        let (answer, outcome) = oneshot::channel();
        let act = Box::new(Pending { act: Some(act), result: None, after_commit, answer });
        self.queue_up(Errand::Act(act), outcome).await
    }

    /// Runs `look`, which writes nothing, between the transactions.
    pub(super) async fn look<T, F>(&self, look: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        let (answer, outcome) = oneshot::channel();
        let look = Box::new(Pending { act: Some(look), result: None, after_commit: None, answer });
        self.queue_up(Errand::Look(look), outcome).await
    }

    /// Stores `posting`, and whatever it stands next to in the queue, in a transaction.
    pub(super) async fn post<P: Posting>(&self, posting: P) -> Result<Posted<P>, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.queue_up(Errand::Post(Box::new(Queued { posting, answer })), outcome).await
    }

    /// Loads the conversation of `request` between two transactions.
    pub(super) async fn load(&self, request: LoadRequest) -> Result<(), StoreError> {
        self.queue.send(Errand::Find(request)).await.map_err(|_| StoreError::Closed)
    }

    async fn queue_up<T>(
        &self,
        errand: Errand,
        outcome: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.queue.send(errand).await.map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) fn written(&self) -> Written {
        Written {
            transactions: self.written.transactions.load(Ordering::Relaxed),
            writes: self.written.acts.load(Ordering::Relaxed),
        }
    }

    pub(super) async fn close(&self) {
        let (closed, wait) = oneshot::channel();
        if self.queue.send(Errand::Close(closed)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

/// Where the errands arrive.
struct Desk {
    connection: Connection,
    clerk: Clerk,
    file: Option<Watched>,
    written: Arc<Tally>,
}

impl Desk {
    /// Works until it is told to close the database, and gives who told it, or until nobody can ask
    /// any more.
    async fn work(mut self, mut errands: mpsc::Receiver<Errand>) -> Option<oneshot::Sender<()>> {
        let mut taken = Vec::with_capacity(LARGEST_BATCH);
        while errands.recv_many(&mut taken, 1).await > 0 {
            // Whoever can run now queues up first: it costs nobody any time to be waited for, and
            // everybody less to be stored with others.
            tokio::task::yield_now().await;
            while taken.len() < LARGEST_BATCH
                && let Ok(errand) = errands.try_recv()
            {
                taken.push(errand);
            }
            let mut acts = self.look(&mut taken).await;
            if !acts.is_empty()
                && let Some(Err(lost)) = self.file.as_ref().map(Watched::check)
            {
                acts = refuse(acts, &lost);
            }
            while let Some(errand) = acts.pop_front() {
                match errand {
                    Errand::Close(closed) => {
                        errands.close();
                        let _ = self.connection.close().await;
                        return Some(closed);
                    }
                    Errand::Post(first) => self.post(first, &mut acts).await,
                    Errand::Act(first) => self.run(first, &mut acts).await,
                    // Seen to already.
                    Errand::Look(_) | Errand::Find(_) => {}
                }
            }
        }
        let _ = self.connection.close().await;
        None
    }

    /// Runs the looks among `taken`; gives the others, in their order.
    async fn look(&mut self, taken: &mut Vec<Errand>) -> VecDeque<Errand> {
        let mut others = VecDeque::with_capacity(taken.len());
        let mut findings = Vec::new();
        for errand in taken.drain(..) {
            match errand {
                Errand::Look(mut look) => {
                    caught(&mut *look, &mut self.connection).await;
                    look.tell(Ok(()));
                }
                Errand::Find(finding) => findings.push(finding),
                other => others.push_back(other),
            }
        }
        if !findings.is_empty() {
            conversation_loader::load(&mut self.connection, &mut findings).await;
        }
        others
    }

    /// Stores `first` and the postings that stand right behind it.
    async fn post(&mut self, first: Box<dyn Waiting>, behind: &mut VecDeque<Errand>) {
        let mut postings = vec![first];
        while let Some(errand) = behind.pop_front() {
            match errand {
                Errand::Post(posting) => postings.push(posting),
                other => {
                    behind.push_front(other);
                    break;
                }
            }
        }
        let written = Arc::clone(&self.written);
        let committed = |acts| written.add_transaction(acts);
        self.clerk.store(&mut self.connection, postings, committed).await;
    }

    /// Runs `first` and the acts that stand right behind it in one transaction; leaves in place
    /// whom it did not come to.
    async fn run(&mut self, first: Box<dyn Act>, behind: &mut VecDeque<Errand>) {
        self.clerk.forget();
        let mut transaction = Transaction::new(&mut self.connection);
        let mut told = Vec::new();
        let mut next = Some(first);
        while let Some(mut act) = next.take() {
            // Once the transaction is lost, whoever comes behind gets another one.
            if !transaction.begin_act().await && !told.is_empty() {
                behind.push_front(Errand::Act(act));
                break;
            }
            transaction.run(&mut *act).await;
            let is_last = act.ends_transaction();
            told.push(act);
            if transaction.sound.is_ok() && !is_last {
                next = next_act(behind);
            }
        }
        let acts = transaction.acts;
        let outcome = transaction.end().await.map_err(|fault| fault.to_string());
        if outcome.is_ok() && acts > 0 {
            self.written.add_transaction(acts);
        }
        for act in told {
            act.tell(outcome.clone().map_err(StoreError::NotCommitted));
        }
    }
}

/// Tells everybody who would write that nothing can be written; gives the other errands.
fn refuse(errands: VecDeque<Errand>, lost: &FileLost) -> VecDeque<Errand> {
    let refusal = || StoreError::NotCommitted(lost.to_string());
    let mut others = VecDeque::new();
    for errand in errands {
        match errand {
            Errand::Act(act) => act.tell(Err(refusal())),
            Errand::Post(posting) => posting.tell(Err(refusal())),
            other => others.push_back(other),
        }
    }
    others
}

/// Takes the next errand if it is an act.
fn next_act(errands: &mut VecDeque<Errand>) -> Option<Box<dyn Act>> {
    match errands.pop_front()? {
        Errand::Act(act) => Some(act),
        other => {
            errands.push_front(other);
            None
        }
    }
}

/// A transaction in which each act can be undone alone, by its savepoint. That of an act is
/// released by the statement that begins the next or commits: each statement is a round trip to
/// the thread of the connection.
struct Transaction<'c> {
    connection: &'c mut Connection,
    /// How many it holds; it begins with the first.
    acts: usize,
    /// An error means that the transaction is lost: SQLite gives some up by itself (a full disk,
    /// say), and what came after would commit by itself.
    sound: Result<(), sqlx::Error>,
}

impl<'c> Transaction<'c> {
    fn new(connection: &'c mut Connection) -> Self {
        Self { connection, acts: 0, sound: Ok(()) }
    }

    /// Sets the savepoint of one more act, and tells whether there is still a transaction for it.
    async fn begin_act(&mut self) -> bool {
        let begin = match self.acts {
            0 => "BEGIN IMMEDIATE; SAVEPOINT act",
            _ => "RELEASE act; SAVEPOINT act",
        };
        self.execute(begin).await;
        if self.sound.is_ok() {
            self.acts += 1;
        }
        self.sound.is_ok()
    }

    /// Runs the act whose savepoint was set last.
    async fn run(&mut self, act: &mut dyn Act) {
        if self.sound.is_ok() && caught(act, self.connection).await == Outcome::Failed {
            self.execute("ROLLBACK TO act").await;
        }
    }

    /// Commits, or undoes all of it.
    async fn end(mut self) -> Result<(), sqlx::Error> {
        if self.acts > 0 {
            self.execute("RELEASE act; COMMIT").await;
        }
        if self.sound.is_err() {
            let _ = self.connection.execute("ROLLBACK").await;
        }
        self.sound
    }

    async fn execute(&mut self, statements: &'static str) {
        if self.sound.is_ok() {
            self.sound = self.connection.execute(statements).await.map(drop);
        }
    }
}

/// A panic is its act's own: the writer and everybody else go on.
async fn caught(act: &mut dyn Act, connection: &mut Connection) -> Outcome {
    AssertUnwindSafe(act.run(connection)).catch_unwind().await.unwrap_or(Outcome::Failed)
}

#[cfg(test)]
mod tests;
