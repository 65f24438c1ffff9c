//! The one writer: acts queue up, and those that have queued up commit together.
//!
//! Group commit costs one transaction for many acts when many clients write, and nothing when one
//! does. Each act runs in a savepoint, so that one that fails undoes itself and no neighbour. An
//! act learns its outcome only after the commit.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::{Connection as _, Executor as _};
use tokio::sync::{mpsc, oneshot};

use super::{Connection, StoreError};

/// The most acts in one transaction: bounds how long the first of them waits for the last.
const LARGEST_BATCH: usize = 128;
/// Acts that may wait for the writer; beyond that, callers wait to queue up.
const QUEUE: usize = 1024;

/// Runs inside the transaction.
type Run = Box<dyn for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Outcome> + Send>;
/// Tells the caller how the act's transaction ended; a value that is kept back until then.
type Tell = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// One act on its way to the connection.
struct Act {
    run: Run,
    tell: Tell,
}

/// Whether an act is to be kept, as far as it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Succeeded,
    Failed,
}

enum Errand {
    Act(Act),
    /// Writes nothing: needs neither a transaction nor, inside one, anything that undoes it.
    Look(Act),
    Close(oneshot::Sender<()>),
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

/// What was committed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Transactions.
    pub transactions: u64,
    /// Acts in them.
    pub acts: u64,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Self {
        let (queue, errands) = mpsc::channel(QUEUE);
        let written = Arc::new(Tally::default());
        tokio::spawn(work(connection, errands, Arc::clone(&written)));
        Self { queue, written }
    }

    /// Runs `act` in a transaction.
    pub(super) async fn run<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        self.queue_up(act, Errand::Act).await
    }

    /// Runs `look`, which writes nothing, between the acts.
    pub(super) async fn look<T, F>(&self, look: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        self.queue_up(look, Errand::Look).await
    }

    async fn queue_up<T, F>(&self, act: F, errand: fn(Act) -> Errand) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        let (answer, outcome) = oneshot::channel();
        let (keep, kept) = oneshot::channel();
        let run: Run = Box::new(move |connection| {
            Box::pin(async move {
                let result = act(connection).await;
                let outcome = if result.is_ok() { Outcome::Succeeded } else { Outcome::Failed };
                let _ = keep.send(result);
                outcome
            })
        });
        let tell: Tell = Box::new(move |committed| {
            let mut kept = kept;
            let result = match kept.try_recv() {
                Ok(Err(fault)) => Err(fault),
                Ok(Ok(value)) => committed.map(|()| value),
                // It did not come to run, or did not come to its end.
                Err(_) => Err(committed.err().unwrap_or(StoreError::Panicked)),
            };
            // Nobody may be waiting any more; the act stands all the same.
            let _ = answer.send(result);
        });
        self.queue.send(errand(Act { run, tell })).await.map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) fn written(&self) -> Written {
        Written {
            transactions: self.written.transactions.load(Ordering::Relaxed),
            acts: self.written.acts.load(Ordering::Relaxed),
        }
    }

    pub(super) async fn close(&self) {
        let (closed, wait) = oneshot::channel();
        if self.queue.send(Errand::Close(closed)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

async fn work(
    mut connection: Connection,
    mut errands: mpsc::Receiver<Errand>,
    written: Arc<Tally>,
) {
    let mut next = None;
    loop {
        let errand = match next.take() {
            Some(errand) => Some(errand),
            None => errands.recv().await,
        };
        match errand {
            None => return,
            Some(Errand::Close(closed)) => {
                errands.close();
                let _ = connection.close().await;
                let _ = closed.send(());
                return;
            }
            Some(errand) => {
                next = batch(&mut connection, errand, &mut errands, &written).await;
            }
        }
    }
}

/// Runs `first` and whatever has queued up behind it in one transaction, which begins with the
/// first act that writes. Gives what it took from the queue and did not run.
async fn batch(
    connection: &mut Connection,
    first: Errand,
    errands: &mut mpsc::Receiver<Errand>,
    written: &Tally,
) -> Option<Errand> {
    let mut transaction = Transaction { connection, acts: 0, sound: Ok(()) };
    let mut told = Vec::new();
    let mut next = Some(first);
    while let Some(errand) = next.take() {
        match errand {
            Errand::Close(_) => {
                next = Some(errand);
                break;
            }
            Errand::Look(Act { run, tell }) => {
                caught(run, transaction.connection).await;
                match transaction.acts {
                    0 => tell(Ok(())),
                    // What it has seen may not be committed yet.
                    _ => told.push(tell),
                }
            }
            Errand::Act(act) => {
                let first = transaction.acts == 0;
                // Once the transaction is lost, whoever comes behind gets another one.
                if !transaction.begin_act().await && !first {
                    next = Some(Errand::Act(act));
                    break;
                }
                transaction.run(act.run).await;
                told.push(act.tell);
            }
        }
        if transaction.sound.is_ok() && told.len() < LARGEST_BATCH {
            next = errands.try_recv().ok();
        }
    }
    let acts = transaction.acts;
    let outcome = transaction.end().await.map_err(|fault| fault.to_string());
    if outcome.is_ok() && acts > 0 {
        written.transactions.fetch_add(1, Ordering::Relaxed);
        written.acts.fetch_add(acts, Ordering::Relaxed);
    }
    for tell in told {
        tell(outcome.clone().map_err(StoreError::NotCommitted));
    }
    next
}

/// A transaction in which each act can be undone alone, by its savepoint. That of an act is
/// released by the statement that begins the next or commits: each statement is a round trip to
/// the thread of the connection.
struct Transaction<'c> {
    connection: &'c mut Connection,
    /// How many it holds; it begins with the first.
    acts: u64,
    /// An error means that the transaction is lost: SQLite gives some up by itself (a full disk,
    /// say), and what came after would commit by itself.
    sound: Result<(), sqlx::Error>,
}

impl Transaction<'_> {
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
    async fn run(&mut self, run: Run) {
        if self.sound.is_ok() && caught(run, self.connection).await == Outcome::Failed {
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
async fn caught(run: Run, connection: &mut Connection) -> Outcome {
    AssertUnwindSafe(run(connection)).catch_unwind().await.unwrap_or(Outcome::Failed)
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions as _;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    async fn writer() -> Writer {
        let options = SqliteConnectOptions::new().in_memory(true);
        let mut connection = options.connect().await.unwrap();
        connection.execute("CREATE TABLE words (word TEXT NOT NULL)").await.unwrap();
        Writer::start(connection)
    }

    /// Writes a word, and then does what `then` says.
    async fn write(
        writer: &Writer,
        word: &'static str,
        then: &'static str,
    ) -> Result<(), StoreError> {
        writer
            .run(move |db| {
                async move {
                    sqlx::query("INSERT INTO words VALUES ($1)")
                        .bind(word)
                        .execute(&mut *db)
                        .await?;
                    match then {
                        "ends" => Ok(()),
                        "fails" => Err(StoreError::Closed),
                        "panics" => panic!("a fault of ours"),
                        sql => Ok(db.execute(sql).await.map(drop)?),
                    }
                }
                .boxed()
            })
            .await
    }

    async fn words(writer: &Writer) -> Vec<String> {
        let all = "SELECT word FROM words ORDER BY word";
        let words = writer
            .run(move |db| async move { Ok(sqlx::query_scalar(all).fetch_all(db).await?) }.boxed());
        words.await.unwrap()
    }

    #[tokio::test]
    async fn an_act_that_fails_undoes_itself_and_no_neighbour() {
        let writer = writer().await;
        let (one, two, three) = futures::join!(
            write(&writer, "one", "ends"),
            write(&writer, "two", "fails"),
            write(&writer, "three", "ends"),
        );
        assert!(one.is_ok() && three.is_ok());
        assert!(matches!(two, Err(StoreError::Closed)), "{two:?}");
        assert_eq!(words(&writer).await, ["one", "three"]);
    }

    #[tokio::test]
    async fn an_act_that_panics_undoes_itself_and_the_writer_goes_on() {
        let writer = writer().await;
        let (one, two, three) = futures::join!(
            write(&writer, "one", "ends"),
            write(&writer, "two", "panics"),
            write(&writer, "three", "ends"),
        );
        assert!(one.is_ok() && three.is_ok());
        assert!(matches!(two, Err(StoreError::Panicked)), "{two:?}");
        assert_eq!(words(&writer).await, ["one", "three"]);
    }

    #[tokio::test]
    async fn when_the_transaction_is_lost_whoever_was_in_it_is_told_and_nothing_is_stored() {
        let writer = writer().await;
        let (one, two, three) = futures::join!(
            write(&writer, "one", "ends"),
            // As SQLite does by itself when the disk is full.
            write(&writer, "two", "ROLLBACK"),
            write(&writer, "three", "ends"),
        );
        assert!(matches!(one, Err(StoreError::NotCommitted(_))), "{one:?}");
        assert!(matches!(two, Err(StoreError::NotCommitted(_))), "{two:?}");
        assert!(three.is_ok(), "{three:?}");
        assert_eq!(words(&writer).await, ["three"]);
    }

    #[tokio::test]
    async fn without_a_transaction_nothing_runs() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("words.db"))
            .create_if_missing(true)
            .busy_timeout(std::time::Duration::ZERO);
        let mut other = options.connect().await.unwrap();
        other.execute("CREATE TABLE words (word TEXT NOT NULL)").await.unwrap();
        let writer = Writer::start(options.connect().await.unwrap());
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        let refused = write(&writer, "one", "ends").await;
        assert!(matches!(refused, Err(StoreError::NotCommitted(_))), "{refused:?}");
        other.execute("ROLLBACK").await.unwrap();
        write(&writer, "two", "ends").await.unwrap();
        assert_eq!(words(&writer).await, ["two"]);
    }

    #[tokio::test]
    async fn an_act_stands_when_nobody_waits_for_it_any_more() {
        let writer = writer().await;
        let mut one = Box::pin(write(&writer, "one", "ends"));
        assert!(futures::poll!(&mut one).is_pending());
        drop(one);
        assert_eq!(words(&writer).await, ["one"]);
    }
}
