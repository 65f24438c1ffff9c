//! The items of a list, of which only those with short texts are in memory.

use std::sync::Arc;

use async_stream::try_stream;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt as _};

use crate::domain::Error;
use crate::storage::{self, BATCH, Connection, Listed, Store, StoreError};

/// Reads a batch, or an item, by a key.
type ReadByKey<T> = Arc<
    dyn for<'c> Fn(u64, &'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>> + Send + Sync,
>;

/// The items of a list.
pub struct Items<T> {
    first: Vec<Listed<T>>,
    /// Reads the items after the one of a key.
    more: Option<ReadByKey<Vec<Listed<T>>>>,
    /// Reads the item of a key.
    one: ReadByKey<T>,
    store: Store,
}

impl<T: Send + 'static> Items<T> {
    /// The items of `batch`, which is all; `one` reads those whose texts were left out.
    pub(super) fn new<O>(store: &Store, batch: Vec<Listed<T>>, one: O) -> Self
    where
        O: for<'c> Fn(u64, &'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
        O: Send + Sync + 'static,
    {
        Self { first: batch, more: None, one: Arc::new(one), store: store.clone() }
    }

    /// And those that `more` reads, where the batch was full.
    pub(super) fn and<M>(mut self, more: M) -> Self
    where
        M: for<'c> Fn(u64, &'c mut Connection) -> BoxFuture<'c, Result<Vec<Listed<T>>, StoreError>>,
        M: Send + Sync + 'static,
    {
        let full = u64::try_from(self.first.len()).unwrap_or(u64::MAX) >= BATCH;
        if full {
            self.more = Some(Arc::new(more));
        }
        self
    }

    /// All of them, if they are all in memory.
    pub fn all(self) -> Result<Vec<T>, Self> {
        if self.more.is_some() || self.first.iter().any(|listed| listed.item.is_none()) {
            return Err(self);
        }
        Ok(self.first.into_iter().filter_map(|listed| listed.item).collect())
    }

    /// The items as `render` writes them, read as they are taken: a batch at a time, and those with
    /// long texts one at a time.
    pub fn rendered<R>(self, mut render: R) -> BoxStream<'static, Result<Vec<u8>, Error>>
    where
        R: FnMut(T, &mut Vec<u8>) + Send + 'static,
    {
        let Self { mut first, more, one, store } = self;
        try_stream! {
            loop {
                let last = first.last().map(|listed| listed.key);
                let mut text = Vec::new();
                for Listed { key, item } in first {
                    if let Some(item) = item {
                        render(item, &mut text);
                        continue;
                    }
                    if !text.is_empty() {
                        yield std::mem::take(&mut text);
                    }
                    {
                        let _place = store.large().await;
                        let item = read(&store, &one, key).await?;
                        render(item, &mut text);
                    }
                    yield std::mem::take(&mut text);
                }
                if !text.is_empty() {
                    yield text;
                }
                let (Some(more), Some(last)) = (&more, last) else { break };
                first = read(&store, more, last).await?;
            }
        }
        .boxed()
    }
}

async fn read<T: Send + 'static>(
    store: &Store,
    reading: &ReadByKey<T>,
    key: u64,
) -> Result<T, Error> {
    let reading = Arc::clone(reading);
    store.read(storage::act(move |db| reading(key, db))).await.map_err(Error::internal)
}
