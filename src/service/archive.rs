//! What is stored, page by page.

use std::sync::Arc;

use futures::FutureExt as _;

use super::access::Reader;
use super::worlds::World;
use crate::domain::Error;
use crate::domain::conversation::{Api, Conversation, Message};
use crate::ids::ConversationId;
use crate::store::listing::{self, Filter};
use crate::store::{self, Store, Window, conversations, messages};

/// Shows what is stored.
#[derive(Debug, Clone)]
pub struct Archive {
    store: Store,
}

/// Which page of a list is wanted. Both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The page's number.
    pub page: u64,
    /// Items a page.
    pub page_size: u64,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Slice<T> {
    /// The items on the page.
    pub items: Vec<T>,
    /// Items on all pages.
    pub total: u64,
}

impl Page {
    /// Where the page lies in the list.
    pub fn window(self) -> Window {
        Window { skip: (self.page - 1).saturating_mul(self.page_size), take: self.page_size }
    }

    /// Whether items of a list of `total` come after this page.
    pub fn has_more(self, total: u64) -> bool {
        self.page.saturating_mul(self.page_size) < total
    }
}

impl Archive {
    /// The archive of `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// A page of the account's conversations, newest activity first.
    pub async fn conversations(
        &self,
        world: &World,
        filter: Filter,
        page: Page,
    ) -> Result<Slice<Conversation>, Error> {
        let owner = world.row;
        self.store
            .read(move |db| {
                async move {
                    let (items, total) =
                        listing::conversations(db, owner, &filter, page.window()).await?;
                    Ok(Slice { items, total })
                }
                .boxed()
            })
            .await
            .map_err(Error::internal)
    }

    /// A page of a conversation's messages, oldest first: of the reader's own conversation, else
    /// of one on a public deployment.
    pub async fn messages(
        &self,
        reader: Reader,
        id: ConversationId,
        page: Page,
    ) -> Result<Slice<Message>, Error> {
        if let Some(world) = &reader.world
            && let Some((_, slice)) = self.look(world, &id, page).await?
        {
            return Ok(slice);
        }
        for public in &reader.public {
            let found = self.look(&public.owner, &id, page).await?;
            if let Some((_, slice)) = found.filter(|(of, _)| of.target.id() == public.id.as_str()) {
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
    pub async fn dialogues(&self, world: &World) -> Result<Vec<Conversation>, Error> {
        let owner = world.row;
        let look = store::act(move |db| {
            async move { conversations::all(db, owner, Api::Characters).await }.boxed()
        });
        self.store.read(look).await.map_err(Error::internal)
    }

    /// One of them.
    pub async fn dialogue(&self, world: &World, id: ConversationId) -> Result<Conversation, Error> {
        let (owner, wanted) = (world.row, id.clone());
        let look = store::act(move |db| {
            async move { conversations::find(db, owner, Api::Characters, &wanted).await }.boxed()
        });
        let found = self.store.read(look).await.map_err(Error::internal)?;
        found.ok_or(Error::UnknownConversation(id))
    }

    /// All messages of one of them, oldest first.
    pub async fn lines(&self, world: &World, id: ConversationId) -> Result<Vec<Message>, Error> {
        let (owner, wanted) = (world.row, id.clone());
        let look = store::act(move |db| {
            async move {
                let found = conversations::find(db, owner, Api::Characters, &wanted).await?;
                let Some(found) = found else { return Ok(None) };
                let all = Window { skip: 0, take: found.message_count };
                messages::read(db, owner, found.ordinal, all).await.map(Some)
            }
            .boxed()
        });
        let found = self.store.read(look).await.map_err(Error::internal)?;
        found.ok_or(Error::UnknownConversation(id))
    }

    async fn look(
        &self,
        world: &Arc<World>,
        id: &ConversationId,
        page: Page,
    ) -> Result<Option<(Conversation, Slice<Message>)>, Error> {
        let (owner, id) = (world.row, id.clone());
        self.store
            .read(move |db| {
                async move {
                    let Some(conversation) =
                        conversations::find(db, owner, Api::Runner, &id).await?
                    else {
                        return Ok(None);
                    };
                    let items =
                        messages::read(db, owner, conversation.ordinal, page.window()).await?;
                    let total = conversation.message_count;
                    Ok(Some((conversation, Slice { items, total })))
                }
                .boxed()
            })
            .await
            .map_err(Error::internal)
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
                let page = Page { page: number, page_size };
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
            let page = Page { page, page_size };
            prop_assert!(page.window().skip >= page.page - 1);
            prop_assert!(!page.has_more(0));
        }
    }
}
