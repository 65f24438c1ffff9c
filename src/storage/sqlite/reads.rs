//! The operations that read.

use futures::FutureExt as _;
use tokio::sync::oneshot;

use super::conversation_loader::{LoadRequest, LoadedRow};
use super::queries::rows::BATCH_LENGTH;
use super::queries::{accounts, agents, conversations, images, listing, messages, snapshots};
use super::{Readers, Store, act};
use crate::domain::Credits;
use crate::domain::catalog::{Agent, Image};
use crate::domain::Api;
use crate::domain::conversation::{Conversation, Message};
use crate::ids::{AgentId, ConversationId, IdKind, SdModelId};
use crate::storage::{
    AccountData, AccountKey, AccountRecord, BATCH, ConversationContext, ConversationExtent,
    ConversationFilter, ConversationKey, ConversationList, Listed, PageWindow, StoreError, Summary,
};

/// Accounts.
impl Store {
    /// Every account with what it has created of each kind, in the order of their creation.
    pub async fn accounts(
        &self,
    ) -> Result<Vec<(AccountRecord, Vec<(IdKind, u64)>)>, StoreError> {
        self.read(act(move |db| accounts::all(db).boxed())).await
    }

    /// The account `owner` as it is stored.
    pub async fn account(&self, owner: AccountKey) -> Result<AccountRecord, StoreError> {
        self.read(act(move |db| accounts::find(db, owner).boxed())).await
    }

    /// The snapshot that the account was copied from, if it was.
    pub async fn account_origin(&self, owner: AccountKey) -> Result<Option<String>, StoreError> {
        self.read(act(move |db| accounts::origin(db, owner).boxed())).await
    }

    /// The balance of the account; `None` if the account is removed.
    pub async fn balance(&self, owner: AccountKey) -> Result<Option<Credits>, StoreError> {
        self.read(act(move |db| accounts::balance(db, owner).boxed())).await
    }

    /// The balances of all accounts.
    pub async fn balances(
        &self,
    ) -> Result<std::collections::HashMap<AccountKey, Credits>, StoreError> {
        self.read(act(move |db| accounts::balances(db).boxed())).await
    }

    /// Everything that the account holds, and what `capture` gives of the same moment: it is called
    /// between two commits. `None` if the account is removed.
    pub async fn account_data<M, C>(
        &self,
        owner: AccountKey,
        capture: C,
    ) -> Result<(M, Option<AccountData>), StoreError>
    where
        M: Send + 'static,
        C: FnOnce() -> M + Send + 'static,
    {
        self.read_with(capture, act(move |db| snapshots::read(db, owner).boxed())).await
    }
}

/// Conversations and messages.
impl Store {
    /// A page of the Runner conversations that meet `filter`, the latest activity first, and how many
    /// there are on all pages.
    pub async fn list_runner_conversations(
        &self,
        owner: AccountKey,
        filter: ConversationFilter,
        window: PageWindow,
    ) -> Result<(Vec<Listed<Summary>>, u64), StoreError> {
        let query = act(move |db| {
            async move { listing::conversations(db, owner, &filter, window).await }.boxed()
        });
        self.read(query).await
    }

    /// The Runner conversation `ordinal` as lists show it.
    pub async fn summary(&self, owner: AccountKey, ordinal: u64) -> Result<Summary, StoreError> {
        self.read(act(move |db| listing::one(db, owner, ordinal).boxed())).await
    }

    /// The Characters conversations, the latest activity first. They have no meta or variables.
    pub async fn list_characters_conversations(
        &self,
        owner: AccountKey,
    ) -> Result<ConversationList, StoreError> {
        let query = act(move |db| {
            async move {
                let ordinals = conversations::ordinals(db, owner, Api::Characters).await?;
                let first = conversations::batch(db, owner, next_batch(&ordinals, None)).await?;
                Ok(ConversationList { ordinals, first })
            }
            .boxed()
        });
        self.read(query).await
    }

    /// The next batch of the Characters conversations in the order of `ordinals`, from the one after
    /// `after` on.
    pub async fn more_characters_conversations(
        &self,
        owner: AccountKey,
        ordinals: &[u64],
        after: u64,
    ) -> Result<Vec<Listed<Conversation>>, StoreError> {
        let next = next_batch(ordinals, Some(after)).to_vec();
        let query =
            act(move |db| async move { conversations::batch(db, owner, &next).await }.boxed());
        self.read(query).await
    }

    /// The Characters conversation `ordinal`, without meta and variables.
    pub async fn characters_conversation(
        &self,
        owner: AccountKey,
        ordinal: u64,
    ) -> Result<Conversation, StoreError> {
        self.read(act(move |db| conversations::one(db, owner, ordinal).boxed())).await
    }

    /// The conversation `id` of `api`.
    pub async fn find_conversation(
        &self,
        owner: AccountKey,
        api: Api,
        id: ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        let query =
            act(move |db| async move { conversations::find(db, owner, api, &id).await }.boxed());
        self.read(query).await
    }

    /// The size of the conversation `id` of `api`.
    pub async fn conversation_extent(
        &self,
        owner: AccountKey,
        api: Api,
        id: ConversationId,
    ) -> Result<Option<ConversationExtent>, StoreError> {
        let query =
            act(move |db| async move { conversations::extent(db, owner, api, &id).await }.boxed());
        self.read(query).await
    }

    /// The conversation of `key` with its latest messages.
    pub async fn load_conversation(
        &self,
        key: ConversationKey,
    ) -> Result<Option<ConversationContext>, StoreError> {
        let owner = key.owner;
        let (answer, loaded) = oneshot::channel();
        let request = LoadRequest { key, answer };
        match &self.readers {
            Readers::Pool { loads, .. } => {
                loads.send(request).await.map_err(|_| StoreError::Closed)?;
            }
            Readers::Writer => self.writer.load(request).await?,
        }
        let loaded = loaded.await.map_err(|_| StoreError::Closed)??;
        let Some(loaded) = loaded.map(LoadedRow::parsed).transpose()? else { return Ok(None) };
        if loaded.is_whole() {
            return loaded.into_domain().map(Some);
        }
        let held = self.large_read().await;
        let completed = act(move |db| loaded.completed(db, owner).boxed());
        let context = self.read(completed).await?;
        Ok(Some(ConversationContext { held, ..context }))
    }

    /// The messages of the conversation `id` of `api` in `window`, oldest first and at most a batch,
    /// with the size of the conversation.
    pub async fn list_messages(
        &self,
        owner: AccountKey,
        api: Api,
        id: ConversationId,
        window: PageWindow,
    ) -> Result<Option<(ConversationExtent, Vec<Listed<Message>>)>, StoreError> {
        let query = act(move |db| {
            async move {
                let Some(extent) = conversations::extent(db, owner, api, &id).await? else {
                    return Ok(None);
                };
                let window = PageWindow { take: window.take.min(BATCH), ..window };
                let batch = messages::batch(db, owner, extent.ordinal, window).await?;
                Ok(Some((extent, batch)))
            }
            .boxed()
        });
        self.read(query).await
    }

    /// The messages of conversation `ordinal` in `window`, oldest first and at most a batch.
    pub async fn more_messages(
        &self,
        owner: AccountKey,
        ordinal: u64,
        window: PageWindow,
    ) -> Result<Vec<Listed<Message>>, StoreError> {
        let window = PageWindow { take: window.take.min(BATCH), ..window };
        self.read(act(move |db| messages::batch(db, owner, ordinal, window).boxed())).await
    }

    /// The message at `position` of conversation `ordinal`.
    pub async fn message(
        &self,
        owner: AccountKey,
        ordinal: u64,
        position: u64,
    ) -> Result<Message, StoreError> {
        self.read(act(move |db| messages::one(db, owner, ordinal, position).boxed())).await
    }

    /// The latest messages of conversation `ordinal` in `window` that are no longer than `max_bytes`
    /// together, oldest first, with their length in bytes.
    pub async fn latest_messages(
        &self,
        owner: AccountKey,
        ordinal: u64,
        window: PageWindow,
        max_bytes: u64,
    ) -> Result<(Vec<Message>, u64), StoreError> {
        let query = act(move |db| {
            messages::latest_within(db, owner, ordinal, window, max_bytes).boxed()
        });
        self.read(query).await
    }
}

/// Agents and images.
impl Store {
    /// The account's agents after the one of ordinal `after`, in the order of their creation, at most
    /// a batch.
    pub async fn list_agents(
        &self,
        owner: AccountKey,
        after: u64,
    ) -> Result<Vec<Listed<Agent>>, StoreError> {
        self.read(act(move |db| agents::batch(db, owner, after).boxed())).await
    }

    /// The agent of ordinal `ordinal`.
    pub async fn agent(&self, owner: AccountKey, ordinal: u64) -> Result<Agent, StoreError> {
        self.read(act(move |db| agents::one(db, owner, ordinal).boxed())).await
    }

    /// The account's agent `id`.
    pub async fn find_agent(
        &self,
        owner: AccountKey,
        id: AgentId,
    ) -> Result<Option<Agent>, StoreError> {
        self.read(act(move |db| async move { agents::find(db, owner, &id).await }.boxed())).await
    }

    /// A page of the account's images, newest first, and how many there are.
    pub async fn list_images(
        &self,
        owner: AccountKey,
        window: PageWindow,
    ) -> Result<(Vec<Listed<Image>>, u64), StoreError> {
        self.read(act(move |db| images::list(db, owner, window).boxed())).await
    }

    /// The image of ordinal `ordinal`.
    pub async fn image(&self, owner: AccountKey, ordinal: u64) -> Result<Image, StoreError> {
        self.read(act(move |db| images::one(db, owner, ordinal).boxed())).await
    }

    /// The prompt and the model of the picture `id`, an image or an agent's avatar, of any account.
    pub async fn find_picture(
        &self,
        id: String,
    ) -> Result<Option<(String, SdModelId)>, StoreError> {
        let query = act(move |db| {
            async move {
                if let Some(image) = images::find_anywhere(db, &id).await? {
                    return Ok(Some((image.prompt, image.sd_model)));
                }
                let agent = agents::find_anywhere(db, &id).await?;
                Ok(agent.and_then(|agent| Some((agent.avatar_prompt(), agent.sd_model?))))
            }
            .boxed()
        });
        self.read(query).await
    }
}

/// The batch of `ordinals` after `after`, or the first.
fn next_batch(ordinals: &[u64], after: Option<u64>) -> &[u64] {
    let mut rest = ordinals.iter().copied();
    if let Some(after) = after {
        rest.find(|ordinal| *ordinal == after);
    }
    let rest = ordinals.len() - rest.len();
    let rest = ordinals.split_at(rest).1;
    rest.chunks(BATCH_LENGTH).next().unwrap_or(rest)
}
