//! The request log of an account (docs/control.md, "Request log"): list, clear, wait, stream.
//!
//! [`query`] reads parameters. [`selection`] selects entries by filters and by a [`pattern`], and makes
//! the [`report`] of those that were received instead. [`shapes`] gives entries their JSON, in which
//! [`keys`] blanks keys.

mod criterion;
mod differences;
mod keys;
mod pattern;
mod pattern_reader;
mod query;
mod report;
mod selection;
mod shapes;
mod value_pattern;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use async_stream::stream;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

pub(crate) use self::differences::{Differences, Place};
use self::keys::BlankedKeys;
pub(crate) use self::pattern::EntryPattern;
use self::query::{ListingQuery, StreamQuery, WaitQuery};
use self::report::NearestEntry;
pub(crate) use self::report::{MOST_DIFFERENCES, Report, headline, number, text};
use self::selection::Selection;
use self::shapes::EntryAnswer;
use self::waiting::{ExaminedEntries, WaitEnd};
use super::error::ControlError;
use crate::app::request_log::{Entry, EntryFilter, Follower, LogSnapshot};
use crate::app::{AccountRegistry, AccountState, WatcherPermit};
use crate::domain::error::InternalError;
use crate::http::extract::InPath;
use crate::http::response::json::Json;
use crate::http::response::pages::ListQuery;
use crate::http::secrets::Secrets;
use crate::ids::AccountId;

/// The pause after which an idle event stream sends a comment, so that proxies keep it open.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The selected entries.
#[derive(Serialize)]
struct ListingAnswer {
    /// How many are selected.
    count: usize,
    /// How many are in the log.
    kept: usize,
    /// The size of those in the log.
    bytes: usize,
    /// How many were evicted since the log was cleared.
    dropped: u64,
    /// The latest number.
    last: u64,
    requests: Vec<EntryAnswer>,
    #[serde(flatten)]
    report: Option<ReportAnswer>,
}

/// What was received, compared with the conditions.
#[derive(Serialize)]
struct ReportAnswer {
    nearest: Option<NearestEntry>,
    report: String,
}

/// The answer to a wait that found enough entries.
#[derive(Serialize)]
struct WaitAnswer {
    count: usize,
    /// How many of them were evicted before the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<usize>,
    requests: Vec<EntryAnswer>,
}

/// The answer to a wait that ended before there were enough entries.
#[derive(Serialize)]
struct WaitTimeoutAnswer {
    error: String,
    #[serde(flatten)]
    found: WaitAnswer,
    others: Vec<OtherAnswer>,
    #[serde(flatten)]
    report: ReportAnswer,
}

/// An entry that is not selected.
#[derive(Serialize)]
struct OtherAnswer {
    number: u64,
    method: String,
    path: String,
    status: Option<u16>,
    /// The first parameter by which it is not selected.
    missed: &'static str,
}

/// `GET /_mynah/accounts/{id}/requests`, oldest first.
pub(super) async fn list_requests(
    State(registry): State<Arc<AccountRegistry>>,
    State(secrets): State<Secrets>,
    InPath(id): InPath<AccountId>,
    query: ListQuery,
) -> Result<Response, ControlError> {
    let account = registry.require(&id)?;
    let query = query::listing(query, registry.routes())?;
    in_background(move || Json(listing(&account, &secrets, &query)).into_response()).await
}

/// `DELETE /_mynah/accounts/{id}/requests`: removes all entries.
pub(super) async fn clear_requests(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
) -> Result<StatusCode, ControlError> {
    registry.require(&id)?.request_log.clear();
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /_mynah/accounts/{id}/requests/wait`: answers as soon as enough entries are selected.
pub(super) async fn wait_for_requests(
    State(registry): State<Arc<AccountRegistry>>,
    State(secrets): State<Secrets>,
    InPath(id): InPath<AccountId>,
    query: ListQuery,
) -> Result<Response, ControlError> {
    let account = registry.require(&id)?;
    let query = query::wait(query, account.request_log.max_entries(), registry.routes())?;
    let permit = registry.watch(&account)?;
    let (examined, end) = waiting::wait(&account, &secrets, &query).await?;
    drop(permit);
    in_background(move || waited(&account, &secrets, &query, &examined, end)).await
}

/// Runs work on megabytes of JSON outside the threads that serve requests.
async fn in_background(
    work: impl FnOnce() -> Response + Send + 'static,
) -> Result<Response, ControlError> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(InternalError::new)?)
}

fn listing(account: &AccountState, secrets: &Secrets, query: &ListingQuery) -> ListingAnswer {
    let ListingQuery { selection, limit, report } = query;
    let (log, keys) = (account.request_log.snapshot(), BlankedKeys::of(account, Some(secrets)));
    let entries = log.entries.iter();
    let selected: Vec<_> =
        entries.filter(|entry| selection.first_unmet(entry, &keys).is_none()).collect();
    let skipped = limit.map_or(0, |limit| selected.len().saturating_sub(limit));
    let shown = selected.iter().skip(skipped).map(|entry| shapes::shown(entry, &keys));
    ListingAnswer {
        count: selected.len(),
        kept: log.entries.len(),
        bytes: log.bytes,
        dropped: log.dropped,
        last: log.last,
        requests: shown.collect(),
        report: report.then(|| reported(selection, &log, &keys)),
    }
}

fn waited(
    account: &AccountState,
    secrets: &Secrets,
    query: &WaitQuery,
    examined: &ExaminedEntries,
    end: WaitEnd,
) -> Response {
    let WaitQuery { selection, count, timeout } = query;
    let (log, keys) = (account.request_log.snapshot(), BlankedKeys::of(account, Some(secrets)));
    let selected = examined.selected.iter().filter_map(|number| log.entry(*number));
    let requests: Vec<_> = selected.map(|entry| shapes::shown(entry, &keys)).collect();
    let dropped = examined.selected.len() - requests.len();
    let found = WaitAnswer {
        count: examined.selected.len(),
        dropped: Some(dropped).filter(|dropped| *dropped > 0),
        requests,
    };
    let until = match end {
        WaitEnd::Enough => return Json(found).into_response(),
        WaitEnd::TimedOut => format!("within {timeout:?}"),
        WaitEnd::Closed => "in time".to_owned(),
    };
    let others = examined
        .others
        .iter()
        .filter_map(|(number, missed)| log.entry(*number).map(|entry| other(entry, missed, &keys)));
    let answer = WaitTimeoutAnswer {
        error: format!("{} of {count} requests came {until}", found.count),
        others: others.collect(),
        report: reported(selection, &log, &keys),
        found,
    };
    (StatusCode::REQUEST_TIMEOUT, Json(answer)).into_response()
}

fn reported(selection: &Selection, log: &LogSnapshot, keys: &BlankedKeys) -> ReportAnswer {
    let report = selection.report(&log.entries, keys);
    ReportAnswer {
        report: report.text(&selection.described(), log.dropped),
        nearest: report.into_nearest(),
    }
}

fn other(entry: &Entry, missed: &'static str, keys: &BlankedKeys) -> OtherAnswer {
    OtherAnswer {
        number: entry.number(),
        method: keys.blanked_target(&entry.request.method),
        path: keys.blanked_target(entry.path()),
        status: entry.answer.as_ref().map(|answer| answer.status),
        missed,
    }
}

/// The documents of `entries`.
pub(crate) fn documents<'e>(
    account: &AccountState,
    entries: impl IntoIterator<Item = &'e Arc<Entry>>,
) -> Vec<Value> {
    let keys = BlankedKeys::of(account, None);
    entries.into_iter().map(|entry| shapes::document(entry, &keys)).collect()
}

/// `GET /_mynah/accounts/{id}/requests/stream`: entries when they are added, as server-sent events.
pub(super) async fn stream_requests(
    State(registry): State<Arc<AccountRegistry>>,
    State(secrets): State<Secrets>,
    InPath(id): InPath<AccountId>,
    headers: HeaderMap,
    query: ListQuery,
) -> Result<Response, ControlError> {
    const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
    const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
    let account = registry.require(&id)?;
    let StreamQuery { filter, from } = query::stream(query, &headers, registry.routes())?;
    let permit = registry.watch(&account)?;
    let follower = account.request_log.follow(from);
    let headers = [(header::CONTENT_TYPE, EVENTS), (header::CACHE_CONTROL, NO_STORE)];
    Ok((headers, Body::from_stream(events(account, secrets, follower, filter, permit)))
        .into_response())
}

/// The events of a stream. The first is a comment: every entry that is added after it is sent.
fn events(
    account: Arc<AccountState>,
    secrets: Secrets,
    mut follower: Follower,
    filter: EntryFilter,
    permit: WatcherPermit,
) -> impl futures::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    stream! {
        let _permit = permit;
        yield Ok(Bytes::from_static(b": following\n\n"));
        loop {
            let update = match tokio::time::timeout(HEARTBEAT, follower.next()).await {
                Ok(Some(update)) => update,
                Ok(None) => break,
                Err(_) => {
                    yield Ok(Bytes::from_static(b": still following\n\n"));
                    continue;
                }
            };
            if update.cleared {
                yield Ok(Bytes::from_static(b"event: cleared\ndata: {}\n\n"));
            }
            if update.missed > 0 {
                let missed = update.missed;
                yield Ok(Bytes::from(format!("event: dropped\ndata: {{\"count\":{missed}}}\n\n")));
            }
            if let Some(entry) = update.entry.filter(|entry| filter.matches(entry)) {
                yield Ok(event(&entry, &BlankedKeys::of(&account, Some(&secrets))));
            }
        }
    }
}

#[expect(clippy::expect_used, reason = "strings, numbers and string-keyed maps are valid JSON")]
fn event(entry: &Entry, keys: &BlankedKeys) -> Bytes {
    let shown = shapes::shown(entry, keys);
    // serde_json writes no line breaks, so it is one line of data.
    let data = serde_json::to_string(&shown).expect("an entry is valid JSON");
    Bytes::from(format!("id: {}\nevent: request\ndata: {data}\n\n", entry.number()))
}
