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

    pub(super) async fn run<T, F>(&self, act: F) -> Result<T, StoreError>
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
        self.queue.send(Errand::Act(Act { run, tell })).await.map_err(|_| StoreError::Closed)?;
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
    while let Some(errand) = errands.recv().await {
        let closing = match errand {
            Errand::Close(closed) => Some(closed),
            Errand::Act(first) => batch(&mut connection, first, &mut errands, &written).await,
        };
        if let Some(closed) = closing {
            errands.close();
            let _ = connection.close().await;
            let _ = closed.send(());
            return;
        }
    }
}

/// Runs `first` and whatever has queued up behind it in one transaction.
async fn batch(
    connection: &mut Connection,
    first: Act,
    errands: &mut mpsc::Receiver<Errand>,
    written: &Tally,
) -> Option<oneshot::Sender<()>> {
    let mut told = Vec::new();
    let mut closing = None;
    let mut next = Some(first);
    let mut sound = connection.execute("BEGIN IMMEDIATE").await.map(drop);
    while let Some(Act { run, tell }) = next.take() {
        told.push(tell);
        if sound.is_ok() {
            sound = in_savepoint(connection, run).await;
        }
        // Once the transaction is lost, whoever is still in the queue gets another one.
        if sound.is_ok() && told.len() < LARGEST_BATCH {
            match errands.try_recv() {
                Ok(Errand::Act(act)) => next = Some(act),
                Ok(Errand::Close(closed)) => closing = Some(closed),
                Err(_) => {}
            }
        }
    }
    if sound.is_ok() {
        sound = connection.execute("COMMIT").await.map(drop);
    }
    let outcome = sound.map_err(|fault| fault.to_string());
    if outcome.is_ok() {
        written.transactions.fetch_add(1, Ordering::Relaxed);
        let acts = u64::try_from(told.len()).unwrap_or(u64::MAX);
        written.acts.fetch_add(acts, Ordering::Relaxed);
    }
    if outcome.is_err() {
        let _ = connection.execute("ROLLBACK").await;
    }
    for tell in told {
        tell(outcome.clone().map_err(StoreError::NotCommitted));
    }
    closing
}

/// Runs one act so that it can be undone alone. An error means that the transaction is lost: SQLite
/// gives some up by itself (a full disk, say), and what came after would commit by itself.
async fn in_savepoint(connection: &mut Connection, run: Run) -> Result<(), sqlx::Error> {
    connection.execute("SAVEPOINT act").await?;
    // A panic is its act's own: the writer and everybody else go on.
    let outcome = AssertUnwindSafe(run(connection)).catch_unwind().await;
    if outcome.unwrap_or(Outcome::Failed) == Outcome::Failed {
        connection.execute("ROLLBACK TO act").await?;
    }
    connection.execute("RELEASE act").await?;
    Ok(())
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
