//! All SQL, and nothing else: `sqlx` is spelt under this folder only.
//!
//! [`Store`] opens the database and gives two ways in. [`Store::write`] queues an act for the one
//! writer (see [`writer`]), which commits whatever has queued up together; its answer comes after
//! the commit. [`Store::read`] runs beside it. What most requests come to has ways of its own, on
//! which many are seen to at a time: [`Store::post`] for charges and turns ([`postings`]),
//! [`Store::find`] for a conversation that is gone on with ([`conversation_loader`]). The functions in the sibling modules take a
//! [`Connection`], the owner (account row) and arguments, and return domain types.

pub mod accounts;
pub mod agents;
mod conversation_loader;
pub mod conversations;
mod file;
pub mod images;
pub mod listing;
pub mod messages;
mod postings;
mod rows;
pub mod snapshots;
mod writer;

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Executor as _};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

pub use self::conversation_loader::{
    ConversationContext, ConversationKey, History, LONGEST_HISTORY, RecentMessage,
};
use self::conversation_loader::{Finding, FoundRow};
pub use self::file::FileLost;
use self::file::{Lock, Watched};
pub use self::postings::{Drawn, Posted, Posting, WholeTurn};
pub use self::rows::{BATCH, BATCH_LENGTH, Listed};
use self::writer::Writer;
pub use self::writer::Written;

/// One connection to the database, inside a transaction when it writes.
pub type Connection = SqliteConnection;

/// The row of an account: the owner that every function here takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey(i64);

/// A place among those who hold long texts.
pub type Held = OwnedSemaphorePermit;

/// A page of a list: how many to skip, how many to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageWindow {
    /// Items before the page.
    pub skip: u64,
    /// Items on the page.
    pub take: u64,
}

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// How long a statement waits for another process that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages in the log, of 4 KiB each, that are put into the database file together: a thousand, as is
/// usual, would have the one writer wait for the disk several times a second.
const PAGES_IN_THE_LOG: &str = "4000";
/// How many may read long texts at a time: megabytes, which are in memory several times over until
/// they are answered.
const LARGE_READS: usize = 4;
/// Connections for reading beside the writer: SQLite answers from memory, more do not help.
const READERS: u32 = 4;

/// Why the database could not be opened, read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Not a database URL that Mynah knows.
    #[error("`{url}` is no SQLite address; write sqlite://FILE or sqlite::memory:")]
    Address {
        /// What was given.
        url: String,
    },
    /// The file cannot be opened as a database.
    #[error("cannot open the database {url}")]
    Open {
        /// The address.
        url: String,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// Another server has the file open.
    #[error("the database {path} is in use by another Mynah")]
    InUse {
        /// The file.
        path: String,
    },
    /// The file holds migrations that this version does not know.
    #[error("the database {url} was made by a newer Mynah (its schema has step {step})")]
    Newer {
        /// The address.
        url: String,
        /// The first unknown migration.
        step: i64,
    },
    /// The schema could not be brought up to date.
    #[error("cannot bring the database {url} up to date")]
    Migrate {
        /// The address.
        url: String,
        /// What went wrong.
        source: Box<sqlx::migrate::MigrateError>,
    },
    /// A statement failed.
    #[error("a statement failed")]
    Statement(#[source] sqlx::Error),
    /// A row holds what Mynah never writes.
    #[error("nonsense in {table}.{column} of `{id}`")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Which row.
        id: String,
    },
    /// What was sought could not be read.
    #[error("the database could not be read: {0}")]
    NotRead(String),
    /// The transaction that held this act could not be committed.
    #[error("the transaction was not committed: {0}")]
    NotCommitted(String),
    /// The act panicked, and was undone.
    #[error("an act of the store panicked")]
    Panicked,
    /// The store is closing.
    #[error("the database is being closed")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        Self::Statement(source)
    }
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    writer: Writer,
    readers: Readers,
    /// None in memory.
    file: Option<Watched>,
    large_reads: Arc<Semaphore>,
}

#[derive(Debug, Clone)]
enum Readers {
    /// A file: connections of their own, which see what is committed.
    Pool { pool: SqlitePool, findings: mpsc::Sender<Finding> },
    /// In memory there is only one connection, the writer's: reads queue up with the writes.
    Writer,
}

impl Store {
    /// Opens (and makes, if need be) the database at `url`, and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let options = options(url)?;
        let in_memory = is_in_memory(url);
        let open = |source| StoreError::Open { url: url.to_owned(), source };
        let path = (!in_memory).then(|| options.get_filename().to_owned());
        let lock = path.as_deref().map(Lock::on).transpose()?.flatten();
        let mut connection = options.connect().await.map_err(open)?;
        migrate(&mut connection, url).await?;
        let readers = if in_memory {
            Readers::Writer
        } else {
            let pool = readers(options.read_only(true)).await.map_err(open)?;
            Readers::Pool { findings: conversation_loader::start(pool.clone()), pool }
        };
        let (file, large_reads) =
            (path.as_deref().map(Watched::new), Arc::new(Semaphore::new(LARGE_READS)));
        let writer = Writer::start(connection, file.clone(), lock);
        Ok(Self { writer, readers, file, large_reads })
    }

    /// Runs `act` in a transaction of the one writer; returns after the commit.
    pub async fn write<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        self.writer.run(act).await
    }

    /// The same, and calls `after_commit` with the result when it is committed, before anything else
    /// is written. It is not called where the act or the commit fails, and whether the
    /// caller still waits makes no difference.
    pub async fn write_then<T, F, A>(&self, act: F, after_commit: A) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
        A: FnOnce(&T) + Send + 'static,
    {
        self.writer.run_then(act, Some(Box::new(after_commit))).await
    }

    /// Stores `posting` whole or not at all; returns after the commit.
    pub async fn post<P: Posting>(&self, posting: P) -> Result<Posted<P>, StoreError> {
        self.writer.post(posting).await
    }

    /// Runs `look`, which writes nothing, on what is committed.
    pub async fn read<T, F>(&self, look: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        match &self.readers {
            Readers::Pool { pool, .. } => look(&mut *pool.acquire().await?).await,
            Readers::Writer => self.writer.look(look).await,
        }
    }

    /// The conversation that is `sought`, with what a model is shown of it.
    pub async fn find(
        &self,
        sought: ConversationKey,
    ) -> Result<Option<ConversationContext>, StoreError> {
        let owner = sought.owner;
        let (answer, found) = oneshot::channel();
        let finding = Finding { sought, answer };
        match &self.readers {
            Readers::Pool { findings, .. } => {
                findings.send(finding).await.map_err(|_| StoreError::Closed)?;
            }
            Readers::Writer => self.writer.find(finding).await?,
        }
        let found = found.await.map_err(|_| StoreError::Closed)??;
        let Some(found) = found.map(FoundRow::parsed).transpose()? else { return Ok(None) };
        if found.is_whole() {
            return found.into_domain().map(Some);
        }
        let held = self.large().await;
        let complete = act(move |db| async move { found.completed(db, owner).await }.boxed());
        let found = self.read(complete).await?;
        Ok(Some(ConversationContext { held, ..found }))
    }

    /// A place among those who read long texts, as soon as there is one. Whoever has one must not
    /// wait for another.
    pub async fn large(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.large_reads).acquire_owned().await.ok()
    }

    /// Runs `look`, which writes nothing, on one state of the database, whatever is committed
    /// meanwhile, and calls `capture` between two transactions of the writer when the database is in
    /// that state: what is kept in memory and changes with a commit is then as of the same moment.
    pub async fn read_at_once<T, F, M, C>(&self, capture: C, look: F) -> Result<(M, T), StoreError>
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
                async move { Ok((captured, look(db).await?)) }.boxed()
            });
            return self.writer.look(both).await;
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
        let (captured, mut transaction) = self.writer.look(pin).await?;
        Ok((captured, look(&mut transaction).await?))
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
        // Readers first: the last connection to go puts everything into the one file.
        if let Readers::Pool { pool, .. } = &self.readers {
            pool.close().await;
        }
        self.writer.close().await;
    }
}

/// `act` itself: tells the compiler that a closure is meant for [`Store::write`] or
/// [`Store::read`], which it cannot see where the closure is only being named.
pub fn act<T, F>(act: F) -> F
where
    F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
{
    act
}

/// Whether the database at `url` is forgotten when it is closed.
pub fn is_in_memory(url: &str) -> bool {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    path.is_empty() || path.starts_with(":memory:") || path.contains("mode=memory")
}

fn options(url: &str) -> Result<SqliteConnectOptions, StoreError> {
    if !url.starts_with("sqlite:") {
        return Err(StoreError::Address { url: url.to_owned() });
    }
    let options = if is_in_memory(url) {
        SqliteConnectOptions::new().in_memory(true)
    } else {
        SqliteConnectOptions::from_str(url)
            .map_err(|_| StoreError::Address { url: url.to_owned() })?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
    };
    Ok(options
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // In WAL mode this loses nothing to a crash of the process; only a loss of power may
        // take the last commits with it, which a stand-in server can bear.
        .synchronous(SqliteSynchronous::Normal)
        // An image from scratch has no folder for temporary files.
        .pragma("temp_store", "memory")
        .pragma("wal_autocheckpoint", PAGES_IN_THE_LOG)
        .disable_statement_logging())
}

/// Opens all connections for reading, with every file that they need. They stay open: a process that
/// has run out of file descriptors could not open another one.
async fn readers(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let pool = SqlitePoolOptions::new()
        .max_connections(READERS)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(options);
    let mut opened = Vec::new();
    for _ in 0..READERS {
        let mut connection = pool.acquire().await?;
        // SQLite opens the log (WAL) of a database with the first read.
        sqlx::query("SELECT COUNT(*) FROM sqlite_schema").execute(&mut *connection).await?;
        opened.push(connection);
    }
    Ok(pool)
}

async fn migrate(connection: &mut Connection, url: &str) -> Result<(), StoreError> {
    use sqlx::migrate::MigrateError;
    MIGRATIONS.run_direct(None, connection, false).await.map_err(|fault| match fault {
        MigrateError::VersionMissing(step) => StoreError::Newer { url: url.to_owned(), step },
        MigrateError::Execute(source) => StoreError::Open { url: url.to_owned(), source },
        other => StoreError::Migrate { url: url.to_owned(), source: Box::new(other) },
    })
}

/// A count or an ordinal as SQLite keeps it.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count or an ordinal out of a row that never holds negative ones.
fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn json(value: &impl serde::Serialize) -> String {
    // Strings, numbers, arrays and string-keyed maps: nothing here can fail to be written.
    serde_json::to_string(value).unwrap_or_else(|_| Value::Null.to_string())
}

fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// A time as it is kept: Unix seconds.
fn from_unix(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

fn inconsistent(
    table: &'static str,
    column: &'static str,
    id: &impl std::fmt::Display,
) -> StoreError {
    StoreError::Inconsistent { table, column, id: id.to_string() }
}
