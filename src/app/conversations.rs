//! What is stored, page by page.

use std::sync::Arc;

use futures::FutureExt as _;

use super::accounts::AccountState;
use super::auth::ConversationReader;
use super::item_list::Items;
use crate::domain::conversation::{Conversation, Message};
use crate::domain::{Api, Error};
use crate::ids::ConversationId;
use crate::storage::conversations;
use crate::storage::conversations::ConversationExtent;
use crate::storage::listing::{self, ConversationFilter, Summary};
use crate::storage::messages;
use crate::storage::{self, AccountKey, BATCH, BATCH_LENGTH, PageWindow, Store};

/// Shows what is stored.
#[derive(Debug, Clone)]
pub struct ConversationQueries {
    store: Store,
}

/// Which page of a list is wanted. Both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// The page's number.
    pub page: u64,
    /// Items a page.
    pub page_size: u64,
}

/// One page of a list.
pub struct Page<T> {
    /// The items on the page.
    pub items: Items<T>,
    /// Items on all pages.
    pub total: u64,
}

impl PageRequest {
    /// Where the page lies in the list.
    pub fn window(self) -> PageWindow {
        PageWindow { skip: (self.page - 1).saturating_mul(self.page_size), take: self.page_size }
    }

    /// Whether items of a list of `total` come after this page.
    pub fn has_more(self, total: u64) -> bool {
        self.page.saturating_mul(self.page_size) < total
    }
}

impl ConversationQueries {
    /// The archive of `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// A page of the account's conversations, newest activity first.
    pub async fn list_runner_conversations(
        &self,
        account: &AccountState,
        filter: ConversationFilter,
        page: PageRequest,
    ) -> Result<Page<Summary>, Error> {
        let owner = account.row;
        let look = storage::act(move |db| {
            async move { listing::conversations(db, owner, &filter, page.window()).await }.boxed()
        });
        let (batch, total) = self.store.read(look).await.map_err(Error::internal)?;
        let items = Items::new(&self.store, batch, move |ordinal, db| {
            listing::one(db, owner, ordinal).boxed()
        });
        Ok(Page { items, total })
    }

    /// A page of a conversation's messages, oldest first: of the reader's own conversation, else
    /// of one on a public deployment.
    pub async fn list_runner_messages(
        &self,
        reader: ConversationReader,
        id: ConversationId,
        page: PageRequest,
    ) -> Result<Page<Message>, Error> {
        if let Some(account) = &reader.account
            && let Some((_, slice)) = self.look(account, &id, page).await?
        {
            return Ok(slice);
        }
        for public in &reader.public {
            let found = self.look(&public.owner, &id, page).await?;
            if let Some((_, slice)) = found.filter(|(of, _)| of.target == public.id.as_str()) {
                return if public.origin_allowed {
                    Ok(slice)
                } else {
                    Err(Error::OriginNotAllowed(public.id.clone()))
                };
            }
        }
        Err(reader.refusal(Error::UnknownConversation(id)))
    }

    /// The account's conversations in the Characters API, latest first.
    pub async fn list_characters_conversations(
        &self,
        account: &AccountState,
    ) -> Result<Items<Conversation>, Error> {
        let owner = account.row;
        // First the order, so that a conversation that moves while the list is read is in it once.
        let look = storage::act(move |db| {
            async move {
                let ordinals = conversations::ordinals(db, owner, Api::Characters).await?;
                let batch = conversations::batch(db, owner, next_of(&ordinals, None)).await?;
                Ok((ordinals, batch))
            }
            .boxed()
        });
        let (ordinals, batch) = self.store.read(look).await.map_err(Error::internal)?;
        let ordinals: Arc<[u64]> = ordinals.into();
        let items = Items::new(&self.store, batch, move |ordinal, db| {
            conversations::one(db, owner, ordinal).boxed()
        });
        Ok(items.and(move |after, db| {
            let ordinals = Arc::clone(&ordinals);
            async move { conversations::batch(db, owner, next_of(&ordinals, Some(after))).await }
                .boxed()
        }))
    }

    /// One of them.
    pub async fn get_characters_conversation(
        &self,
        account: &AccountState,
        id: ConversationId,
    ) -> Result<Conversation, Error> {
        let (owner, wanted) = (account.row, id.clone());
        let look = storage::act(move |db| {
            async move { conversations::find(db, owner, Api::Characters, &wanted).await }.boxed()
        });
        let found = self.store.read(look).await.map_err(Error::internal)?;
        found.ok_or(Error::UnknownConversation(id))
    }

    /// All messages of one of them, oldest first.
    pub async fn list_characters_messages(
        &self,
        account: &AccountState,
        id: ConversationId,
    ) -> Result<Items<Message>, Error> {
        let all = PageWindow { skip: 0, take: u64::MAX };
        let found = self.messages_of(account.row, Api::Characters, id.clone(), all).await?;
        found.map(|(_, items)| items).ok_or(Error::UnknownConversation(id))
    }

    async fn look(
        &self,
        account: &Arc<AccountState>,
        id: &ConversationId,
        page: PageRequest,
    ) -> Result<Option<(ConversationExtent, Page<Message>)>, Error> {
        let found = self.messages_of(account.row, Api::Runner, id.clone(), page.window()).await?;
        Ok(found.map(|(place, items)| {
            let total = place.message_count();
            (place, Page { items, total })
        }))
    }

    /// The messages of a conversation in `window`, as many as there are now.
    async fn messages_of(
        &self,
        owner: AccountKey,
        api: Api,
        id: ConversationId,
        window: PageWindow,
    ) -> Result<Option<(ConversationExtent, Items<Message>)>, Error> {
        let look = storage::act(move |db| {
            async move {
                let Some(place) = conversations::place(db, owner, api, &id).await? else {
                    return Ok(None);
                };
                let end = window.skip.saturating_add(window.take).min(place.message_count());
                let first = up_to(end, window.skip);
                let batch = messages::batch(db, owner, place.ordinal(), first).await?;
                Ok(Some((place, end, batch)))
            }
            .boxed()
        });
        let found = self.store.read(look).await.map_err(Error::internal)?;
        Ok(found.map(|(place, end, batch)| {
            let ordinal = place.ordinal();
            let items = Items::new(&self.store, batch, move |position, db| {
                messages::one(db, owner, ordinal, position).boxed()
            });
            let items = items.and(move |after, db| {
                messages::batch(db, owner, ordinal, up_to(end, after + 1)).boxed()
            });
            (place, items)
        }))
    }
}

/// The next batch from `start`, as far as `end`.
fn up_to(end: u64, start: u64) -> PageWindow {
    PageWindow { skip: start, take: end.saturating_sub(start).min(BATCH) }
}

/// The batch of `ordinals` behind `after`, or the first.
fn next_of(ordinals: &[u64], after: Option<u64>) -> &[u64] {
    let before = |after| ordinals.iter().position(|ordinal| *ordinal == after);
    let start = after.map_or(0, |after| before(after).map_or(ordinals.len(), |place| place + 1));
    let rest = ordinals.get(start..).unwrap_or_default();
    rest.get(..BATCH_LENGTH).unwrap_or(rest)
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
