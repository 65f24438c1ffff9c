//! What is stored: accounts and everything they hold.
//!
//! [`Storage`] is the interface: use cases, with domain types in and out. [`sqlite`] implements it and is
//! the only module that uses `sqlx` and SQL.

mod account_types;
mod conversation_types;
mod error;
mod large_reads;
mod list_types;
mod run_types;
mod sqlite;
#[cfg(test)]
mod tests;
mod write_types;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::account_types::{AccountData, AccountKey, AccountRecord, NewAccountRecord};
pub use self::conversation_types::{
    ConversationContext, ConversationExtent, ConversationFilter, ConversationKey, ConversationList,
    History, LONGEST_HISTORY, RecentMessage, Summary,
};
pub use self::error::{FileLost, StorageError};
pub use self::large_reads::LargeReadPermit;
pub use self::list_types::{BATCH, Listed, PageWindow};
pub use self::run_types::{
    FoundCall, HistoryCall, HistoryItem, HistoryPage, HistoryPosition, NewRunStep, StoredRun,
};
pub use self::write_types::{
    AccountReplacement, AccountUpdate, Capture, NewAccountData, NewMessages, PlanTerms, Publish,
    TriggerUpdate, WriteOutcome, WriteScope, Written,
};
use crate::domain::agent_run::RunStep;
use crate::domain::catalog::{Agent, Image};
use crate::domain::conversation::{Conversation, Message};
use crate::domain::{Api, Credits, Trigger};
use crate::ids::{AgentId, ConversationId, IdKind, RunId, SdModelId, ToolCallId, TriggerId};

/// Opens the database at `url`, creates it if it does not exist, and brings its schema up to date.
pub async fn open(url: &str) -> Result<Arc<dyn Storage>, StorageError> {
    Ok(Arc::new(sqlite::SqliteStorage::open(url).await?))
}

/// Whether the data at `url` is lost when the server ends.
pub fn is_in_memory(url: &str) -> bool {
    sqlite::is_in_memory(url)
}

/// The operations of the database.
///
/// An implementation guarantees:
///
/// - **All or nothing.** A write returns after its commit; if it fails, nothing of it is stored. If its
///   caller drops the future, the write takes place as a whole, publication included, or not at all.
/// - **Reads see what was written.** A read sees every write that returned before the read was called.
/// - **Publication.** State of an account in memory changes together with its data. To that end, a write
///   checks [`WriteScope::epoch_ended`] and commits in one step; an operation with a [`Publish`] commits
///   and calls it in one step; and [`Storage::account_data`] calls its [`Capture`] in a step at the moment
///   of the data that it returns. Steps of one account never overlap. If the commit fails, the `Publish`
///   is dropped without a call.
///
/// Every operation fails if the database fails, and with [`StorageError::Closed`] once it is being closed.
/// Look-ups of what a client names return an `Option`; reads by an [`AccountKey`], ordinal or position,
/// which come from earlier reads, fail with [`StorageError::NotFound`].
#[async_trait]
pub trait Storage: Debug + Send + Sync {
    // Writes of requests. Each also raises the counters to `scope.made`. None stores anything after the
    // epoch of the scope has ended, or if the account's balance does not cover the cost.

    /// Subtracts `cost` from the balance.
    async fn charge(&self, scope: WriteScope, cost: Credits) -> Result<WriteOutcome, StorageError>;

    /// Adds `turn` to a conversation, for `cost`. Fails if there is no such conversation.
    async fn record_turn(
        &self,
        scope: WriteScope,
        cost: Credits,
        turn: NewMessages,
    ) -> Result<WriteOutcome, StorageError>;

    /// Creates `conversation` with its `first` messages, of which there may be none, and changes the
    /// trigger that it was started from.
    async fn start_conversation(
        &self,
        scope: WriteScope,
        conversation: Conversation,
        first: NewMessages,
        trigger: Option<TriggerUpdate>,
    ) -> Result<WriteOutcome, StorageError>;

    /// Creates an agent, given with its ordinal, for `cost`.
    async fn create_agent(
        &self,
        scope: WriteScope,
        cost: Credits,
        agent: (u64, Agent),
    ) -> Result<WriteOutcome, StorageError>;

    /// Creates an image, given with its ordinal, for `cost`, and the message that shows it in a
    /// conversation.
    async fn create_image(
        &self,
        scope: WriteScope,
        cost: Credits,
        image: (u64, Image),
        message: Option<NewMessages>,
    ) -> Result<WriteOutcome, StorageError>;

    /// Creates a trigger, unless the account would have more than [`MOST_TRIGGERS`] or
    /// [`MOST_TRIGGER_BYTES`].
    ///
    /// [`MOST_TRIGGERS`]: crate::domain::trigger::MOST_TRIGGERS
    /// [`MOST_TRIGGER_BYTES`]: crate::domain::trigger::MOST_TRIGGER_BYTES
    async fn create_trigger(
        &self,
        scope: WriteScope,
        trigger: Trigger,
    ) -> Result<WriteOutcome, StorageError>;

    /// Changes a trigger, if it exists.
    async fn update_trigger(
        &self,
        scope: WriteScope,
        update: TriggerUpdate,
    ) -> Result<WriteOutcome, StorageError>;

    /// Stores the step of a run. Nothing is stored if the run has a step of this number.
    async fn record_run_step(
        &self,
        scope: WriteScope,
        new: NewRunStep,
    ) -> Result<WriteOutcome, StorageError>;

    // Accounts.

    /// Allocates the numbers of `count` new accounts, in ascending order. No number is used twice.
    async fn allocate_accounts(&self, count: u64) -> Result<Vec<AccountKey>, StorageError>;

    /// Creates `new` accounts, all or none. Fails if one of them exists.
    async fn create_accounts(
        &self,
        new: Vec<NewAccountData>,
        publish: Publish,
    ) -> Result<(), StorageError>;

    /// Removes an account with everything it holds.
    async fn remove_account(&self, owner: AccountKey, publish: Publish)
    -> Result<(), StorageError>;

    /// Replaces everything that an account holds. The account must exist.
    async fn replace_account(
        &self,
        owner: AccountKey,
        replacement: AccountReplacement,
        publish: Publish,
    ) -> Result<(), StorageError>;

    /// Changes balance, plan, limits or clock of an account.
    async fn update_account(
        &self,
        owner: AccountKey,
        update: AccountUpdate,
        publish: Publish,
    ) -> Result<(), StorageError>;

    /// Every account with what it has created of each kind, in the order of their creation.
    async fn accounts(&self) -> Result<Vec<(AccountRecord, Vec<(IdKind, u64)>)>, StorageError>;

    /// The account `owner`.
    async fn account(&self, owner: AccountKey) -> Result<AccountRecord, StorageError>;

    /// The snapshot that the account was copied from, if it was.
    async fn account_origin(&self, owner: AccountKey) -> Result<Option<String>, StorageError>;

    /// The balance of the account; `None` if the account is removed.
    async fn balance(&self, owner: AccountKey) -> Result<Option<Credits>, StorageError>;

    /// The balances of all accounts.
    async fn balances(&self) -> Result<HashMap<AccountKey, Credits>, StorageError>;

    /// Everything that the account holds at one moment, at which `capture` is called; `None` if the
    /// account is removed.
    async fn account_data(
        &self,
        owner: AccountKey,
        capture: Capture,
    ) -> Result<Option<AccountData>, StorageError>;

    // Conversations. Lists begin with the latest activity.

    /// A page of the Runner conversations that meet `filter`, and how many there are on all pages.
    async fn list_runner_conversations(
        &self,
        owner: AccountKey,
        filter: ConversationFilter,
        window: PageWindow,
    ) -> Result<(Vec<Listed<Summary>>, u64), StorageError>;

    /// The Runner conversation `ordinal` as lists show it.
    async fn summary(&self, owner: AccountKey, ordinal: u64) -> Result<Summary, StorageError>;

    /// The Characters conversations. They have no meta or variables.
    async fn list_characters_conversations(
        &self,
        owner: AccountKey,
    ) -> Result<ConversationList, StorageError>;

    /// The next batch of the Characters conversations in the order of `ordinals`, from the one after
    /// `after` on.
    async fn more_characters_conversations(
        &self,
        owner: AccountKey,
        ordinals: &[u64],
        after: u64,
    ) -> Result<Vec<Listed<Conversation>>, StorageError>;

    /// The Characters conversation `ordinal`, without meta and variables.
    async fn characters_conversation(
        &self,
        owner: AccountKey,
        ordinal: u64,
    ) -> Result<Conversation, StorageError>;

    /// The conversation `id` of `api`.
    async fn find_conversation(
        &self,
        owner: AccountKey,
        api: Api,
        id: ConversationId,
    ) -> Result<Option<Conversation>, StorageError>;

    /// The size of the conversation `id` of `api`.
    async fn conversation_extent(
        &self,
        owner: AccountKey,
        api: Api,
        id: ConversationId,
    ) -> Result<Option<ConversationExtent>, StorageError>;

    /// The conversation of `key` with its latest messages. If its texts are long, the context holds a
    /// permit.
    async fn load_conversation(
        &self,
        key: ConversationKey,
    ) -> Result<Option<ConversationContext>, StorageError>;

    // Messages, oldest first.

    /// The messages of the conversation `id` of `api` in `window`, at most a batch, with the size of the
    /// conversation.
    async fn list_messages(
        &self,
        owner: AccountKey,
        api: Api,
        id: ConversationId,
        window: PageWindow,
    ) -> Result<Option<(ConversationExtent, Vec<Listed<Message>>)>, StorageError>;

    /// The messages of conversation `ordinal` in `window`, at most a batch.
    async fn more_messages(
        &self,
        owner: AccountKey,
        ordinal: u64,
        window: PageWindow,
    ) -> Result<Vec<Listed<Message>>, StorageError>;

    /// The message at `position` of conversation `ordinal`.
    async fn message(
        &self,
        owner: AccountKey,
        ordinal: u64,
        position: u64,
    ) -> Result<Message, StorageError>;

    /// The latest messages of conversation `ordinal` in `window` that are no longer than `max_bytes`
    /// together, with their length in bytes. The conversation must have all messages of the window.
    async fn latest_messages(
        &self,
        owner: AccountKey,
        ordinal: u64,
        window: PageWindow,
        max_bytes: u64,
    ) -> Result<(Vec<Message>, u64), StorageError>;

    // Agent runs.

    /// The latest step of the latest run in conversation `ordinal`.
    async fn latest_run_step(
        &self,
        owner: AccountKey,
        ordinal: u64,
    ) -> Result<Option<RunStep>, StorageError>;

    /// The call `id` of a client's tool in conversation `ordinal`.
    async fn find_tool_call(
        &self,
        owner: AccountKey,
        ordinal: u64,
        id: ToolCallId,
    ) -> Result<Option<FoundCall>, StorageError>;

    /// The latest `limit` items of conversation `ordinal` before `before`, fewer if their texts are long.
    async fn history(
        &self,
        owner: AccountKey,
        ordinal: u64,
        before: HistoryPosition,
        limit: u64,
    ) -> Result<HistoryPage, StorageError>;

    /// The account's runs in `window`, those of the latest activity first, and how many there are.
    async fn list_runs(
        &self,
        owner: AccountKey,
        window: PageWindow,
    ) -> Result<(Vec<StoredRun>, u64), StorageError>;

    /// The account's run `id`.
    async fn find_run(
        &self,
        owner: AccountKey,
        id: RunId,
    ) -> Result<Option<StoredRun>, StorageError>;

    // Agents and images.

    /// The account's agents after the one of ordinal `after`, in the order of their creation, at most a
    /// batch.
    async fn list_agents(
        &self,
        owner: AccountKey,
        after: u64,
    ) -> Result<Vec<Listed<Agent>>, StorageError>;

    /// The agent of ordinal `ordinal`.
    async fn agent(&self, owner: AccountKey, ordinal: u64) -> Result<Agent, StorageError>;

    /// The account's agent `id`.
    async fn find_agent(
        &self,
        owner: AccountKey,
        id: AgentId,
    ) -> Result<Option<Agent>, StorageError>;

    /// A page of the account's images, newest first, and how many there are.
    async fn list_images(
        &self,
        owner: AccountKey,
        window: PageWindow,
    ) -> Result<(Vec<Listed<Image>>, u64), StorageError>;

    /// The image of ordinal `ordinal`.
    async fn image(&self, owner: AccountKey, ordinal: u64) -> Result<Image, StorageError>;

    /// The prompt and the model of the picture `id`, an image or an agent's avatar, of any account.
    async fn find_picture(&self, id: String) -> Result<Option<(String, SdModelId)>, StorageError>;

    // Triggers.

    /// The account's triggers after the one of ordinal `after`, in the order of their creation, at most
    /// a batch.
    async fn list_triggers(
        &self,
        owner: AccountKey,
        after: u64,
    ) -> Result<Vec<Listed<Trigger>>, StorageError>;

    /// The trigger of ordinal `ordinal`.
    async fn trigger(&self, owner: AccountKey, ordinal: u64) -> Result<Trigger, StorageError>;

    /// The account's trigger `id`, without long texts.
    async fn find_trigger(
        &self,
        owner: AccountKey,
        id: TriggerId,
    ) -> Result<Option<Listed<Trigger>>, StorageError>;

    // The database itself.

    /// Waits for a permit to hold long texts. Its holder must not wait for another one.
    async fn large_read(&self) -> LargeReadPermit;

    /// Fails if writes would fail or be lost.
    async fn check(&self) -> Result<(), StorageError>;

    /// What was committed since the database was opened.
    fn written(&self) -> Written;

    /// Completes the writes that were called before, and closes the database.
    async fn close(&self);
}
