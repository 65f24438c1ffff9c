//! Times as text.

use chrono::{DateTime, SecondsFormat, Utc};

/// Formats a time as `2026-03-24T09:00:00Z`: RFC 3339, UTC, whole seconds, as in every sample of the
/// documents.
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Formats a time to the nanosecond: `2026-03-24T09:00:00.25Z`.
pub fn exact_rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Parses an RFC 3339 time with any offset.
pub fn parse_rfc3339(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}
