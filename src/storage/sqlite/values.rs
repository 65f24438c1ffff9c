//! Converts values of columns to domain types and back.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use crate::storage::StorageError;

/// A count or an ordinal as SQLite stores it. A bound above the largest integer is above all rows.
pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// `value` as JSON text.
#[expect(clippy::expect_used, reason = "what is stored is texts, numbers, lists and maps of texts")]
pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("every stored value can be written as JSON")
}

/// Parses JSON text.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// A time as it is stored: Unix microseconds.
pub(super) fn from_micros(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
}

/// The error of a column with a value that Mynah never writes.
pub(super) fn inconsistent(
    table: &'static str,
    column: &'static str,
    id: &impl std::fmt::Display,
) -> StorageError {
    StorageError::Inconsistent { table, column, id: id.to_string() }
}

impl From<sqlx::Error> for StorageError {
    fn from(source: sqlx::Error) -> Self {
        match source {
            sqlx::Error::RowNotFound => Self::NotFound,
            sqlx::Error::PoolClosed => Self::Closed,
            source => Self::Statement(Box::new(source)),
        }
    }
}
