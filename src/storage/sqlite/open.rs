//! Opens the database and brings its schema up to date.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::Connection;
use crate::storage::StorageError;

/// How long a statement waits for another process that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages of 4 KiB in the log before they are moved to the database file. With SQLite's default, 1000, the
/// writer would wait for the disk several times a second.
const CHECKPOINT_PAGES: &str = "4000";
/// Connections for reading besides the writer's. More do not help, as SQLite reads from memory.
const READERS: u32 = 4;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Whether the database at `url` is in memory, so that its data is lost when it is closed.
pub fn is_in_memory(url: &str) -> bool {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    path.is_empty() || path.starts_with(":memory:") || path.contains("mode=memory")
}

pub(super) fn options(url: &str) -> Result<SqliteConnectOptions, StorageError> {
    if !url.starts_with("sqlite:") {
        return Err(StorageError::Address { url: url.to_owned() });
    }
    let options = if is_in_memory(url) {
        SqliteConnectOptions::new().in_memory(true)
    } else {
        SqliteConnectOptions::from_str(url)
            .map_err(|_| StorageError::Address { url: url.to_owned() })?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
    };
    Ok(options
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // In WAL mode a crash of the process loses nothing. A loss of power may lose the latest
        // commits, which is acceptable for a mock server.
        .synchronous(SqliteSynchronous::Normal)
        // An image from scratch has no folder for temporary files.
        .pragma("temp_store", "memory")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .disable_statement_logging())
}

/// Opens all connections for reading, with every file that they need. They stay open, because a process
/// without free file descriptors cannot open another one.
pub(super) async fn readers(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
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

pub(super) async fn migrate(connection: &mut Connection, url: &str) -> Result<(), StorageError> {
    use sqlx::migrate::MigrateError;
    MIGRATIONS.run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(step) => StorageError::Newer { url: url.to_owned(), step },
        MigrateError::Execute(source) => {
            StorageError::Open { url: url.to_owned(), source: Box::new(source) }
        }
        other => StorageError::Migrate { url: url.to_owned(), source: Box::new(other) },
    })
}
