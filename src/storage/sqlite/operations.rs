//! The operations of storage. Writes are plain data for the writer; reads are queries.

use std::collections::HashMap;

use async_trait::async_trait;
use futures::FutureExt as _;
use tokio::sync::oneshot;

use super::account_write::AccountWrite;
use super::batch::Write;
use super::conversation_loader::{LoadRequest, LoadedRow};
use super::file::WatchedFile;
use super::queries::{
    accounts, agents, conversations, images, listing, messages, pictures, runs, snapshots, triggers,
};
use super::rows::update_trigger;
use super::{Readers, SqliteStorage};
use crate::domain::agent_run::RunStep;
use crate::domain::catalog::{Agent, Image};
use crate::domain::conversation::{Conversation, Message};
use crate::domain::{Api, Credits, Trigger};
use crate::ids::{AgentId, ConversationId, IdKind, RunId, SdModelId, ToolCallId, TriggerId};
use crate::storage::{
    AccountData, AccountKey, AccountRecord, AccountReplacement, AccountUpdate, BATCH, Capture,
    ConversationContext, ConversationExtent, ConversationFilter, ConversationKey, ConversationList,
    FoundCall, HistoryPage, HistoryPosition, LargeReadPermit, Listed, NewAccountData, NewMessages,
    NewRunStep, PageWindow, Publish, Storage, StorageError, StoredRun, Summary, TriggerUpdate,
    WriteOutcome, WriteScope, Written,
};

#[async_trait]
impl Storage for SqliteStorage {
    async fn charge(&self, scope: WriteScope, cost: Credits) -> Result<WriteOutcome, StorageError> {
        self.writer.write(Write::charge(scope, cost)).await
    }

    async fn record_turn(
        &self,
        scope: WriteScope,
        cost: Credits,
        turn: NewMessages,
    ) -> Result<WriteOutcome, StorageError> {
        let write = Write { messages: Some(turn), ..Write::charge(scope, cost) };
        self.writer.write(write).await
    }

    async fn start_conversation(
        &self,
        scope: WriteScope,
        conversation: Conversation,
        first: NewMessages,
        trigger: Option<TriggerUpdate>,
    ) -> Result<WriteOutcome, StorageError> {
        let activity = first.activity;
        let updates = trigger.map(|trigger| update_trigger(scope.owner, trigger));
        let write = Write {
            conversation: Some((conversation, activity)),
            messages: Some(first),
            updates: updates.into_iter().collect(),
            ..Write::charge(scope, Credits::default())
        };
        self.writer.write(write).await
    }

    async fn create_agent(
        &self,
        scope: WriteScope,
        cost: Credits,
        agent: (u64, Agent),
    ) -> Result<WriteOutcome, StorageError> {
        let write = Write { agent: Some(agent), ..Write::charge(scope, cost) };
        self.writer.write(write).await
    }

    async fn create_image(
        &self,
        scope: WriteScope,
        cost: Credits,
        image: (u64, Image),
        message: Option<NewMessages>,
    ) -> Result<WriteOutcome, StorageError> {
        let write = Write { image: Some(image), messages: message, ..Write::charge(scope, cost) };
        self.writer.write(write).await
    }

    async fn create_trigger(
        &self,
        scope: WriteScope,
        trigger: Trigger,
    ) -> Result<WriteOutcome, StorageError> {
        let write = Write { trigger: Some(trigger), ..Write::charge(scope, Credits::default()) };
        self.writer.write(write).await
    }

    async fn update_trigger(
        &self,
        scope: WriteScope,
        update: TriggerUpdate,
    ) -> Result<WriteOutcome, StorageError> {
        let updates = vec![update_trigger(scope.owner, update)];
        let write = Write { updates, ..Write::charge(scope, Credits::default()) };
        self.writer.write(write).await
    }

    async fn record_run_step(
        &self,
        scope: WriteScope,
        mut new: NewRunStep,
    ) -> Result<WriteOutcome, StorageError> {
        let updates = new.trigger.take().map(|trigger| update_trigger(scope.owner, trigger));
        let write = Write {
            updates: updates.into_iter().collect(),
            run_step: Some(new),
            ..Write::charge(scope, Credits::default())
        };
        self.writer.write(write).await
    }

    async fn allocate_accounts(&self, count: u64) -> Result<Vec<AccountKey>, StorageError> {
        self.writer.write_accounts(AccountWrite::Allocate(count), None).await
    }

    async fn create_accounts(
        &self,
        new: Vec<NewAccountData>,
        publish: Publish,
    ) -> Result<(), StorageError> {
        self.writer.write_accounts(AccountWrite::Create(new), Some(publish)).await.map(drop)
    }

    async fn remove_account(
        &self,
        owner: AccountKey,
        publish: Publish,
    ) -> Result<(), StorageError> {
        self.writer.write_accounts(AccountWrite::Remove(owner), Some(publish)).await.map(drop)
    }

    async fn replace_account(
        &self,
        owner: AccountKey,
        replacement: AccountReplacement,
        publish: Publish,
    ) -> Result<(), StorageError> {
        let replace = AccountWrite::Replace(owner, replacement);
        self.writer.write_accounts(replace, Some(publish)).await.map(drop)
    }

    async fn update_account(
        &self,
        owner: AccountKey,
        update: AccountUpdate,
        publish: Publish,
    ) -> Result<(), StorageError> {
        let update = AccountWrite::Update(owner, update);
        self.writer.write_accounts(update, Some(publish)).await.map(drop)
    }

    async fn accounts(&self) -> Result<Vec<(AccountRecord, Vec<(IdKind, u64)>)>, StorageError> {
        self.read(|db| accounts::all(db).boxed()).await
    }

    async fn account(&self, owner: AccountKey) -> Result<AccountRecord, StorageError> {
        self.read(move |db| accounts::find(db, owner).boxed()).await
    }

    async fn account_origin(&self, owner: AccountKey) -> Result<Option<String>, StorageError> {
        self.read(move |db| accounts::origin(db, owner).boxed()).await
    }

    async fn balance(&self, owner: AccountKey) -> Result<Option<Credits>, StorageError> {
        self.read(move |db| accounts::balance(db, owner).boxed()).await
    }

    async fn balances(&self) -> Result<HashMap<AccountKey, Credits>, StorageError> {
        self.read(|db| accounts::balances(db).boxed()).await
    }

    async fn account_data(
        &self,
        owner: AccountKey,
        capture: Capture,
    ) -> Result<Option<AccountData>, StorageError> {
        self.read_with(capture, move |db| snapshots::read(db, owner).boxed()).await
    }

    async fn list_runner_conversations(
        &self,
        owner: AccountKey,
        filter: ConversationFilter,
        window: PageWindow,
    ) -> Result<(Vec<Listed<Summary>>, u64), StorageError> {
        self.read(move |db| listing::conversations(db, owner, filter, window).boxed()).await
    }

    async fn summary(&self, owner: AccountKey, ordinal: u64) -> Result<Summary, StorageError> {
        self.read(move |db| listing::one(db, owner, ordinal).boxed()).await
    }

    async fn list_characters_conversations(
        &self,
        owner: AccountKey,
    ) -> Result<ConversationList, StorageError> {
        self.read(move |db| conversations::list(db, owner, Api::Characters).boxed()).await
    }

    async fn more_characters_conversations(
        &self,
        owner: AccountKey,
        ordinals: &[u64],
        after: u64,
    ) -> Result<Vec<Listed<Conversation>>, StorageError> {
        let next = conversations::next_batch(ordinals, Some(after)).to_vec();
        self.read(move |db| conversations::batch(db, owner, next).boxed()).await
    }

    async fn characters_conversation(
        &self,
        owner: AccountKey,
        ordinal: u64,
    ) -> Result<Conversation, StorageError> {
        self.read(move |db| conversations::one(db, owner, ordinal).boxed()).await
    }

    async fn find_conversation(
        &self,
        owner: AccountKey,
        api: Api,
        id: ConversationId,
    ) -> Result<Option<Conversation>, StorageError> {
        self.read(move |db| conversations::find(db, owner, api, id).boxed()).await
    }

    async fn conversation_extent(
        &self,
        owner: AccountKey,
        api: Api,
        id: ConversationId,
    ) -> Result<Option<ConversationExtent>, StorageError> {
        self.read(move |db| conversations::extent(db, owner, api, id).boxed()).await
    }

    async fn load_conversation(
        &self,
        key: ConversationKey,
    ) -> Result<Option<ConversationContext>, StorageError> {
        let owner = key.owner;
        let (answer, loaded) = oneshot::channel();
        let request = LoadRequest { key, answer };
        match &self.readers {
            Readers::Pool { loads, .. } => {
                loads.send(request).await.map_err(|_| StorageError::Closed)?;
            }
            Readers::Writer => self.writer.load(request).await?,
        }
        let loaded = loaded.await.map_err(|_| StorageError::Closed)??;
        let Some(loaded) = loaded.map(LoadedRow::parsed).transpose()? else { return Ok(None) };
        if loaded.is_whole() {
            return loaded.into_domain().map(Some);
        }
        let permit = Some(self.large_reads.permit().await);
        let context = self.read(move |db| loaded.completed(db, owner).boxed()).await?;
        Ok(Some(ConversationContext { permit, ..context }))
    }

    async fn list_messages(
        &self,
        owner: AccountKey,
        api: Api,
        id: ConversationId,
        window: PageWindow,
    ) -> Result<Option<(ConversationExtent, Vec<Listed<Message>>)>, StorageError> {
        self.read(move |db| messages::list(db, owner, api, id, window).boxed()).await
    }

    async fn more_messages(
        &self,
        owner: AccountKey,
        ordinal: u64,
        window: PageWindow,
    ) -> Result<Vec<Listed<Message>>, StorageError> {
        let window = PageWindow { take: window.take.min(BATCH), ..window };
        self.read(move |db| messages::batch(db, owner, ordinal, window).boxed()).await
    }

    async fn message(
        &self,
        owner: AccountKey,
        ordinal: u64,
        position: u64,
    ) -> Result<Message, StorageError> {
        self.read(move |db| messages::one(db, owner, ordinal, position).boxed()).await
    }

    async fn latest_messages(
        &self,
        owner: AccountKey,
        ordinal: u64,
        window: PageWindow,
        max_bytes: u64,
    ) -> Result<(Vec<Message>, u64), StorageError> {
        self.read(move |db| messages::latest_within(db, owner, ordinal, window, max_bytes).boxed())
            .await
    }

    async fn latest_run_step(
        &self,
        owner: AccountKey,
        ordinal: u64,
    ) -> Result<Option<RunStep>, StorageError> {
        self.read(move |db| runs::latest_step(db, owner, ordinal).boxed()).await
    }

    async fn find_tool_call(
        &self,
        owner: AccountKey,
        ordinal: u64,
        id: ToolCallId,
    ) -> Result<Option<FoundCall>, StorageError> {
        self.read(move |db| runs::find_call(db, owner, ordinal, id).boxed()).await
    }

    async fn history(
        &self,
        owner: AccountKey,
        ordinal: u64,
        before: HistoryPosition,
        limit: u64,
    ) -> Result<HistoryPage, StorageError> {
        self.read(move |db| runs::history(db, owner, ordinal, before, limit).boxed()).await
    }

    async fn list_runs(
        &self,
        owner: AccountKey,
        window: PageWindow,
    ) -> Result<(Vec<StoredRun>, u64), StorageError> {
        self.read(move |db| runs::list(db, owner, window).boxed()).await
    }

    async fn find_run(
        &self,
        owner: AccountKey,
        id: RunId,
    ) -> Result<Option<StoredRun>, StorageError> {
        self.read(move |db| runs::find(db, owner, id).boxed()).await
    }

    async fn list_agents(
        &self,
        owner: AccountKey,
        after: u64,
    ) -> Result<Vec<Listed<Agent>>, StorageError> {
        self.read(move |db| agents::batch(db, owner, after).boxed()).await
    }

    async fn agent(&self, owner: AccountKey, ordinal: u64) -> Result<Agent, StorageError> {
        self.read(move |db| agents::one(db, owner, ordinal).boxed()).await
    }

    async fn find_agent(
        &self,
        owner: AccountKey,
        id: AgentId,
    ) -> Result<Option<Agent>, StorageError> {
        self.read(move |db| agents::find(db, owner, id).boxed()).await
    }

    async fn list_images(
        &self,
        owner: AccountKey,
        window: PageWindow,
    ) -> Result<(Vec<Listed<Image>>, u64), StorageError> {
        self.read(move |db| images::list(db, owner, window).boxed()).await
    }

    async fn image(&self, owner: AccountKey, ordinal: u64) -> Result<Image, StorageError> {
        self.read(move |db| images::one(db, owner, ordinal).boxed()).await
    }

    async fn find_picture(&self, id: String) -> Result<Option<(String, SdModelId)>, StorageError> {
        self.read(move |db| pictures::find(db, id).boxed()).await
    }

    async fn list_triggers(
        &self,
        owner: AccountKey,
        after: u64,
    ) -> Result<Vec<Listed<Trigger>>, StorageError> {
        self.read(move |db| triggers::batch(db, owner, after).boxed()).await
    }

    async fn trigger(&self, owner: AccountKey, ordinal: u64) -> Result<Trigger, StorageError> {
        self.read(move |db| triggers::one(db, owner, ordinal).boxed()).await
    }

    async fn find_trigger(
        &self,
        owner: AccountKey,
        id: TriggerId,
    ) -> Result<Option<Listed<Trigger>>, StorageError> {
        self.read(move |db| triggers::find(db, owner, id).boxed()).await
    }

    async fn large_read(&self) -> LargeReadPermit {
        self.large_reads.permit().await
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(self.file.as_ref().map_or(Ok(()), WatchedFile::check)?)
    }

    fn written(&self) -> Written {
        self.writer.written()
    }

    async fn close(&self) {
        // Readers first: the last connection to be closed moves the log into the one file.
        if let Readers::Pool { pool, .. } = &self.readers {
            pool.close().await;
        }
        self.writer.close().await;
    }
}
