//! The one writer: acts queue up, and those that have queued up commit together.
//!
//! Group commit costs one transaction for many acts when many clients write, and nothing when one
//! does. Each act runs in a savepoint, so that one that fails undoes itself and no neighbour. An
//! act learns its outcome only after the commit.

use futures::future::BoxFuture;
use sqlx::{Connection as _, Executor as _};
use tokio::sync::{mpsc, oneshot};

use super::{Connection, StoreError};

/// The most acts in one transaction: bounds how long the first of them waits for the last.
const LARGEST_BATCH: usize = 128;
/// Acts that may wait for the writer; beyond that, callers wait to queue up.
const QUEUE: usize = 1024;

/// Runs inside the transaction; gives what is to be told after the commit.
type Act = Box<dyn for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Done> + Send>;
/// What an act came to, kept back until its fate is known.
struct Done {
    succeeded: bool,
    tell: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

enum Errand {
    Act(Act),
    Close(oneshot::Sender<()>),
}

/// The way to the writer's task.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Errand>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Self {
        let (queue, errands) = mpsc::channel(QUEUE);
        tokio::spawn(work(connection, errands));
        Self { queue }
    }

    pub(super) async fn run<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        let (answer, outcome) = oneshot::channel();
        let act: Act = Box::new(move |connection| {
            Box::pin(async move {
                let result = act(connection).await;
                Done {
                    succeeded: result.is_ok(),
                    tell: Box::new(move |committed| {
                        // Nobody may be waiting any more; the act stands all the same.
                        let _ = answer.send(result.and_then(|value| committed.map(|()| value)));
                    }),
                }
            })
        });
        self.queue.send(Errand::Act(act)).await.map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) async fn close(&self) {
        let (closed, wait) = oneshot::channel();
        if self.queue.send(Errand::Close(closed)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

async fn work(mut connection: Connection, mut errands: mpsc::Receiver<Errand>) {
    while let Some(errand) = errands.recv().await {
        let closing = match errand {
            Errand::Close(closed) => Some(closed),
            Errand::Act(first) => batch(&mut connection, first, &mut errands).await,
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
) -> Option<oneshot::Sender<()>> {
    let mut done = Vec::new();
    let mut closing = None;
    let mut committed = connection.execute("BEGIN IMMEDIATE").await.map(drop);
    let mut next = Some(first);
    while let Some(act) = next.take() {
        done.push(in_savepoint(connection, act).await);
        if done.len() < LARGEST_BATCH {
            match errands.try_recv() {
                Ok(Errand::Act(act)) => next = Some(act),
                Ok(Errand::Close(closed)) => closing = Some(closed),
                Err(_) => {}
            }
        }
    }
    if committed.is_ok() {
        committed = connection.execute("COMMIT").await.map(drop);
    }
    let outcome = committed.map_err(|fault| fault.to_string());
    if outcome.is_err() {
        let _ = connection.execute("ROLLBACK").await;
    }
    for Done { tell, .. } in done {
        tell(outcome.clone().map_err(StoreError::NotCommitted));
    }
    closing
}

async fn in_savepoint(connection: &mut Connection, act: Act) -> Done {
    let opened = connection.execute("SAVEPOINT act").await.is_ok();
    let done = act(connection).await;
    if opened {
        if !done.succeeded {
            let _ = connection.execute("ROLLBACK TO act").await;
        }
        let _ = connection.execute("RELEASE act").await;
    }
    done
}
