//! Waits until the request log has entries that a query selects.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::keys::BlankedKeys;
use super::query::WaitQuery;
use super::selection::Selection;
use crate::app::AccountState;
use crate::app::request_log::Entry;
use crate::domain::error::InternalError;
use crate::http::secrets::Secrets;

/// How many of the latest entries that do not match an answer names.
const MOST_OTHERS: usize = 20;

/// The numbers of the entries that were examined during a wait. Only the log holds the entries, within
/// its bounds.
#[derive(Debug, Default)]
pub(super) struct ExaminedEntries {
    pub(super) selected: Vec<u64>,
    /// The latest of the others, each with the first parameter by which it is not selected.
    pub(super) others: VecDeque<(u64, &'static str)>,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitEnd {
    /// There are enough entries.
    Enough,
    /// The time is over.
    TimedOut,
    /// The account was removed or the server stops.
    Closed,
}

/// Examines the entries of the log, and those to come, until the query's count of them is selected.
pub(super) async fn wait(
    account: &Arc<AccountState>,
    secrets: &Secrets,
    query: &WaitQuery,
) -> Result<(ExaminedEntries, WaitEnd), InternalError> {
    let WaitQuery { selection, count, timeout } = query;
    let (deadline, mut last_in_time) = (Instant::now() + *timeout, None);
    let (mut examined, mut follower) =
        (ExaminedEntries::default(), account.request_log.follow(Some(0)));
    while examined.selected.len() < *count {
        // After the deadline this still gives the entries that the log has.
        let update = match timeout_at(deadline, follower.next()).await {
            Ok(Some(update)) => update,
            Ok(None) => return Ok((examined, WaitEnd::Closed)),
            Err(_) => return Ok((examined, WaitEnd::TimedOut)),
        };
        if update.cleared {
            examined = ExaminedEntries::default();
        }
        let Some(entry) = update.entry else { continue };
        if Instant::now() >= deadline {
            let last = last_in_time.get_or_insert_with(|| account.request_log.last());
            if entry.number() > *last {
                return Ok((examined, WaitEnd::TimedOut));
            }
        }
        let number = entry.number();
        match first_unmet(account, secrets, selection, entry).await? {
            None => examined.selected.push(number),
            Some(missed) => examined.others.push_back((number, missed)),
        }
        if examined.others.len() > MOST_OTHERS {
            examined.others.pop_front();
        }
    }
    Ok((examined, WaitEnd::Enough))
}

/// The first parameter by which `entry` is not selected.
async fn first_unmet(
    account: &Arc<AccountState>,
    secrets: &Secrets,
    selection: &Arc<Selection>,
    entry: Arc<Entry>,
) -> Result<Option<&'static str>, InternalError> {
    let missed = selection.filter.first_unmet(&entry);
    if missed.is_some() || selection.pattern.is_empty() {
        return Ok(missed);
    }
    let keys = BlankedKeys::of(account, Some(secrets));
    let selection = Arc::clone(selection);
    let matching = spawn_blocking(move || selection.first_unmet(&entry, &keys));
    matching.await.map_err(InternalError::new)
}
