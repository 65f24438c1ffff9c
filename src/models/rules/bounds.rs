//! Bounds on the rules and on the queue of an account.

use std::io::{self, Write};

use serde::Serialize;

use super::error::RuleError;

/// The number of rules that an account can have of its own.
pub const MAX_RULES: usize = 1000;
/// The number of replies that the queue of an account can hold.
const MAX_ITEMS: usize = 10_000;
/// The bytes that the rules of an account can take as JSON; its queue can take as many.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The number and size of rules or queued replies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ListSize {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl ListSize {
    /// One rule or reply.
    pub(super) fn of(item: &impl Serialize) -> Self {
        let mut counter = ByteCounter(0);
        // Strings, numbers, arrays and maps with string keys can always be serialized.
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

    /// An error if the bounds are exceeded; `what` names the items in its message.
    pub(super) fn within_bounds(self, what: &str) -> Result<(), RuleError> {
        if self.count > MAX_ITEMS {
            return Err(RuleError::new(&[], format!("an account has at most {MAX_ITEMS} {what}")));
        }
        if self.bytes > MAX_BYTES {
            let mib = MAX_BYTES / (1024 * 1024);
            return Err(RuleError::new(&[], format!("an account has at most {mib} MiB of {what}")));
        }
        Ok(())
    }
}

impl FromIterator<ListSize> for ListSize {
    fn from_iter<I: IntoIterator<Item = Self>>(loads: I) -> Self {
        loads.into_iter().fold(Self::default(), Self::plus)
    }
}

struct ByteCounter(usize);

impl Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
