//! Why storage could not be opened, read or written.

use thiserror::Error;

/// Why the database could not be opened, read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Not a database URL that Mynah knows.
    #[error("`{url}` is no SQLite address; write sqlite://FILE or sqlite::memory:")]
    Address {
        /// The URL as given.
        url: String,
    },
    /// The file cannot be opened as a database.
    #[error("cannot open the database {url}")]
    Open {
        /// The URL of the database.
        url: String,
        /// The error of SQLite.
        source: DatabaseError,
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
        /// The URL of the database.
        url: String,
        /// The first unknown migration.
        step: i64,
    },
    /// The schema could not be brought up to date.
    #[error("cannot bring the database {url} up to date")]
    Migrate {
        /// The URL of the database.
        url: String,
        /// The error of the migration.
        source: DatabaseError,
    },
    /// A statement failed.
    #[error("a statement failed")]
    Statement(#[source] DatabaseError),
    /// A row has a value that Mynah never writes.
    #[error("invalid value in {table}.{column} of `{id}`")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The id of the row.
        id: String,
    },
    /// A row that was read before does not exist any more.
    #[error("a row that was read before does not exist any more")]
    NotFound,
    /// A conversation could not be read.
    #[error("the database could not be read: {0}")]
    NotRead(String),
    /// The transaction of this write could not be committed.
    #[error("the transaction was not committed: {0}")]
    NotCommitted(String),
    /// The write panicked and was undone.
    #[error("a write panicked")]
    Panicked,
    /// The database is being closed.
    #[error("the database is being closed")]
    Closed,
    /// Writes would be lost.
    #[error(transparent)]
    FileLost(#[from] FileLost),
}

/// An error of the database driver.
pub type DatabaseError = Box<dyn std::error::Error + Send + Sync>;

/// The file of an open database was deleted, replaced or cannot be reached.
#[derive(Debug, Error)]
#[error("the database file {path} {what}: what is written would be lost")]
pub struct FileLost {
    /// The database or its log.
    pub(super) path: String,
    pub(super) what: String,
}
