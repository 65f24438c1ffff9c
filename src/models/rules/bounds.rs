//! How much an account may be told at run time: its own rules, and its queue.

use std::io::{self, Write};

use serde::Serialize;

use super::compile::RuleError;
use super::compile::fault_at;

/// The most rules of an account, and the most replies in its queue.
const MOST: usize = 10_000;
/// The most bytes of its rules, and of the replies in its queue, each counted as the JSON that they
/// are shown as.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Rules or queued replies: how many, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Load {
    /// One rule or reply.
    pub(super) fn of(item: &impl Serialize) -> Self {
        let mut counter = Counter(0);
        // Strings, numbers, arrays and string-keyed maps: nothing here can fail to be written.
        let _ = serde_json::to_writer(&mut counter, item);
        Self { count: 1, bytes: counter.0 }
    }

    pub(super) fn plus(self, more: Self) -> Self {
        Self { count: self.count + more.count, bytes: self.bytes + more.bytes }
    }

    pub(super) fn minus(self, less: Self) -> Self {
        Self {
            count: self.count.saturating_sub(less.count),
            bytes: self.bytes.saturating_sub(less.bytes),
        }
    }

    /// Refuses what is more than an account may have of `what`.
    pub(super) fn within_bounds(self, what: &str) -> Result<(), RuleError> {
        if self.count > MOST {
            return Err(fault_at(&[], format!("an account has at most {MOST} {what}")));
        }
        if self.bytes > MOST_BYTES {
            let mib = MOST_BYTES / (1024 * 1024);
            return Err(fault_at(&[], format!("an account has at most {mib} MiB of {what}")));
        }
        Ok(())
    }
}

impl FromIterator<Load> for Load {
    fn from_iter<I: IntoIterator<Item = Self>>(loads: I) -> Self {
        loads.into_iter().fold(Self::default(), Self::plus)
    }
}

/// Counts what is written.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
