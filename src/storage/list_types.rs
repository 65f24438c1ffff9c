//! Lists as storage returns them.

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageWindow {
    /// Items before the page.
    pub skip: u64,
    /// Items on the page.
    pub take: u64,
}

/// The most items of a list that are read at a time.
pub const BATCH: u64 = 100;

/// An item of a list that was read in a batch. A text can be megabytes long and a list can have any
/// number of them, so a batch leaves out items with long texts; each of them is read by itself.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// The ordinal or the position of the item.
    pub key: u64,
    /// `None` if its texts are too long for a batch.
    pub item: Option<T>,
}
