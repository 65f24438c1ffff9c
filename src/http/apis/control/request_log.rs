//! The request log of an account (docs/control.md, "Request log"): list, clear, wait, stream.
//!
//! [`query`] reads filters, [`shapes`] is how entries look in JSON, [`keys`] blanks keys
//! in them.

mod keys;
mod query;
mod shapes;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_stream::stream;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use self::keys::BlankedKeys;
use self::query::{FeedQuery, ListingQuery, WaitQuery};
use self::shapes::EntryAnswer;
use super::error::ControlError;
use crate::app::request_log::{Entry, EntryFilter, Follower};
use crate::app::{AccountRegistry, AccountState, WatcherPermit};
use crate::domain::error::InternalError;
use crate::http::extract::InPath;
use crate::http::response::json::Json;
use crate::http::response::pages::ListQuery;
use crate::http::secrets::Secrets;
use crate::ids::AccountId;

/// How often a quiet feed says that it is still there: often enough for proxies.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How many of the requests that came instead are named to who waited for others in vain.
const MOST_OTHERS: usize = 20;

/// The entries that a listing selects.
#[derive(Serialize)]
struct ListingAnswer {
    /// How many entries are like that.
    count: usize,
    /// How many entries there are.
    kept: usize,
    /// What they weigh.
    bytes: usize,
    /// How many made place for others.
    dropped: u64,
    /// The number of the latest.
    last: u64,
    requests: Vec<EntryAnswer>,
}

/// What was waited for.
#[derive(Serialize)]
struct WaitAnswer {
    count: usize,
    /// How many of them made place for others before the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<usize>,
    requests: Vec<EntryAnswer>,
}

/// What came instead.
#[derive(Serialize)]
struct InVainAnswer {
    error: String,
    count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<usize>,
    requests: Vec<EntryAnswer>,
    others: Vec<OtherAnswer>,
}

/// A request that is not like the ones waited for.
#[derive(Serialize)]
struct OtherAnswer {
    number: u64,
    method: String,
    path: String,
    status: Option<u16>,
    /// The first filter that does not take it.
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
    let ListingQuery { filter, limit } = query::listing(query, registry.routes())?;
    let render = move || {
        let (look, keys) = (account.request_log.look(), BlankedKeys::of(&account, Some(&secrets)));
        let picked: Vec<_> = look.entries.iter().filter(|entry| filter.takes(entry)).collect();
        let shown = picked.iter().skip(picked.len().saturating_sub(limit.unwrap_or(usize::MAX)));
        Json(ListingAnswer {
            count: picked.len(),
            kept: look.entries.len(),
            bytes: look.bytes,
            dropped: look.dropped,
            last: look.last,
            requests: shown.map(|entry| shapes::shown(entry, &keys)).collect(),
        })
        .into_response()
    };
    // Megabytes of JSON are no work for a thread that others wait for.
    let rendered = tokio::task::spawn_blocking(render).await;
    Ok(rendered.map_err(InternalError::new)?)
}

/// `DELETE /_mynah/accounts/{id}/requests`: forgets what came until now.
pub(super) async fn clear_requests(
    State(registry): State<Arc<AccountRegistry>>,
    InPath(id): InPath<AccountId>,
) -> Result<StatusCode, ControlError> {
    registry.require(&id)?.request_log.clear();
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /_mynah/accounts/{id}/requests/wait`: answers as soon as so many have come.
pub(super) async fn wait_for_requests(
    State(registry): State<Arc<AccountRegistry>>,
    State(secrets): State<Secrets>,
    InPath(id): InPath<AccountId>,
    query: ListQuery,
) -> Result<Response, ControlError> {
    let account = registry.require(&id)?;
    let WaitQuery { filter, count, timeout } =
        query::wait(query, account.request_log.most(), registry.routes())?;
    let watch = registry.watch(&account)?;
    let mut came = NewEntries::default();
    let all_came = came.collect(account.request_log.follow(Some(0)), &filter, count);
    let timed_out = tokio::time::timeout(timeout, all_came).await.is_err();
    drop(watch);
    let (keys, look) = (BlankedKeys::of(&account, Some(&secrets)), account.request_log.look());
    let entry = |number: &u64| look.entry(*number);
    let shown = came.wanted.iter().filter_map(entry).map(|entry| shapes::shown(entry, &keys));
    let (came_to, requests) = (came.wanted.len(), shown.collect::<Vec<_>>());
    let dropped = Some(came_to - requests.len()).filter(|dropped| *dropped > 0);
    if came_to >= count {
        return Ok(Json(WaitAnswer { count: came_to, dropped, requests }).into_response());
    }
    let until = if timed_out { format!("within {timeout:?}") } else { "in time".to_owned() };
    let others = came.others.iter();
    let others = others.filter_map(|(number, missed)| Some((entry(number)?, *missed)));
    let in_vain = InVainAnswer {
        error: format!("{came_to} of {count} requests came {until}"),
        count: came_to,
        dropped,
        requests,
        others: others.map(|(entry, missed)| other(entry, missed, &keys)).collect(),
    };
    Ok((StatusCode::REQUEST_TIMEOUT, Json(in_vain)).into_response())
}

/// `entries` as they look in JSON, without keys.
pub(crate) fn documents<'e>(
    account: &AccountState,
    entries: impl IntoIterator<Item = &'e Arc<Entry>>,
) -> Vec<Value> {
    let keys = BlankedKeys::of(account, None);
    // Strings, numbers and string-keyed maps: nothing here can fail to be written.
    let document = |entry: &Arc<Entry>| serde_json::to_value(shapes::shown(entry, &keys));
    entries.into_iter().map(|entry| document(entry).unwrap_or_default()).collect()
}

/// The numbers of the entries that came while a client waited. Only the log keeps the entries, within
/// its bounds.
#[derive(Default)]
struct NewEntries {
    wanted: Vec<u64>,
    /// The latest of the others, with the first filter that does not take each.
    others: VecDeque<(u64, &'static str)>,
}

impl NewEntries {
    /// Reads until `count` entries came that `filter` takes, or nothing more will come.
    async fn collect(&mut self, mut follower: Follower, filter: &EntryFilter, count: usize) {
        while self.wanted.len() < count
            && let Some(news) = follower.next().await
        {
            if news.cleared {
                *self = Self::default();
            }
            if let Some(entry) = news.entry {
                match filter.missed_by(&entry) {
                    None => self.wanted.push(entry.number()),
                    Some(missed) => self.others.push_back((entry.number(), missed)),
                }
            }
            if self.others.len() > MOST_OTHERS {
                self.others.pop_front();
            }
        }
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

/// `GET /_mynah/accounts/{id}/requests/stream`: entries as they come, as server-sent events.
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
    let FeedQuery { filter, from } = query::feed(query, &headers, registry.routes())?;
    let watch = registry.watch(&account)?;
    let follower = account.request_log.follow(from);
    let headers = [(header::CONTENT_TYPE, EVENTS), (header::CACHE_CONTROL, NO_STORE)];
    Ok((headers, Body::from_stream(events(account, secrets, follower, filter, watch)))
        .into_response())
}

/// The events of a feed. A comment comes first: whoever has read it misses nothing from then on.
fn events(
    account: Arc<AccountState>,
    secrets: Secrets,
    mut follower: Follower,
    filter: EntryFilter,
    watch: WatcherPermit,
) -> impl futures::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    stream! {
        let _watch = watch;
        yield Ok(Bytes::from_static(b": following\n\n"));
        loop {
            let news = match tokio::time::timeout(HEARTBEAT, follower.next()).await {
                Ok(Some(news)) => news,
                Ok(None) => break,
                Err(_) => {
                    yield Ok(Bytes::from_static(b": still following\n\n"));
                    continue;
                }
            };
            if news.cleared {
                yield Ok(Bytes::from_static(b"event: cleared\ndata: {}\n\n"));
            }
            if news.missed > 0 {
                let missed = news.missed;
                yield Ok(Bytes::from(format!("event: dropped\ndata: {{\"count\":{missed}}}\n\n")));
            }
            if let Some(entry) = news.entry.filter(|entry| filter.takes(entry)) {
                yield Ok(event(&entry, &BlankedKeys::of(&account, Some(&secrets))));
            }
        }
    }
}

fn event(entry: &Entry, keys: &BlankedKeys) -> Bytes {
    let shown = shapes::shown(entry, keys);
    // What serde_json writes has no line end, so it is one line of data.
    let data = serde_json::to_string(&shown).unwrap_or_default();
    Bytes::from(format!("id: {}\nevent: request\ndata: {data}\n\n", entry.number()))
}
