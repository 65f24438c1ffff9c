//! The journal of an account: its latest requests, what became of them and why.
//!
//! [`entry`] is what is kept of one request, [`notes`] is where services write down what only they
//! know while they answer, [`filter`] picks entries. An entry becomes visible when its answer has
//! ended; it gets its number then, so that who has seen number 7 has seen all before it.
//!
//! Writing is on every request's way and reading is not: bytes are kept as they came, and whatever
//! can wait (rendering, blanking of keys, looking for rules that just missed) is left to readers.

mod entry;
mod filter;
mod notes;
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
pub use self::notes::{RequestTrace, ShownPrompt};
pub use self::watch::{TooManyWatchers, WatcherPermit, Watchers};

/// The most bytes that an account's journal holds, whatever the number of its entries.
pub const MOST_BYTES: usize = 8 * 1024 * 1024;

/// One account's latest requests.
#[derive(Debug)]
pub struct RequestLog {
    /// The most entries; 0 switches it off.
    most: usize,
    /// Goes up whenever the journal is cleared: requests of an older one are not kept.
    epoch: AtomicU64,
    kept: Mutex<Kept>,
    /// Those who wait for entries or follow it.
    watchers: Watchers,
    /// Whether more entries may come; it also wakes followers.
    open: channel::Sender<bool>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Numbered without a gap, oldest first.
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// The number of the latest entry there ever was.
    last: u64,
    dropped: u64,
}

/// A request's place in a journal, from when its account is known.
#[derive(Debug, Clone, Copy)]
pub struct LogPosition(u64);

/// A journal as it is.
#[derive(Debug)]
pub struct LogSnapshot {
    /// What it holds, oldest first.
    pub entries: Vec<Arc<Entry>>,
    /// What that weighs, in bytes.
    pub bytes: usize,
    /// The number of the latest entry there ever was.
    pub last: u64,
    /// How many entries made place for others since the journal was cleared.
    pub dropped: u64,
}

impl LogSnapshot {
    /// The entry of this number, if the journal holds it.
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
    /// An empty journal of at most `most` entries; 0 switches it off.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            epoch: AtomicU64::new(0),
            kept: Mutex::default(),
            watchers: Watchers::of_an_account(),
            open: channel::Sender::new(true),
        }
    }

    /// The most entries that it holds; 0 when it is switched off.
    pub fn most(&self) -> usize {
        self.most
    }

    /// The place of a request that comes now.
    pub fn ticket(&self) -> LogPosition {
        LogPosition(self.epoch.load(Ordering::Acquire))
    }

    /// Adds what became of a request, unless the journal was cleared since it came.
    pub fn add(&self, ticket: LogPosition, entry: Entry) {
        if self.most == 0 {
            return;
        }
        let mut entry = Arc::new(entry.weighed());
        let mut kept = self.kept.lock();
        if self.ticket().0 != ticket.0 {
            return;
        }
        kept.last += 1;
        if let Some(entry) = Arc::get_mut(&mut entry) {
            entry.number = kept.last;
        }
        kept.bytes += entry.weight();
        kept.entries.push_back(entry);
        let mut gone = None;
        while kept.entries.len() > self.most || kept.bytes > MOST_BYTES {
            let Some(oldest) = kept.entries.pop_front() else { break };
            kept.bytes -= oldest.weight();
            kept.dropped += 1;
            gone = Some(oldest);
        }
        drop(kept);
        // It is in many pieces: as a rule there is one, which is dropped where nobody waits for it.
        drop(gone);
        // Who begins to follow now finds the entry.
        if self.open.receiver_count() > 0 {
            self.open.send_modify(|_| {});
        }
    }

    /// Forgets everything, also the requests that are still being answered. Numbers go on.
    pub fn clear(&self) {
        let mut kept = self.kept.lock();
        self.epoch.fetch_add(1, Ordering::AcqRel);
        *kept = Kept { last: kept.last, ..Kept::default() };
        drop(kept);
        self.open.send_modify(|_| {});
    }

    /// Ends the wait of whoever follows it: nothing more will come.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    /// How many entries made place for others since it was cleared.
    pub fn dropped(&self) -> u64 {
        self.kept.lock().dropped
    }

    /// What it holds.
    pub fn look(&self) -> LogSnapshot {
        let kept = self.kept.lock();
        LogSnapshot {
            entries: kept.entries.iter().cloned().collect(),
            bytes: kept.bytes,
            last: kept.last,
            dropped: kept.dropped,
        }
    }

    /// A place for one more client that waits for entries or follows it, if there is one.
    pub fn watch(&self, of_the_server: &Watchers) -> Result<WatcherPermit, TooManyWatchers> {
        self.watchers.watch(of_the_server)
    }

    /// Follows it from after entry `seen`; from now on without.
    pub fn follow(self: &Arc<Self>, seen: Option<u64>) -> Follower {
        let open = self.open.subscribe();
        let kept = self.kept.lock();
        let seen = seen.unwrap_or(kept.last).min(kept.last);
        Follower { request_log: Arc::clone(self), open, seen, epoch: self.ticket().0 }
    }
}

/// Reads a journal on as it is written.
#[derive(Debug)]
pub struct Follower {
    request_log: Arc<RequestLog>,
    open: channel::Receiver<bool>,
    /// The number of the latest entry that was read.
    seen: u64,
    epoch: u64,
}

/// What was written since a follower last read: at most one entry at a time, so that a slow reader
/// holds no more than that beyond the journal's bounds.
#[derive(Debug)]
pub struct LogUpdate {
    /// The journal was cleared before this entry came.
    pub cleared: bool,
    /// Entries that came and made place for others before they were read.
    pub missed: u64,
    /// The next entry, if there is one.
    pub entry: Option<Arc<Entry>>,
}

impl Follower {
    /// What is new, as soon as there is something; nothing once nothing more will come.
    pub async fn next(&mut self) -> Option<LogUpdate> {
        loop {
            let open = *self.open.borrow_and_update();
            if let Some(news) = self.news() {
                return Some(news);
            }
            if !open || self.open.changed().await.is_err() {
                return None;
            }
        }
    }

    fn news(&mut self) -> Option<LogUpdate> {
        let kept = self.request_log.kept.lock();
        let epoch = self.request_log.ticket().0;
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
