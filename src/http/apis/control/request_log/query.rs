//! Queries of the request log. Unknown parameters are refused, because a misspelt filter would select
//! everything.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;

use super::pattern::EntryPattern;
use super::selection::{MATCH, Selection};
use crate::app::request_log::{EntryFilter, Since, StatusFilter};
use crate::clock::parse_rfc3339;
use crate::domain::error::{FieldError, FieldErrorKind, FieldLocation};
use crate::domain::fault_rule::RouteTable;
use crate::http::response::pages::ListQuery;

/// The timeout of a wait whose query gives none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest timeout of a wait.
const LONGEST_TIMEOUT: Duration = Duration::from_mins(10);

/// The parameters of a listing.
pub(super) struct ListingQuery {
    pub(super) selection: Selection,
    /// Only the latest entries, at most so many.
    pub(super) limit: Option<usize>,
    /// Whether the answer has a report.
    pub(super) report: bool,
}

/// The parameters of a wait.
pub(super) struct WaitQuery {
    /// Shared with the threads that compare entries.
    pub(super) selection: Arc<Selection>,
    pub(super) count: usize,
    pub(super) timeout: Duration,
}

/// The parameters of an event stream.
pub(super) struct StreamQuery {
    pub(super) filter: EntryFilter,
    /// The number of the entry after which it begins; `None` for entries to come.
    pub(super) from: Option<u64>,
}

/// Reads a listing's query.
pub(super) fn listing(query: ListQuery, routes: &RouteTable) -> Result<ListingQuery, FieldError> {
    let (mut pattern, mut limit, mut report) = (EntryPattern::default(), None, false);
    let filter = filter(query, routes, &["limit", MATCH, "report"], |name, value| {
        match (name, value) {
            (MATCH, text) => pattern = EntryPattern::parse(text)?,
            ("report", "true") => report = true,
            ("report", "false") => report = false,
            ("report", _) => return Err(bad("report", "true or false")),
            (_, limit_text) => {
                let number = limit_text.parse();
                limit = Some(number.map_err(|_| bad("limit", "a whole number of 0 or more"))?);
            }
        }
        Ok(())
    })?;
    Ok(ListingQuery { selection: Selection { filter, pattern }, limit, report })
}

/// Reads a wait's query, for a log of at most `most` entries.
pub(super) fn wait(
    query: ListQuery,
    most: usize,
    routes: &RouteTable,
) -> Result<WaitQuery, FieldError> {
    if most == 0 {
        let message = "the journal is switched off: the server was started with --journal-max 0";
        return Err(FieldError::new("count", FieldErrorKind::NotAllowed, message)
            .in_the(FieldLocation::Query));
    }
    let (mut pattern, mut count, mut timeout) = (EntryPattern::default(), 1, DEFAULT_TIMEOUT);
    let filter = filter(query, routes, &["count", "timeout", MATCH], |name, value| {
        match name {
            MATCH => pattern = EntryPattern::parse(value)?,
            "timeout" => {
                let wanted = "a time of at most ten minutes: 5s, 500ms, 2m";
                let given = duration(value).filter(|timeout| *timeout <= LONGEST_TIMEOUT);
                timeout = given.ok_or_else(|| bad("timeout", wanted))?;
            }
            _ => {
                let number = value.parse().ok().filter(|number| (1..=most).contains(number));
                let wanted = || bad("count", &format!("a whole number from 1 to {most}"));
                count = number.ok_or_else(wanted)?;
            }
        }
        Ok(())
    })?;
    Ok(WaitQuery { selection: Arc::new(Selection { filter, pattern }), count, timeout })
}

/// Reads an event stream's query, and the position of a client that reconnects.
pub(super) fn stream(
    query: ListQuery,
    headers: &HeaderMap,
    routes: &RouteTable,
) -> Result<StreamQuery, FieldError> {
    let filter = filter(query, routes, &[], |_, _| Ok(()))?;
    let last_event = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let from = last_event.or(match filter.since {
        Some(Since::Number(number)) => Some(number),
        Some(Since::Time(_)) => Some(0),
        None => None,
    });
    Ok(StreamQuery { filter, from })
}

/// Reads the filters, and gives the parameters named in `others` to `other`.
fn filter(
    query: ListQuery,
    routes: &RouteTable,
    others: &[&str],
    mut other: impl FnMut(&str, &str) -> Result<(), FieldError>,
) -> Result<EntryFilter, FieldError> {
    let mut filter = EntryFilter::default();
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in query.parameters() {
        if seen.contains(&name) {
            return Err(wrong(&name, format!("{name} is given more than once")));
        }
        match name.as_str() {
            "method" => filter.method = Some(value),
            "route" => filter.route = Some(route(&value, routes)?),
            "path" if value.starts_with(['/', '*']) => filter.path = Some(value),
            "path" => return Err(bad("path", "a path, which begins with /")),
            "body" => filter.body = Some(value),
            "status" => filter.status = Some(status(&value)?),
            "since" => filter.since = Some(since(&value)?),
            name if others.contains(&name) => other(name, &value)?,
            name => {
                let known = ["method", "route", "path", "status", "body", "since"];
                let known = [&known, others].concat().join(", ");
                return Err(wrong(name, format!("{name} is none of {known}")));
            }
        }
        seen.push(name);
    }
    Ok(filter)
}

/// The route of this name, as entries have it.
fn route(value: &str, routes: &RouteTable) -> Result<String, FieldError> {
    let named = routes.named(value).map(|route| route.path.to_owned());
    named.ok_or_else(|| {
        let closest = routes.closest_to(value);
        bad("route", &format!("a route of the two APIs, as written there; closest: {closest}"))
    })
}

fn status(value: &str) -> Result<StatusFilter, FieldError> {
    let status = match value.strip_suffix("xx") {
        Some(digit) => {
            digit.parse().ok().filter(|digit| (1..=5).contains(digit)).map(StatusFilter::Begins)
        }
        None => value.parse().ok().filter(|it| (100..=999).contains(it)).map(StatusFilter::Is),
    };
    status.ok_or_else(|| bad("status", "a status, or 2xx, 4xx and so on"))
}

fn since(value: &str) -> Result<Since, FieldError> {
    let number = value.parse().ok().map(Since::Number);
    let since = number.or_else(|| parse_rfc3339(value).map(Since::Time));
    since.ok_or_else(|| bad("since", "the number of a request or a time like 2026-03-24T09:00:00Z"))
}

/// `5s`, `500ms`, `2m`; a number alone is seconds.
fn duration(value: &str) -> Option<Duration> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number = digits.parse().ok()?;
    match value.get(digits.len()..)? {
        "ms" => Some(Duration::from_millis(number)),
        "s" | "" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}

fn bad(name: &str, wanted: &str) -> FieldError {
    wrong(name, format!("{name} must be {wanted}"))
}

fn wrong(name: &str, message: String) -> FieldError {
    FieldError::new(name, FieldErrorKind::BadValue, message).in_the(FieldLocation::Query)
}
