//! Storage in SQLite, in a file or in memory.
//!
//! One task writes, and commits writes that are queued together ([`writer`]). A file has further
//! connections for reading. In memory there is only the writer's connection, so reads are queued too.
//! Conversations that a turn continues are loaded many at a time ([`conversation_loader`]).

mod account_write;
mod batch;
mod conversation_loader;
mod file;
mod open;
mod queries;
mod reads;
mod rows;
mod values;
mod writer;
mod writes;

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{ConnectOptions as _, Executor as _};
use tokio::sync::{Semaphore, mpsc};

use self::conversation_loader::LoadRequest;
use self::file::{Lock, Watched};
pub use self::open::is_in_memory;
use self::writer::Writer;
use crate::storage::{FileLost, LargeReadPermit, StoreError, Written};

/// One connection to the database, inside a transaction when it writes.
type Connection = SqliteConnection;

/// How many may hold long texts at a time: megabytes, which are in memory several times until the
/// answer is complete.
const LARGE_READS: usize = 4;

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    writer: Writer,
    readers: Readers,
    /// `None` in memory.
    file: Option<Watched>,
    large_reads: Arc<Semaphore>,
}

#[derive(Debug, Clone)]
enum Readers {
    /// A file has connections for reading, which see what is committed.
    Pool { pool: SqlitePool, loads: mpsc::Sender<LoadRequest> },
    /// In memory there is only the writer's connection.
    Writer,
}

impl Store {
    /// Opens the database at `url`, creates it if it does not exist, and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let options = open::options(url)?;
        let in_memory = is_in_memory(url);
        let error =
            |source| StoreError::Open { url: url.to_owned(), source: Box::new(source) };
        let path = (!in_memory).then(|| options.get_filename().to_owned());
        let lock = path.as_deref().map(Lock::on).transpose()?.flatten();
        let mut connection = options.connect().await.map_err(error)?;
        open::migrate(&mut connection, url).await?;
        let readers = if in_memory {
            Readers::Writer
        } else {
            let pool = open::readers(options.read_only(true)).await.map_err(error)?;
            Readers::Pool { loads: conversation_loader::start(pool.clone()), pool }
        };
        let (file, large_reads) =
            (path.as_deref().map(Watched::new), Arc::new(Semaphore::new(LARGE_READS)));
        let writer = Writer::start(connection, file.clone(), lock);
        Ok(Self { writer, readers, file, large_reads })
    }

    /// Runs `query`, which writes nothing, on what is committed.
    async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        match &self.readers {
            Readers::Pool { pool, .. } => query(&mut *pool.acquire().await?).await,
            Readers::Writer => self.writer.read(query).await,
        }
    }

    /// Runs `query`, which writes nothing, on one state of the database, whatever is committed
    /// meanwhile. Calls `capture` between two transactions of the writer while the database is in
    /// that state, so that what is in memory and changes with a commit is of the same moment.
    async fn read_with<T, F, M, C>(&self, capture: C, query: F) -> Result<(M, T), StoreError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
        M: Send + 'static,
        C: FnOnce() -> M + Send + 'static,
    {
        let Readers::Pool { pool, .. } = &self.readers else {
            let both = act(move |db| {
                let captured = capture();
                async move { Ok((captured, query(db).await?)) }.boxed()
            });
            return self.writer.read(both).await;
        };
        let mut transaction = pool.begin().await?;
        let pin = act(move |_| {
            async move {
                // A transaction sees the state in which its first statement finds the database.
                transaction.execute("SELECT only_row FROM account_numbers").await?;
                Ok((capture(), transaction))
            }
            .boxed()
        });
        let (captured, mut transaction) = self.writer.read(pin).await?;
        Ok((captured, query(&mut transaction).await?))
    }

    /// Waits for a permit to hold long texts. Its holder must not wait for another one.
    pub async fn large_read(&self) -> Option<LargeReadPermit> {
        // The semaphore is never closed.
        Arc::clone(&self.large_reads).acquire_owned().await.ok()
    }

    /// Whether the file of the database is still the one that was opened.
    pub fn check_file(&self) -> Result<(), FileLost> {
        self.file.as_ref().map_or(Ok(()), Watched::check)
    }

    /// What was committed so far.
    pub fn written(&self) -> Written {
        self.writer.written()
    }

    /// Commits what is queued and closes the database.
    pub async fn close(&self) {
        // Readers first: the last connection to be closed moves the log into the one file.
        if let Readers::Pool { pool, .. } = &self.readers {
            pool.close().await;
        }
        self.writer.close().await;
    }
}

/// Returns `function`: gives the compiler the type of a closure that is only being named.
fn act<T, F>(function: F) -> F
where
    F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
{
    function
}
