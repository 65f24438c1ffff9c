//! Reading conversations and their messages, page by page.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::accounts::AccountState;
use super::auth::{AuthError, ConversationReader};
use super::item_list::Items;
use crate::domain::Api;
use crate::domain::conversation::{Conversation, Message};
use crate::domain::error::InternalError;
use crate::ids::ConversationId;
use crate::storage::{AccountKey, ConversationExtent, ConversationList, PageWindow, Storage};
pub use crate::storage::{ConversationFilter, Summary};

/// The use cases that read conversations.
#[derive(Debug, Clone)]
pub struct ConversationQueries {
    storage: Arc<dyn Storage>,
}

/// The page of a list that is asked for. Both numbers count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// The number of the page.
    pub page: u64,
    /// Items on each page.
    pub page_size: u64,
}

/// Why a conversation or its messages cannot be read.
#[derive(Debug, Error)]
pub enum ConversationError {
    /// The account has no such conversation.
    #[error("there is no conversation `{0}`")]
    UnknownConversation(ConversationId),
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

/// Why a [`ConversationReader`] cannot read a conversation's messages.
#[derive(Debug, Error)]
pub enum ReaderError {
    /// The reader needs a key, or another one.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The reader can see no such conversation.
    #[error("there is no conversation `{0}`")]
    UnknownConversation(ConversationId),
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

/// One page of a list.
pub struct Page<T> {
    /// The items on the page.
    pub items: Items<T>,
    /// Items on all pages.
    pub total: u64,
}

/// A page of the messages of a Runner conversation.
pub struct RunnerMessages {
    /// The messages.
    pub page: Page<Message>,
    /// The conversation.
    pub extent: ConversationExtent,
    /// The time of its account's clock.
    pub now: DateTime<Utc>,
}

impl PageRequest {
    /// The items of the list that are on the page.
    pub fn window(self) -> PageWindow {
        PageWindow { skip: (self.page - 1).saturating_mul(self.page_size), take: self.page_size }
    }

    /// Whether items of a list of `total` come after this page.
    pub fn has_more(self, total: u64) -> bool {
        self.page.saturating_mul(self.page_size) < total
    }
}

impl ConversationQueries {
    /// Reads from `storage`.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// A page of the account's conversations, newest activity first.
    pub async fn list_runner_conversations(
        &self,
        account: &AccountState,
        filter: ConversationFilter,
        page: PageRequest,
    ) -> Result<Page<Summary>, InternalError> {
        let owner = account.row;
        let listed = self.storage.list_runner_conversations(owner, filter, page.window()).await;
        let (batch, total) = listed.map_err(InternalError::new)?;
        let items = Items::new(&self.storage, batch, move |storage, ordinal| async move {
            storage.summary(owner, ordinal).await
        });
        Ok(Page { items, total })
    }

    /// A page of a conversation's messages, oldest first. The conversation is the reader's own, or one
    /// of a public deployment.
    pub async fn list_runner_messages(
        &self,
        reader: ConversationReader,
        id: ConversationId,
        page: PageRequest,
    ) -> Result<RunnerMessages, ReaderError> {
        if let Some(account) = &reader.account
            && let Some(messages) = self.page_of_messages(account, &id, page).await?
        {
            return Ok(messages);
        }
        for public in &reader.public {
            let found = self.page_of_messages(&public.owner, &id, page).await?;
            let found = found.filter(|messages| messages.extent.target == public.id.as_str());
            if let Some(messages) = found {
                return if public.origin_allowed {
                    Ok(messages)
                } else {
                    Err(AuthError::OriginNotAllowed(public.id.clone()).into())
                };
            }
        }
        Err(match reader.missing_access() {
            Some(error) => AuthError::Key(error).into(),
            None => ReaderError::UnknownConversation(id),
        })
    }

    /// The account's conversations in the Characters API, latest first.
    pub async fn list_characters_conversations(
        &self,
        account: &AccountState,
    ) -> Result<Items<Conversation>, InternalError> {
        let owner = account.row;
        let listed = self.storage.list_characters_conversations(owner).await;
        let ConversationList { ordinals, first } = listed.map_err(InternalError::new)?;
        // In this order, so that a conversation that changes while the list is read is in it once.
        let ordinals: Arc<[u64]> = ordinals.into();
        let items = Items::new(&self.storage, first, move |storage, ordinal| async move {
            storage.characters_conversation(owner, ordinal).await
        });
        Ok(items.with_more(move |storage, after| {
            let ordinals = Arc::clone(&ordinals);
            async move { storage.more_characters_conversations(owner, &ordinals, after).await }
        }))
    }

    /// A conversation of the Characters API.
    pub async fn get_characters_conversation(
        &self,
        account: &AccountState,
        id: ConversationId,
    ) -> Result<Conversation, ConversationError> {
        let api = Api::Characters;
        let found = self.storage.find_conversation(account.row, api, id.clone()).await;
        let found = found.map_err(InternalError::new)?;
        found.ok_or(ConversationError::UnknownConversation(id))
    }

    /// All messages of a conversation of the Characters API, oldest first.
    pub async fn list_characters_messages(
        &self,
        account: &AccountState,
        id: ConversationId,
    ) -> Result<Items<Message>, ConversationError> {
        let all = PageWindow { skip: 0, take: u64::MAX };
        let found = self.messages_of(account.row, Api::Characters, id.clone(), all).await?;
        found.map(|(_, items)| items).ok_or(ConversationError::UnknownConversation(id))
    }

    async fn page_of_messages(
        &self,
        account: &AccountState,
        id: &ConversationId,
        page: PageRequest,
    ) -> Result<Option<RunnerMessages>, InternalError> {
        let found = self.messages_of(account.row, Api::Runner, id.clone(), page.window()).await?;
        Ok(found.map(|(extent, items)| {
            let page = Page { items, total: extent.message_count };
            RunnerMessages { page, extent, now: account.clock.now() }
        }))
    }

    /// The messages of a conversation in `window`, as many as there are now.
    async fn messages_of(
        &self,
        owner: AccountKey,
        api: Api,
        id: ConversationId,
        window: PageWindow,
    ) -> Result<Option<(ConversationExtent, Items<Message>)>, InternalError> {
        let found = self.storage.list_messages(owner, api, id, window).await;
        let Some((extent, batch)) = found.map_err(InternalError::new)? else { return Ok(None) };
        let end = window.skip.saturating_add(window.take).min(extent.message_count);
        let ordinal = extent.ordinal;
        let items = Items::new(&self.storage, batch, move |storage, position| async move {
            storage.message(owner, ordinal, position).await
        });
        let items = items.with_more(move |storage, after| async move {
            let skip = after + 1;
            let window = PageWindow { skip, take: end.saturating_sub(skip) };
            storage.more_messages(owner, ordinal, window).await
        });
        Ok(Some((extent, items)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_pages_cover_the_list_without_gap_or_overlap(total in 0_u64..500, page_size in 1_u64..=100) {
            let mut seen = 0;
            for number in 1.. {
                let page = PageRequest { page: number, page_size };
                let window = page.window();
                prop_assert_eq!(window.skip, seen);
                seen = (window.skip + window.take).min(total);
                prop_assert_eq!(page.has_more(total), seen < total);
                if seen == total {
                    break;
                }
            }
        }

        #[test]
        fn no_page_number_overflows(page in 1..=u64::MAX, page_size in 1_u64..=100) {
            let page = PageRequest { page, page_size };
            prop_assert!(page.window().skip >= page.page - 1);
            prop_assert!(!page.has_more(0));
        }
    }
}
