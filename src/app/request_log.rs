//! The request log of an account: its latest requests with their responses, and why they were so.
//!
//! [`entry`] is the record of one request, [`trace`] collects facts that only use cases know, and
//! [`filter`] selects entries. An entry becomes visible and gets its number when its response has
//! ended, so that a client that has seen number 7 has seen all before it.
//!
//! Every request writes and few are read: bytes are stored as they arrived, and costly work (rendering,
//! blanking keys, near misses) is done by readers.

mod entry;
mod filter;
mod trace;
mod watch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch as channel;

pub use self::entry::{
    BodyExcerpt, Entry, HeaderLines, LoggedRequest, LoggedResponse, ResponseEnd, Timing, Word,
};
pub use self::filter::{EntryFilter, Since, StatusFilter, is_path};
pub use self::trace::{RequestTrace, RunRecord, ShownPrompt};
pub use self::watch::{TooManyWatchers, WatcherPermit, Watchers};
pub(crate) use crate::models::rules::{BoundedRegex, RegexError};

/// The most bytes in the request log of an account.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The latest requests of an account.
#[derive(Debug)]
pub struct RequestLog {
    /// The most entries; 0 disables the log.
    max_entries: usize,
    /// Incremented when the log is cleared. Requests that began before are not added.
    epoch: AtomicU64,
    kept: Mutex<Kept>,
    /// Clients that wait for entries or follow the log.
    watchers: Watchers,
    /// Whether more entries may come; changes wake followers.
    open: channel::Sender<bool>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Numbered without gaps, oldest first.
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// The number of the latest entry ever added.
    last: u64,
    dropped: u64,
}

/// The state of the log when a request began.
#[derive(Debug, Clone, Copy)]
pub struct LogPosition(u64);

/// The log at one moment.
#[derive(Debug)]
pub struct LogSnapshot {
    /// The entries, oldest first.
    pub entries: Vec<Arc<Entry>>,
    /// Their size in bytes.
    pub bytes: usize,
    /// The number of the latest entry ever added.
    pub last: u64,
    /// How many entries were dropped for newer ones since the log was cleared.
    pub dropped: u64,
}

impl LogSnapshot {
    /// The entry of this number, if it is in the log.
    pub fn entry(&self, number: u64) -> Option<&Arc<Entry>> {
        let first = self.entries.first()?.number();
        self.entries.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }
}

impl Kept {
    /// The entries after number `seen`.
    fn after(&self, seen: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let unseen = usize::try_from(self.last.saturating_sub(seen)).unwrap_or(usize::MAX);
        self.entries.iter().skip(self.entries.len().saturating_sub(unseen))
    }
}

impl RequestLog {
    /// An empty log of at most `max_entries` entries; 0 disables it.
    pub fn new(max_entries: usize) -> Self {
        Self {
            max_entries,
            epoch: AtomicU64::new(0),
            kept: Mutex::default(),
            watchers: Watchers::for_account(),
            open: channel::Sender::new(true),
        }
    }

    /// The most entries; 0 if the log is disabled.
    pub fn max_entries(&self) -> usize {
        self.max_entries
    }

    /// The position of a request that begins now.
    pub fn position(&self) -> LogPosition {
        LogPosition(self.epoch.load(Ordering::Acquire))
    }

    /// Adds an entry, unless the log was cleared since the request began.
    pub fn add(&self, began_at: LogPosition, entry: Entry) {
        if self.max_entries == 0 {
            return;
        }
        let mut entry = Arc::new(entry.weighed());
        let mut kept = self.kept.lock();
        if self.position().0 != began_at.0 {
            return;
        }
        kept.last += 1;
        if let Some(entry) = Arc::get_mut(&mut entry) {
            entry.number = kept.last;
        }
        kept.bytes += entry.weight();
        kept.entries.push_back(entry);
        let mut dropped = None;
        while kept.entries.len() > self.max_entries || kept.bytes > MAX_BYTES {
            let Some(oldest) = kept.entries.pop_front() else { break };
            kept.bytes -= oldest.weight();
            kept.dropped += 1;
            dropped = Some(oldest);
        }
        drop(kept);
        // Entries own many allocations: the dropped ones are freed outside the lock.
        drop(dropped);
        // A follower that starts now finds the entry.
        if self.open.receiver_count() > 0 {
            self.open.send_modify(|_| {});
        }
    }

    /// Removes all entries; requests in progress are not added. Numbers continue.
    pub fn clear(&self) {
        let mut kept = self.kept.lock();
        self.epoch.fetch_add(1, Ordering::AcqRel);
        *kept = Kept { last: kept.last, ..Kept::default() };
        drop(kept);
        self.open.send_modify(|_| {});
    }

    /// Ends all waits and followers: no more entries will come.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    /// How many entries were dropped for newer ones since the log was cleared.
    pub fn dropped(&self) -> u64 {
        self.kept.lock().dropped
    }

    /// The number of the latest entry ever added; 0 if there was none.
    pub fn last(&self) -> u64 {
        self.kept.lock().last
    }

    /// The entries at this moment.
    pub fn snapshot(&self) -> LogSnapshot {
        let kept = self.kept.lock();
        LogSnapshot {
            entries: kept.entries.iter().cloned().collect(),
            bytes: kept.bytes,
            last: kept.last,
            dropped: kept.dropped,
        }
    }

    /// A permit for a client that waits for entries or follows the log, if there is one left.
    pub fn watch(&self, of_the_server: &Watchers) -> Result<WatcherPermit, TooManyWatchers> {
        self.watchers.watch(of_the_server)
    }

    /// Follows the log after entry `seen`, or from now on.
    pub fn follow(self: &Arc<Self>, seen: Option<u64>) -> Follower {
        let open = self.open.subscribe();
        let kept = self.kept.lock();
        let seen = seen.unwrap_or(kept.last).min(kept.last);
        Follower { request_log: Arc::clone(self), open, seen, epoch: self.position().0 }
    }
}

/// Reads the log as it grows.
#[derive(Debug)]
pub struct Follower {
    request_log: Arc<RequestLog>,
    open: channel::Receiver<bool>,
    /// The number of the last entry that was read.
    seen: u64,
    epoch: u64,
}

/// A change of the log: at most one entry at a time, so that a slow reader holds no more than that in
/// addition to the log.
#[derive(Debug)]
pub struct LogUpdate {
    /// Whether the log was cleared before this entry.
    pub cleared: bool,
    /// Entries that were dropped before they were read.
    pub missed: u64,
    /// The next entry, if there is one.
    pub entry: Option<Arc<Entry>>,
}

impl Follower {
    /// Waits for the next change; `None` when no more entries will come.
    pub async fn next(&mut self) -> Option<LogUpdate> {
        loop {
            let open = *self.open.borrow_and_update();
            if let Some(update) = self.update() {
                return Some(update);
            }
            if !open || self.open.changed().await.is_err() {
                return None;
            }
        }
    }

    fn update(&mut self) -> Option<LogUpdate> {
        let kept = self.request_log.kept.lock();
        let epoch = self.request_log.position().0;
        let cleared = std::mem::replace(&mut self.epoch, epoch) != epoch;
        let entry = kept.after(self.seen).next().cloned();
        let seen = entry.as_ref().map_or(kept.last, |entry| entry.number());
        let passed = seen - self.seen;
        self.seen = seen;
        let missed = if cleared { 0 } else { passed - u64::from(entry.is_some()) };
        (cleared || passed > 0).then_some(LogUpdate { cleared, missed, entry })
    }
}

#[cfg(test)]
mod tests;
