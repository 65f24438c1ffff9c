//! Locks of conversations: one request at a time advances the run of a conversation.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

type SharedMutex = Arc<tokio::sync::Mutex<()>>;

/// The locks that are held or waited for, by what names a conversation.
#[derive(Debug)]
pub(super) struct ConversationLocks<K>(Arc<Mutex<HashMap<K, SharedMutex>>>);

/// A held lock. Dropping it releases the lock.
#[derive(Debug)]
pub(super) struct ConversationGuard<K: Hash + Eq> {
    locks: ConversationLocks<K>,
    key: K,
    /// `None` while it waits, and while it is dropped.
    held: Option<OwnedMutexGuard<()>>,
}

impl<K> Default for ConversationLocks<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K> Clone for ConversationLocks<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Copy> ConversationLocks<K> {
    /// Waits for the lock of `key`.
    pub(super) async fn lock(&self, key: K) -> ConversationGuard<K> {
        // Before the wait, so that a wait that is cancelled leaves nothing behind.
        let mut guard = ConversationGuard { locks: self.clone(), key, held: None };
        guard.held = Some(self.of(key).lock_owned().await);
        guard
    }

    /// The lock of `key`, unless it is held.
    pub(super) fn try_lock(&self, key: K) -> Option<ConversationGuard<K>> {
        let held = self.of(key).try_lock_owned().ok()?;
        Some(ConversationGuard { locks: self.clone(), key, held: Some(held) })
    }

    fn of(&self, key: K) -> SharedMutex {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(key).or_default())
    }
}

impl<K: Hash + Eq> Drop for ConversationGuard<K> {
    fn drop(&mut self) {
        let mut locks = self.locks.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.held = None;
        // Only the map still has it: nobody holds it or waits for it.
        if locks.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_is_held_once_and_forgotten_when_nobody_needs_it() {
        let locks = ConversationLocks::default();
        let guard = locks.lock(1).await;
        assert!(locks.try_lock(1).is_none());
        assert!(locks.try_lock(2).is_some());
        let waiting = tokio::spawn({
            let locks = locks.clone();
            async move { drop(locks.lock(1).await) }
        });
        tokio::task::yield_now().await;
        drop(guard);
        waiting.await.unwrap();
        assert!(locks.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_wait_that_is_cancelled_leaves_nothing_behind() {
        let locks = ConversationLocks::default();
        let guard = locks.lock(1).await;
        let mut waiting = Box::pin(locks.lock(1));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(guard);
        drop(waiting);
        assert!(locks.0.lock().unwrap().is_empty());
    }
}
