//! Accounts are worlds: clock, ids, limits, rules and data hang on the account and on nothing
//! else, so that what one client does is never seen by another.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt as _;

use super::fixtures::Fixtures;
use super::limits::Limiter;
use crate::backend::canned::RuleBook;
use crate::clock::Clock;
use crate::domain::{Account, ApiKey};
use crate::ids::{AccountId, Minter};
use crate::store::{AccountRow, Store, StoreError, accounts};

/// One account at run time, and everything that is its own.
#[derive(Debug)]
pub struct World {
    /// The account.
    pub account: Account,
    /// Its rows in the store.
    pub row: AccountRow,
    /// Its time.
    pub clock: Arc<Clock>,
    /// Its ids.
    pub ids: Minter,
    /// Its place in the canned rules.
    pub rules: Arc<RuleBook>,
    /// Its limit in the Runner API, where its plan sets one.
    pub runner_limit: Option<Limiter>,
    /// Its limit in the Characters API.
    pub characters_limit: Option<Limiter>,
}

/// Every account, found by key or id.
#[derive(Debug, Default)]
pub struct Worlds {
    by_id: HashMap<AccountId, Arc<World>>,
    by_key: HashMap<ApiKey, Arc<World>>,
}

impl Worlds {
    /// The accounts of the fixtures. Those that the store does not know yet start with their own
    /// copy of the fixtures' conversations.
    pub async fn open(
        fixtures: &Arc<Fixtures>,
        store: &Store,
        seed: u64,
        clock: impl Fn() -> Clock,
    ) -> Result<Self, StoreError> {
        let mut worlds = Self::default();
        let ids: Vec<Minter> =
            fixtures.accounts.iter().map(|account| Minter::new(seed, &account.id)).collect();
        let settled = settle(Arc::clone(fixtures), ids, store).await?;
        for (account, (row, ids)) in fixtures.accounts.iter().zip(settled) {
            let world = Arc::new(World {
                row,
                ids,
                clock: Arc::new(clock()),
                rules: Arc::new(RuleBook::new(Arc::clone(&fixtures.rules))),
                runner_limit: account.plan.runner_requests_per_minute.and_then(Limiter::new),
                characters_limit: Limiter::new(account.plan.requests_per_minute),
                account: account.clone(),
            });
            for key in &account.keys {
                worlds.by_key.insert(key.clone(), Arc::clone(&world));
            }
            worlds.by_id.insert(account.id.clone(), world);
        }
        Ok(worlds)
    }

    /// The account that `key` opens.
    pub fn by_key(&self, key: &str) -> Option<&Arc<World>> {
        self.by_key.get(key)
    }

    /// The account called `id`.
    pub fn by_id(&self, id: &AccountId) -> Option<&Arc<World>> {
        self.by_id.get(id)
    }
}

/// Makes the accounts' rows where they are missing, all in one transaction; gives row and ids.
async fn settle(
    fixtures: Arc<Fixtures>,
    ids: Vec<Minter>,
    store: &Store,
) -> Result<Vec<(AccountRow, Minter)>, StoreError> {
    store
        .write(move |db| {
            async move {
                let mut settled = Vec::with_capacity(ids.len());
                for (account, ids) in fixtures.accounts.iter().zip(ids) {
                    let (row, new) =
                        accounts::find_or_make(db, &account.id, account.balance).await?;
                    if new {
                        fixtures.seed(db, row, &ids).await?;
                    } else {
                        accounts::resume_ids(db, row, &ids).await?;
                    }
                    settled.push((row, ids));
                }
                Ok(settled)
            }
            .boxed()
        })
        .await
}
