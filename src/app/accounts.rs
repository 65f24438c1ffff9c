//! Accounts are worlds: clock, ids, limits, rules and data hang on the account and on nothing
//! else, so that what one client does is never seen by another.
//!
//! Fixture accounts are there from the start; others are made at run time, each a world of its own
//! that starts as a copy of a fixture account.

mod change;
mod epoch;
mod error;
mod lifecycle;
mod record;
mod reload;
mod restored;
pub(in crate::app) mod snapshot;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::{Mutex, RwLock};

pub use self::change::{AccountChanges, LimitChange};
pub use self::epoch::{AccountEpoch, LimitWindows};
pub use self::error::{AccountError, SessionWriteError};
pub use self::lifecycle::NewAccount;
use super::faults::{self, AttachedFaults, InjectedError};
use super::rate_limit::RateLimitVerdict;
use super::request_log::{RequestLog, RequestTrace, TooManyWatchers, WatcherPermit, Watchers};
use crate::clock::{Clock, Stopwatch};
use crate::domain::error::InternalError;
use crate::domain::fault_rule::{FaultContext, RouteTable};
use crate::domain::{Api, ApiKey, Plan};
use crate::fixtures::FixtureHandle;
use crate::ids::{AccountId, IdAllocation, ProjectId};
use crate::storage::{AccountKey, Store, StoreError, WriteOutcome, WriteScope};

/// One account at run time, and everything that is its own.
#[derive(Debug)]
pub struct AccountState {
    /// Its id.
    pub id: AccountId,
    /// Its rows in the store.
    pub row: AccountKey,
    /// Its time.
    pub clock: Arc<Clock>,
    /// What was asked of it lately.
    pub request_log: Arc<RequestLog>,
    /// The fixture account that it was copied from, if it was made at run time.
    pub made_from: Option<AccountId>,
    /// How long it may be unused before it goes.
    ttl: Option<Duration>,
    credentials: RwLock<Credentials>,
    epoch: RwLock<Arc<AccountEpoch>>,
    /// Runs since it was last used.
    last_used: Mutex<Stopwatch>,
    /// Held while the account is changed.
    changes: Arc<tokio::sync::Mutex<()>>,
}

/// One request's stay in a world: from when its account was known until its answer is given.
#[derive(Debug, Clone)]
pub struct AccountSession {
    account: Arc<AccountState>,
    /// The world's epoch when the visit began.
    epoch: Arc<AccountEpoch>,
    trace: Arc<RequestTrace>,
}

impl AccountSession {
    /// A visit to `world` that begins now, and is written about in `notes`.
    pub fn new(account: Arc<AccountState>, notes: &Arc<RequestTrace>) -> Self {
        let epoch = account.epoch();
        Self { account, epoch, trace: Arc::clone(notes) }
    }

    /// Where to note for the journal what becomes of it.
    pub fn trace(&self) -> &Arc<RequestTrace> {
        &self.trace
    }

    /// Meets the faults that a model carries, unless the request has met one already.
    pub async fn meet(&self, carried: AttachedFaults<'_>) -> Result<(), InjectedError> {
        if carried.rules.is_empty() || self.trace.fault().is_some() {
            return Ok(());
        }
        // Models carry no conditions about the request.
        let asked = FaultContext { api: Api::Characters, route: "", path: "", method: "POST" };
        let AccountEpoch { faults, ids, .. } = &*self.epoch;
        let fault = faults.met(&asked, carried, &self.account.clock, ids.draw());
        let Some(fault) = fault else { return Ok(()) };
        faults::begin(fault, &self.account.clock, self.epoch.ended(), &self.trace).await
    }

    /// The world, to be held on to.
    pub fn account(&self) -> Arc<AccountState> {
        Arc::clone(&self.account)
    }

    /// The epoch of the world in which the visit began.
    pub fn epoch(&self) -> &Arc<AccountEpoch> {
        &self.epoch
    }

    /// Counts the request against the limit of the account's plan to `api`, where it has one.
    pub fn admit(&self, api: Api) -> Option<RateLimitVerdict> {
        self.epoch.admit(api, &self.account.clock)
    }

    /// The scope of a write with these ids, which is refused once the session's epoch has ended.
    pub(in crate::app) fn write_scope(&self, ids: &IdAllocation<'_>) -> WriteScope {
        let epoch_ended = self.epoch.ended().clone();
        WriteScope { owner: self.account.row, epoch_ended, made: ids.made() }
    }
}

/// Whether a write with these ids was stored; `false` if the balance does not cover its cost.
pub(in crate::app) fn stored(
    outcome: Result<WriteOutcome, StoreError>,
    ids: IdAllocation<'_>,
) -> Result<bool, SessionWriteError> {
    match outcome.map_err(InternalError::new)? {
        WriteOutcome::Stored => Ok(true),
        WriteOutcome::NotCovered => {
            ids.release();
            Ok(false)
        }
        WriteOutcome::EpochEnded => Err(SessionWriteError::AccountEnded),
    }
}

impl Deref for AccountSession {
    type Target = AccountState;

    fn deref(&self) -> &AccountState {
        &self.account
    }
}

/// What opens an account, and what it opens.
#[derive(Debug)]
struct Credentials {
    project: ProjectId,
    keys: Vec<ApiKey>,
}

impl AccountState {
    /// The project whose deployments it may use.
    pub fn project(&self) -> ProjectId {
        self.credentials.read().project.clone()
    }

    /// What opens it.
    pub fn keys(&self) -> Vec<ApiKey> {
        self.credentials.read().keys.clone()
    }

    /// What a reset or a restore replaces, as it is now.
    pub fn epoch(&self) -> Arc<AccountEpoch> {
        Arc::clone(&self.epoch.read())
    }

    /// The plan as it is now.
    pub fn plan(&self) -> Plan {
        self.epoch.read().plan()
    }

    /// Ends the epoch for good: the account is removed or closed. Called by the writer.
    fn close(&self) {
        self.epoch.read().ended().cancel();
    }

    /// A request came for it.
    pub fn touch(&self) {
        if self.ttl.is_some() {
            *self.last_used.lock() = Stopwatch::start();
        }
    }

    fn expired(&self) -> bool {
        self.ttl.is_some_and(|ttl| self.last_used.lock().elapsed() >= ttl)
    }

    /// Whether a request or a stream holds on to it, besides the lists of accounts by id and by
    /// key.
    fn in_use(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 + self.credentials.read().keys.len()
    }
}

/// Every account, found by key or id.
#[derive(Debug)]
pub struct AccountRegistry {
    fixtures: FixtureHandle,
    store: Store,
    settings: RegistryOptions,
    /// Shared with what the writer calls when an account was created or removed.
    index: Arc<RwLock<AccountIndex>>,
    /// Read by whoever changes accounts, written by a reload of the fixtures.
    reload: Arc<tokio::sync::RwLock<()>>,
    /// Those who watch journals.
    watchers: Watchers,
}

/// What the server was started with that worlds need.
#[derive(Debug, Clone, Copy)]
pub struct RegistryOptions {
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
struct AccountIndex {
    by_id: HashMap<AccountId, Arc<AccountState>>,
    by_key: HashMap<ApiKey, Arc<AccountState>>,
}

impl AccountIndex {
    fn add(&mut self, account: &Arc<AccountState>) {
        for key in account.keys() {
            self.by_key.insert(key, Arc::clone(account));
        }
        self.by_id.insert(account.id.clone(), Arc::clone(account));
    }

    fn remove(&mut self, account: &AccountState) {
        for key in account.keys() {
            self.by_key.remove(&key);
        }
        self.by_id.remove(&account.id);
    }
}

impl AccountRegistry {
    /// A place for one more client that watches the journal of `world`, if there is one.
    pub fn watch(&self, account: &AccountState) -> Result<WatcherPermit, TooManyWatchers> {
        account.request_log.watch(&self.watchers)
    }

    /// The account that `key` opens.
    pub fn by_key(&self, key: &str) -> Option<Arc<AccountState>> {
        self.index.read().by_key.get(key).cloned()
    }

    /// The account called `id`.
    pub fn by_id(&self, id: &AccountId) -> Option<Arc<AccountState>> {
        self.index.read().by_id.get(id).cloned()
    }

    /// The account called `id`, or the refusal that there is none.
    pub fn require(&self, id: &AccountId) -> Result<Arc<AccountState>, AccountError> {
        self.by_id(id).ok_or_else(|| AccountError::UnknownAccount(id.clone()))
    }

    /// The routes that faults are checked against.
    pub fn routes(&self) -> &'static RouteTable {
        self.settings.routes
    }

    /// Ends the wait of whoever follows a journal: the server stops.
    pub fn close_journals(&self) {
        for account in self.all() {
            account.request_log.close();
        }
    }

    /// All of them, in the order of their making.
    pub fn all(&self) -> Vec<Arc<AccountState>> {
        let mut all: Vec<_> = self.index.read().by_id.values().cloned().collect();
        all.sort_by_key(|account| account.row);
        all
    }
}
