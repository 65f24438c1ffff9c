//! Writes as plain data. Ids are allocated before a write is queued.

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::{AccountData, AccountKey, NewAccountRecord};
use crate::clock::ClockMode;
use crate::domain::Credits;
use crate::domain::conversation::Message;
use crate::ids::{ConversationId, IdKind};

/// The account for which a request writes, and the condition for it.
#[derive(Debug)]
pub struct WriteScope {
    /// The account.
    pub owner: AccountKey,
    /// Cancelled when a reset, a restore or a removal is committed. After that nothing is stored.
    pub epoch_ended: CancellationToken,
    /// The highest ordinal of each kind that was allocated for this write.
    pub made: Vec<(IdKind, u64)>,
}

/// Messages to be added at the end of a conversation.
#[derive(Debug)]
pub struct NewMessages {
    /// The conversation's ordinal.
    pub conversation: u64,
    /// Orders changes of the same second.
    pub activity: u64,
    /// When the conversation changes.
    pub at: DateTime<Utc>,
    /// The messages, oldest first. Their turns are counted from the latest turn that the conversation
    /// has when they are stored: 0 is that turn, 1 the next.
    pub messages: Vec<Message>,
}

/// The result of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Everything is committed.
    Stored,
    /// The balance does not cover the cost; nothing is stored.
    NotCovered,
    /// The account was reset, restored or removed before; nothing is stored.
    EpochEnded,
    /// The account has as many triggers as it can have, or as many bytes of them; nothing is stored.
    TooManyTriggers,
    /// The run has a step of this number already; nothing is stored.
    Superseded,
}

/// What changes about a trigger; `None` keeps what it has.
#[derive(Debug, Clone)]
pub struct TriggerUpdate {
    /// The trigger's ordinal.
    pub ordinal: u64,
    /// The number of the workflow log that was started from it.
    pub workflow_log: Option<u64>,
    /// The conversation that was started from it.
    pub conversation: Option<ConversationId>,
    /// When it expires.
    pub expires_at: Option<DateTime<Utc>>,
}

/// An account to be created, with its data.
#[derive(Debug)]
pub struct NewAccountData {
    /// The number of the account.
    pub key: AccountKey,
    /// The account.
    pub record: NewAccountRecord,
    /// Its data.
    pub data: AccountData,
    /// Its plan and limits; `None` for those of the fixtures.
    pub terms: Option<PlanTerms>,
    /// The snapshot that it is copied from, which a reset restores.
    pub origin: Option<String>,
}

/// The plan of an account.
#[derive(Debug, Clone)]
pub struct PlanTerms {
    /// The plan's id.
    pub plan: String,
    /// The limit of the Characters API, where it is not the plan's.
    pub requests_per_minute: Option<u32>,
    /// The limit of the Runner API, where it is not the plan's.
    pub runner_requests_per_minute: Option<u32>,
}

/// The data that replaces everything that an account holds.
#[derive(Debug)]
pub struct AccountReplacement {
    /// The new data.
    pub data: AccountData,
    /// Whether plan, limits and clock are first set to those of the account's creation.
    pub reset_terms: bool,
    /// Its plan and limits; `None` keeps them.
    pub terms: Option<PlanTerms>,
    /// The mode of its clock; `None` keeps it.
    pub clock: Option<ClockMode>,
}

/// Changes of an account; `None` keeps a value.
#[derive(Debug, Default)]
pub struct AccountUpdate {
    /// Its balance.
    pub balance: Option<Credits>,
    /// Its plan and limits.
    pub terms: Option<PlanTerms>,
    /// The mode of its clock.
    pub clock: Option<ClockMode>,
}

/// Changes state in memory together with the stored data (see [`super::Storage`]).
pub type Publish = Box<dyn FnOnce() + Send>;

/// Reads state in memory at the moment at which the data is read (see [`super::Storage`]).
pub type Capture = Box<dyn FnOnce() + Send>;

/// How much was committed since the database was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Transactions.
    pub transactions: u64,
    /// Writes in them.
    pub writes: u64,
}
