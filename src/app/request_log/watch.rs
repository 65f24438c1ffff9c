//! Bounds the clients that wait for entries or follow a request log.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most watchers of one account.
const MAX_OF_ACCOUNT: usize = 128;
/// The most watchers of all accounts. Each holds a connection and a few kilobytes.
const MAX_OF_SERVER: usize = 4096;

/// The watchers of one account or of the server.
#[derive(Debug, Clone)]
pub struct Watchers {
    free: Arc<Semaphore>,
    most: usize,
}

/// The permit of a watcher; dropping it frees the place.
#[derive(Debug)]
pub struct WatcherPermit {
    _places: [OwnedSemaphorePermit; 2],
}

/// All permits are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{most} clients wait for requests or follow them already, which is the most {scope}")]
pub struct TooManyWatchers {
    most: usize,
    scope: &'static str,
}

impl Watchers {
    /// For one account.
    pub fn for_account() -> Self {
        Self::at_most(MAX_OF_ACCOUNT)
    }

    /// For the whole server.
    pub fn for_server() -> Self {
        Self::at_most(MAX_OF_SERVER)
    }

    fn at_most(most: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), most }
    }

    /// A permit from those of the account and of the server.
    pub fn watch(&self, of_the_server: &Self) -> Result<WatcherPermit, TooManyWatchers> {
        let (of_account, of_server) =
            (self.place("for an account")?, of_the_server.place("for all accounts")?);
        Ok(WatcherPermit { _places: [of_account, of_server] })
    }

    fn place(&self, scope: &'static str) -> Result<OwnedSemaphorePermit, TooManyWatchers> {
        let place = Arc::clone(&self.free).try_acquire_owned();
        place.map_err(|_| TooManyWatchers { most: self.most, scope })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_watcher_leaves() {
        let (server, account) = (Watchers::at_most(3), Watchers::at_most(2));
        let (first, second) = (account.watch(&server).unwrap(), account.watch(&server).unwrap());
        let refusal = account.watch(&server).unwrap_err().to_string();
        assert!(refusal.contains("2 clients") && refusal.contains("for an account"), "{refusal}");
        drop(first);
        account.watch(&server).unwrap();
        drop(second);
    }

    #[test]
    fn all_accounts_together_have_a_bound_too() {
        let server = Watchers::at_most(1);
        let _taken = Watchers::at_most(2).watch(&server).unwrap();
        let refusal = Watchers::at_most(2).watch(&server).unwrap_err().to_string();
        assert!(refusal.contains("1 clients") && refusal.contains("for all accounts"), "{refusal}");
    }
}
