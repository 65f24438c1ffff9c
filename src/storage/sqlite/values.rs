//! Values of columns, and what they are in the domain.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use crate::storage::StoreError;

/// A count or an ordinal as SQLite keeps it.
pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count or an ordinal from a column that never holds negative numbers.
pub(super) fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// `value` as JSON text.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    // Strings, numbers, arrays and string-keyed maps: nothing here can fail to be written.
    serde_json::to_string(value).unwrap_or_else(|_| serde_json::Value::Null.to_string())
}

/// `text` from JSON.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// A time as it is stored: Unix microseconds.
pub(super) fn from_micros(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
}

/// The error of a column that holds what Mynah never writes.
pub(super) fn inconsistent(
    table: &'static str,
    column: &'static str,
    id: &impl std::fmt::Display,
) -> StoreError {
    StoreError::Inconsistent { table, column, id: id.to_string() }
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        Self::Statement(Box::new(source))
    }
}
