//! Accounts are worlds: clock, ids, limits, rules and data hang on the account and on nothing
//! else, so that what one client does is never seen by another.
//!
//! Fixture accounts are there from the start; others are made at run time, each a world of its own
//! that starts as a copy of a fixture account.

mod making;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt as _;
use parking_lot::RwLock;

pub use self::making::{Changes, NewAccount};
use super::fixtures::Fixtures;
use super::limits::{Limiter, Verdict};
use crate::backend::canned::RuleBook;
use crate::clock::Clock;
use crate::domain::conversation::Api;
use crate::domain::{Account, ApiKey, Credits, Plan};
use crate::ids::{AccountId, Minter, ProjectId};
use crate::store::{self, AccountRow, Connection, Store, StoreError, accounts};

/// One account at run time, and everything that is its own.
#[derive(Debug)]
pub struct World {
    /// Its id.
    pub id: AccountId,
    /// The project whose deployments it may use.
    pub project: ProjectId,
    /// Its rows in the store.
    pub row: AccountRow,
    /// Its time.
    pub clock: Arc<Clock>,
    /// Its ids.
    pub ids: Minter,
    /// Its place in the canned rules.
    pub rules: Arc<RuleBook>,
    /// What opens it.
    pub keys: Vec<ApiKey>,
    /// The fixture account that it was copied from, if it was made at run time.
    pub made_from: Option<AccountId>,
    /// The credits that it starts with, and starts with again.
    balance: Credits,
    terms: RwLock<Arc<Terms>>,
    /// Goes up with every reset: what was begun before belongs to a world that is no more.
    generation: AtomicU64,
}

/// What an account's plan comes to at present.
#[derive(Debug)]
struct Terms {
    plan: Plan,
    runner: Option<Limiter>,
    characters: Option<Limiter>,
}

impl Terms {
    fn new(plan: Plan) -> Arc<Self> {
        let runner = plan.runner_requests_per_minute.and_then(Limiter::new);
        let characters = Limiter::new(plan.requests_per_minute);
        Arc::new(Self { plan, runner, characters })
    }
}

impl World {
    fn new(
        account: &Account,
        made_from: Option<AccountId>,
        row: AccountRow,
        ids: Minter,
        clock: Clock,
        rules: RuleBook,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: account.id.clone(),
            project: account.project.clone(),
            row,
            clock: Arc::new(clock),
            ids,
            rules: Arc::new(rules),
            keys: account.keys.clone(),
            made_from,
            balance: account.balance,
            terms: RwLock::new(Terms::new(account.plan.clone())),
            generation: AtomicU64::new(0),
        })
    }

    /// The plan as it is now.
    pub fn plan(&self) -> Plan {
        self.terms.read().plan.clone()
    }

    /// Counts a request to `api` against the plan's limit, where it has one for that API.
    pub fn admit(&self, api: Api) -> Option<Verdict> {
        let terms = Arc::clone(&self.terms.read());
        let limiter = match api {
            Api::Runner => &terms.runner,
            Api::Characters => &terms.characters,
        };
        limiter.as_ref().map(|limiter| limiter.admit(self.clock.now()))
    }

    /// How often the account was reset.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

/// Every account, found by key or id.
#[derive(Debug)]
pub struct Worlds {
    fixtures: Arc<Fixtures>,
    store: Store,
    settings: Settings,
    found: RwLock<Found>,
}

/// What the server was started with that worlds need.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Where ids come from.
    pub seed: u64,
    /// Where every clock stands still at first; without, clocks run with the system's.
    pub clock: Option<chrono::DateTime<chrono::Utc>>,
}

#[derive(Debug, Default)]
struct Found {
    by_id: HashMap<AccountId, Arc<World>>,
    by_key: HashMap<ApiKey, Arc<World>>,
}

impl Found {
    fn add(&mut self, world: &Arc<World>) {
        for key in &world.keys {
            self.by_key.insert(key.clone(), Arc::clone(world));
        }
        self.by_id.insert(world.id.clone(), Arc::clone(world));
    }
}
