//! What is stored: accounts and everything they hold.
//!
//! Storage is spoken to in use cases, with domain types in and out. [`sqlite`] is the implementation;
//! `sqlx` and SQL stand there and nowhere else. Operations that write return after the commit.

mod account_types;
mod conversation_types;
mod error;
mod sqlite;
mod write_types;

pub use self::account_types::{AccountData, AccountRecord, NewAccountRecord};
pub use self::conversation_types::{
    ConversationContext, ConversationExtent, ConversationFilter, ConversationKey, ConversationList,
    History, LONGEST_HISTORY, RecentMessage, Summary,
};
pub use self::error::{FileLost, StoreError};
pub use self::sqlite::{Store, is_in_memory};
pub use self::write_types::{
    AccountReplacement, AccountUpdate, NewAccountData, NewMessages, PlanTerms, Publish,
    WriteOutcome, WriteScope,
};

/// The number of an account, which no other account ever had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey(i64);

impl AccountKey {
    /// The number itself, from 1.
    pub fn number(self) -> u64 {
        self.0.unsigned_abs()
    }
}

/// A permit to hold long texts in memory, of which there are few.
pub type LargeReadPermit = tokio::sync::OwnedSemaphorePermit;

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

/// What was committed since the database was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Transactions.
    pub transactions: u64,
    /// Writes in them.
    pub writes: u64,
}
