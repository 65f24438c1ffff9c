//! The bounds of the rules and of the queue of an account.

use std::io::{self, Write};

use serde::Serialize;

use super::error::RuleError;

/// The most rules that an account has of its own.
pub const RULES: usize = 1000;
/// The most replies in the queue of an account.
const MOST: usize = 10_000;
/// The most bytes of its rules, and of the replies in its queue, each counted as the JSON that they
/// are shown as.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The number and size of rules or queued replies.
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

    /// Refuses more than an account may have; `what` names the items in the error.
    pub(super) fn within_bounds(self, what: &str) -> Result<(), RuleError> {
        if self.count > MOST {
            return Err(RuleError::new(&[], format!("an account has at most {MOST} {what}")));
        }
        if self.bytes > MOST_BYTES {
            let mib = MOST_BYTES / (1024 * 1024);
            return Err(RuleError::new(&[], format!("an account has at most {mib} MiB of {what}")));
        }
        Ok(())
    }
}

impl FromIterator<Load> for Load {
    fn from_iter<I: IntoIterator<Item = Self>>(loads: I) -> Self {
        loads.into_iter().fold(Self::default(), Self::plus)
    }
}

/// Counts the bytes that are written.
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
