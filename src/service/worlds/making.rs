//! Worlds come and go: opened from fixtures and store, made, changed, reset and removed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use parking_lot::RwLock;

use super::{Found, Settings, Terms, World, Worlds};
use crate::backend::canned::RuleBook;
use crate::clock::Clock;
use crate::domain::{Account, ApiKey, Credits, Error, Plan};
use crate::ids::{AccountId, Minter};
use crate::service::fixtures::Fixtures;
use crate::store::accounts::{self, NewRow, Saved};
use crate::store::{self, Connection, Store, StoreError};

/// An account to be made at run time. What is not said is as in the account it is copied from.
#[derive(Debug, Clone, Default)]
pub struct NewAccount {
    /// The fixture account to copy; the first of the fixtures otherwise.
    pub from: Option<AccountId>,
    /// Its plan.
    pub plan: Option<String>,
    /// The credits it starts with.
    pub balance: Option<Credits>,
    /// Its own seed: two accounts copied from one, with one seed, draw the same.
    pub seed: Option<u64>,
    /// Where its clock stands still.
    pub clock: Option<DateTime<Utc>>,
    /// How long it may be unused before it goes.
    pub ttl: Option<Duration>,
}

/// What is to change about an account.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Another plan.
    pub plan: Option<String>,
    /// Another balance.
    pub balance: Option<Credits>,
    /// Another limit to the Characters API than the plan's, or the plan's again.
    pub requests_per_minute: Option<Option<u32>>,
    /// Another limit to the Runner API than the plan's, or the plan's again.
    pub runner_requests_per_minute: Option<Option<u32>>,
}

impl Worlds {
    /// The accounts of the fixtures, and those made at run time that the store remembers. Fixture
    /// accounts that the store does not know yet start with their copy of the fixtures.
    pub async fn open(
        fixtures: &Arc<Fixtures>,
        store: &Store,
        settings: Settings,
    ) -> Result<Self, StoreError> {
        let (known, saved) = settle(Arc::clone(fixtures), store, settings.seed).await?;
        let worlds = Self {
            fixtures: Arc::clone(fixtures),
            store: store.clone(),
            settings,
            found: RwLock::new(Found::default()),
        };
        for saved in &saved {
            let id = saved.made_from.as_deref().unwrap_or(&saved.id);
            let Some(original) = fixtures.account(id) else { continue };
            let ids = known.iter().find(|(row, _)| *row == saved.row());
            let ids = ids.map(|(_, made)| made);
            let world = worlds.world_of(original, saved, ids);
            worlds.found.write().add(&world);
        }
        Ok(worlds)
    }
}
