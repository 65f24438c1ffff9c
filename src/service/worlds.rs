//! Accounts are worlds: clock, ids, limits, rules and data hang on the account and on nothing
//! else, so that what one client does is never seen by another.
//!
//! Fixture accounts are there from the start; others are made at run time, each a world of its own
//! that starts as a copy of a fixture account.

mod adopting;
mod making;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::{Mutex, RwLock};

pub use self::making::{Changes, LimitChange, NewAccount};
use super::faults::{self, Carried, Faults};
use super::fixtures::Shelf;
use super::journal::{Journal, Notes, TooManyWatchers, Watch, Watchers};
use super::limits::{Limiter, Verdict};
use crate::backend::canned::RuleBook;
use crate::clock::{Clock, Stopwatch};
use crate::domain::conversation::Api;
use crate::domain::fault::{Asked, RouteTable};
use crate::domain::{ApiKey, Credits, Error, Plan};
use crate::ids::{AccountId, Minter, ProjectId};
use crate::store::{self, AccountRow, Connection, Store, StoreError};

/// One account at run time, and everything that is its own.
#[derive(Debug)]
pub struct World {
    /// Its id.
    pub id: AccountId,
    /// Its rows in the store.
    pub row: AccountRow,
    /// Its time.
    pub clock: Arc<Clock>,
    /// Its ids.
    pub ids: Minter,
    /// Its place in the canned rules.
    pub rules: Arc<RuleBook>,
    /// What was asked of it lately.
    pub journal: Arc<Journal>,
    /// What is to go wrong in it.
    pub faults: Faults,
    /// The fixture account that it was copied from, if it was made at run time.
    pub made_from: Option<AccountId>,
    /// The credits that it starts with, and starts with again.
    balance: Credits,
    /// How long it may be unused before it goes.
    ttl: Option<Duration>,
    doors: RwLock<Doors>,
    terms: RwLock<Arc<Terms>>,
    /// Goes up with every reset: what was begun before belongs to a world that is no more.
    generation: AtomicU64,
    /// Runs since it was last used.
    used: Mutex<Stopwatch>,
}

/// One request's stay in a world: from when its account was known until its answer is given.
#[derive(Debug, Clone)]
pub struct Visit {
    world: Arc<World>,
    /// The world's generation when the visit began.
    generation: u64,
    notes: Arc<Notes>,
}

impl Visit {
    /// A visit to `world` that begins now, and is written about in `notes`.
    pub fn new(world: Arc<World>, notes: &Arc<Notes>) -> Self {
        let generation = world.generation();
        Self { world, generation, notes: Arc::clone(notes) }
    }

    /// Where to note for the journal what becomes of it.
    pub fn notes(&self) -> &Arc<Notes> {
        &self.notes
    }

    /// Meets the faults that a model carries, unless the request has met one already.
    pub async fn meet(&self, carried: Carried<'_>) -> Result<(), Error> {
        if carried.rules.is_empty() || self.notes.fault().is_some() {
            return Ok(());
        }
        // Models carry no conditions about the request.
        let asked = Asked { api: Api::Characters, route: "", path: "", method: "POST" };
        let fault = self.world.faults.met(&asked, carried, &self.world.clock, self.ids.draw());
        let Some(fault) = fault else { return Ok(()) };
        faults::begin(fault, &self.world.clock, &self.notes).await
    }

    /// The world, to be held on to.
    pub fn world(&self) -> Arc<World> {
        Arc::clone(&self.world)
    }

    /// Whether the world is still what it was when the visit began: neither reset nor removed.
    pub fn stands(&self) -> bool {
        self.world.generation() == self.generation
    }

    /// Runs `act` in a transaction of `store`, unless the account was reset or removed since the
    /// visit began: then nothing is stored.
    pub async fn write<T, F>(&self, store: &Store, act: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        self.world.write(self.generation, store, act).await
    }
}

impl Deref for Visit {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

/// What opens an account, and what it opens.
#[derive(Debug)]
struct Doors {
    project: ProjectId,
    keys: Vec<ApiKey>,
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
    /// The project whose deployments it may use.
    pub fn project(&self) -> ProjectId {
        self.doors.read().project.clone()
    }

    /// What opens it.
    pub fn keys(&self) -> Vec<ApiKey> {
        self.doors.read().keys.clone()
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
        limiter.as_ref().map(|limiter| limiter.admit(|| self.clock.reading()))
    }

    fn renew_terms(&self, plan: Plan) {
        *self.terms.write() = Terms::new(plan);
    }

    /// A request came for it.
    pub fn use_now(&self) {
        if self.ttl.is_some() {
            *self.used.lock() = Stopwatch::start();
        }
    }

    fn expired(&self) -> bool {
        self.ttl.is_some_and(|ttl| self.used.lock().elapsed() >= ttl)
    }

    /// Whether a request or a stream holds on to it, besides the lists of accounts by id and by
    /// key.
    fn in_use(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 + self.doors.read().keys.len()
    }

    /// Runs `act` in a transaction of `store`, unless the account was reset or removed since it
    /// was of `generation`: then nothing is stored.
    async fn write<T, F>(
        self: &Arc<Self>,
        generation: u64,
        store: &Store,
        act: F,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
    {
        let world = Arc::clone(self);
        let guarded = store::act(move |db| {
            async move {
                if world.generation() != generation {
                    return Ok(None);
                }
                act(db).await.map(Some)
            }
            .boxed()
        });
        store.write(guarded).await.map_err(Error::internal)?.ok_or(Error::WorldEnded)
    }

    /// What was begun until now is no longer stored.
    fn outdate(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

/// Every account, found by key or id.
#[derive(Debug)]
pub struct Worlds {
    fixtures: Shelf,
    store: Store,
    settings: Settings,
    found: RwLock<Found>,
    /// Those who watch journals.
    watchers: Watchers,
}

/// What the server was started with that worlds need.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Where ids come from.
    pub seed: u64,
    /// Where every clock stands still at first; without, clocks run with the system's.
    pub clock: Option<DateTime<Utc>>,
    /// The most entries in an account's journal; 0 for none.
    pub journal_max: usize,
    /// The routes that faults are checked against.
    pub routes: &'static RouteTable,
}

#[derive(Debug, Default)]
struct Found {
    by_id: HashMap<AccountId, Arc<World>>,
    by_key: HashMap<ApiKey, Arc<World>>,
}

impl Found {
    fn add(&mut self, world: &Arc<World>) {
        for key in world.keys() {
            self.by_key.insert(key, Arc::clone(world));
        }
        self.by_id.insert(world.id.clone(), Arc::clone(world));
    }

    fn remove(&mut self, world: &World) {
        for key in world.keys() {
            self.by_key.remove(&key);
        }
        self.by_id.remove(&world.id);
    }
}

impl Worlds {
    /// A place for one more client that watches the journal of `world`, if there is one.
    pub fn watch(&self, world: &World) -> Result<Watch, TooManyWatchers> {
        world.journal.watch(&self.watchers)
    }

    /// The account that `key` opens.
    pub fn by_key(&self, key: &str) -> Option<Arc<World>> {
        self.found.read().by_key.get(key).cloned()
    }

    /// The account called `id`.
    pub fn by_id(&self, id: &AccountId) -> Option<Arc<World>> {
        self.found.read().by_id.get(id).cloned()
    }

    /// The account called `id`, or the refusal that there is none.
    pub fn named(&self, id: &AccountId) -> Result<Arc<World>, Error> {
        self.by_id(id).ok_or_else(|| Error::UnknownAccount(id.clone()))
    }

    /// The routes that faults are checked against.
    pub fn routes(&self) -> &'static RouteTable {
        self.settings.routes
    }

    /// Ends the wait of whoever follows a journal: the server stops.
    pub fn close_journals(&self) {
        for world in self.all() {
            world.journal.close();
        }
    }

    /// All of them, in the order of their making.
    pub fn all(&self) -> Vec<Arc<World>> {
        let mut all: Vec<_> = self.found.read().by_id.values().cloned().collect();
        all.sort_by_key(|world| world.row);
        all
    }
}
