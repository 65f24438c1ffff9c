//! Values that occur in several parts of a snapshot.

use chrono::{DateTime, Utc};

use crate::clock::parse_rfc3339;
use crate::domain::error::{FieldError, FieldErrorKind};

pub(super) fn time(text: &str, field: &str) -> Result<DateTime<Utc>, FieldError> {
    parse_rfc3339(text).ok_or_else(|| {
        let message = format!("{field} must be a time like 2026-03-24T09:00:00Z");
        FieldError::new(field, FieldErrorKind::BadValue, message)
    })
}

/// The most of a kind that an account can have created. Counts are stored as signed numbers; this
/// leaves room for more.
pub(super) const MOST_MADE: u64 = 1 << 62;
