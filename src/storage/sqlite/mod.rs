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
mod operations;
mod queries;
mod rows;
#[cfg(test)]
mod tests;
mod values;
mod writer;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{ConnectOptions as _, Executor as _};
use tokio::sync::mpsc;

use self::conversation_loader::LoadRequest;
use self::file::{Lock, WatchedFile};
pub use self::open::is_in_memory;
use self::writer::Writer;
use crate::storage::large_reads::LargeReads;
use crate::storage::{Capture, StorageError};

/// One connection to the database, inside a transaction when it writes.
type Connection = SqliteConnection;

/// An SQLite database.
#[derive(Debug)]
pub struct SqliteStorage {
    writer: Writer,
    readers: Readers,
    /// `None` in memory.
    file: Option<WatchedFile>,
    large_reads: LargeReads,
}

#[derive(Debug)]
enum Readers {
    /// A file has connections for reading, which see the committed data.
    Pool { pool: SqlitePool, loads: mpsc::Sender<LoadRequest> },
    /// In memory there is only the writer's connection.
    Writer,
}

impl SqliteStorage {
    /// Opens the database at `url`, creates it if it does not exist, and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self, StorageError> {
        let options = open::options(url)?;
        let in_memory = is_in_memory(url);
        let error = |source| StorageError::Open { url: url.to_owned(), source: Box::new(source) };
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
        let file = path.as_deref().map(WatchedFile::new);
        let writer = Writer::start(connection, file.clone(), lock);
        Ok(Self { writer, readers, file, large_reads: LargeReads::new() })
    }

    /// Runs `query`, which writes nothing, on the committed data.
    async fn read<T, F>(&self, query: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StorageError>>,
    {
        match &self.readers {
            Readers::Pool { pool, .. } => query(&mut *pool.acquire().await?).await,
            Readers::Writer => self.writer.read(query).await,
        }
    }

    /// Runs `query`, which writes nothing, on one state of the database. Calls `capture` between two
    /// transactions of the writer while the database is in that state, so that it reads the state in
    /// memory of the same moment.
    async fn read_with<T, F>(&self, capture: Capture, query: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StorageError>>,
    {
        let Readers::Pool { pool, .. } = &self.readers else {
            return self
                .writer
                .read(move |db| {
                    capture();
                    query(db)
                })
                .await;
        };
        let mut transaction = pool.begin().await?;
        let pinned = self.writer.read(move |_| {
            async move {
                // A transaction reads the state of the database at its first statement.
                transaction.execute("SELECT only_row FROM account_numbers").await?;
                capture();
                Ok(transaction)
            }
            .boxed()
        });
        let mut transaction = pinned.await?;
        query(&mut transaction).await
    }
}
