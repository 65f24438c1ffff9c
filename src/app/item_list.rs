//! The items of a list, of which only those with short texts are in memory.

use std::sync::Arc;

use async_stream::try_stream;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt as _};

use crate::domain::error::InternalError;
use crate::storage::{BATCH, Listed, Storage, StorageError};

/// Reads an item, or the batch after an item, by the key of the item.
type ReadByKey<T> = Arc<dyn Fn(u64) -> BoxFuture<'static, Result<T, StorageError>> + Send + Sync>;

/// The items of a list.
pub struct Items<T> {
    first: Vec<Listed<T>>,
    /// Reads the items after the one with a key; `None` if all were read.
    more: Option<ReadByKey<Vec<Listed<T>>>>,
    /// Reads the item with a key.
    one: ReadByKey<T>,
    storage: Arc<dyn Storage>,
}

impl<T: Send + 'static> Items<T> {
    /// A list of which `batch` is everything; `one` reads the items that it leaves out.
    pub(super) fn new<O, R>(storage: &Arc<dyn Storage>, batch: Vec<Listed<T>>, one: O) -> Self
    where
        O: Fn(Arc<dyn Storage>, u64) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, StorageError>> + Send + 'static,
    {
        let shared = Arc::clone(storage);
        let one = move |key| one(shared.clone(), key).boxed();
        Self { first: batch, more: None, one: Arc::new(one), storage: Arc::clone(storage) }
    }

    /// Has `more` read the batches after the first, if the first is full.
    pub(super) fn with_more<M, R>(mut self, more: M) -> Self
    where
        M: Fn(Arc<dyn Storage>, u64) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<Listed<T>>, StorageError>> + Send + 'static,
    {
        let full = u64::try_from(self.first.len()).is_ok_and(|length| length >= BATCH);
        if full {
            let shared = Arc::clone(&self.storage);
            self.more = Some(Arc::new(move |after| more(shared.clone(), after).boxed()));
        }
        self
    }

    /// All items, if they are in memory.
    pub fn all(self) -> Result<Vec<T>, Self> {
        if self.more.is_some() || self.first.iter().any(|listed| listed.item.is_none()) {
            return Err(self);
        }
        Ok(self.first.into_iter().filter_map(|listed| listed.item).collect())
    }

    /// The items as `render` writes them. Reads while the stream is polled: a batch at a time, and
    /// items with long texts one at a time.
    pub fn rendered<R>(self, mut render: R) -> BoxStream<'static, Result<Vec<u8>, InternalError>>
    where
        R: FnMut(T, &mut Vec<u8>) + Send + 'static,
    {
        let Self { mut first, more, one, storage } = self;
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
                        let _permit = storage.large_read().await;
                        let item = one(key).await.map_err(InternalError::new)?;
                        render(item, &mut text);
                    }
                    yield std::mem::take(&mut text);
                }
                if !text.is_empty() {
                    yield text;
                }
                let (Some(more), Some(last)) = (&more, last) else { break };
                first = more(last).await.map_err(InternalError::new)?;
            }
        }
        .boxed()
    }
}
