//! State of accounts. Each account has its own clock, ids, limits, rules and data, so that accounts do
//! not affect each other.
//!
//! Fixture accounts exist from the start. Others are created at run time, as copies of one of them.

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
use crate::domain::{Api, ApiKey, Plan, Profile};
use crate::fixtures::FixtureHandle;
use crate::ids::{AccountId, IdAllocation, ProjectId};
use crate::storage::{AccountKey, Storage, StorageError, WriteOutcome, WriteScope};

/// The state of an account in memory.
#[derive(Debug)]
pub struct AccountState {
    /// Its id.
    pub id: AccountId,
    /// Its key in the database.
    pub row: AccountKey,
    /// The clock.
    pub clock: Arc<Clock>,
    /// The latest requests.
    pub request_log: Arc<RequestLog>,
    /// The fixture account that it was copied from, if it was created at run time.
    pub made_from: Option<AccountId>,
    /// Its own profile; the server's if `None`.
    pub profile: Option<Profile>,
    /// Time without use after which it is removed.
    ttl: Option<Duration>,
    credentials: RwLock<Credentials>,
    epoch: RwLock<Arc<AccountEpoch>>,
    /// Runs since the last use.
    last_used: Mutex<Stopwatch>,
    /// Held while the account is changed.
    changes: Arc<tokio::sync::Mutex<()>>,
}

/// An account as one request sees it, with the epoch in which the request began.
#[derive(Debug, Clone)]
pub struct AccountSession {
    account: Arc<AccountState>,
    /// The epoch when the session began.
    epoch: Arc<AccountEpoch>,
    trace: Arc<RequestTrace>,
}

impl AccountSession {
    /// A session of `account` that begins now. Its facts go to `trace`.
    pub fn new(account: Arc<AccountState>, trace: &Arc<RequestTrace>) -> Self {
        let epoch = account.epoch();
        Self { account, epoch, trace: Arc::clone(trace) }
    }

    /// The trace of the request.
    pub fn trace(&self) -> &Arc<RequestTrace> {
        &self.trace
    }

    /// Applies the fault that one of `attached` injects, unless the request has a fault already.
    pub async fn apply_attached_fault(
        &self,
        attached: AttachedFaults<'_>,
    ) -> Result<(), InjectedError> {
        if attached.faults.is_empty() || self.trace.fault().is_some() {
            return Ok(());
        }
        // Faults attached to models have no conditions on the request.
        let request = FaultContext { api: Api::Characters, route: "", path: "", method: "POST" };
        let AccountEpoch { faults, ids, .. } = &*self.epoch;
        let fault = faults.choose(&request, attached, &self.account.clock, ids.random());
        let Some(fault) = fault else { return Ok(()) };
        faults::delay_or_refuse(fault, &self.account.clock, self.epoch.ended(), &self.trace).await
    }

    /// The account.
    pub fn account(&self) -> Arc<AccountState> {
        Arc::clone(&self.account)
    }

    /// The epoch in which the session began.
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
        WriteScope { owner: self.account.row, epoch_ended, made: ids.highest() }
    }
}

/// Whether a write with these ids was stored; `false` if the balance does not cover its cost, if the
/// account cannot have the trigger that it creates, or if another step of a run took its place. Never
/// `false` for a write that has no cost and is neither a trigger nor a step.
pub(in crate::app) fn stored(
    outcome: Result<WriteOutcome, StorageError>,
    ids: IdAllocation<'_>,
) -> Result<bool, SessionWriteError> {
    match outcome.map_err(InternalError::new)? {
        WriteOutcome::Stored => Ok(true),
        WriteOutcome::NotCovered | WriteOutcome::TooManyTriggers | WriteOutcome::Superseded => {
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

/// An account's keys and the project whose deployments they may use.
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

    /// The keys.
    pub fn keys(&self) -> Vec<ApiKey> {
        self.credentials.read().keys.clone()
    }

    /// The present epoch.
    pub fn epoch(&self) -> Arc<AccountEpoch> {
        Arc::clone(&self.epoch.read())
    }

    /// The present plan.
    pub fn plan(&self) -> Plan {
        self.epoch.read().plan()
    }

    /// Ends the last epoch: the account is removed or closed.
    fn close(&self) {
        self.epoch.read().ended().cancel();
    }

    /// Restarts the time without use.
    pub fn touch(&self) {
        if self.ttl.is_some() {
            *self.last_used.lock() = Stopwatch::start();
        }
    }

    fn expired(&self) -> bool {
        self.ttl.is_some_and(|ttl| self.last_used.lock().elapsed() >= ttl)
    }

    /// Whether a request or a stream refers to it, besides the lists of accounts by id and by key.
    fn in_use(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 + self.credentials.read().keys.len()
    }
}

/// Every account, found by key or id.
#[derive(Debug)]
pub struct AccountRegistry {
    fixtures: FixtureHandle,
    storage: Arc<dyn Storage>,
    settings: RegistryOptions,
    /// Shared with callbacks of the writer, which add and remove accounts.
    index: Arc<RwLock<AccountIndex>>,
    /// Locked for reading by changes of accounts, for writing by a reload of the fixtures.
    reload: Arc<tokio::sync::RwLock<()>>,
    /// The clients that wait for entries or follow request logs.
    watchers: Watchers,
}

/// Options of the server that accounts need.
#[derive(Debug, Clone, Copy)]
pub struct RegistryOptions {
    /// The seed of ids.
    pub seed: u64,
    /// Freezes every clock at this time; otherwise clocks run with the system's.
    pub clock: Option<DateTime<Utc>>,
    /// The most entries in the request log of an account; 0 for none.
    pub journal_max: usize,
    /// The routes that faults may name.
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
    /// A permit for a client that follows the request log of `account`, if there is one left.
    pub fn watch(&self, account: &AccountState) -> Result<WatcherPermit, TooManyWatchers> {
        account.request_log.watch(&self.watchers)
    }

    /// The account of `key`.
    pub fn by_key(&self, key: &str) -> Option<Arc<AccountState>> {
        self.index.read().by_key.get(key).cloned()
    }

    /// The account with this id.
    pub fn by_id(&self, id: &AccountId) -> Option<Arc<AccountState>> {
        self.index.read().by_id.get(id).cloned()
    }

    /// The account with this id, or an error.
    pub fn require(&self, id: &AccountId) -> Result<Arc<AccountState>, AccountError> {
        self.by_id(id).ok_or_else(|| AccountError::UnknownAccount(id.clone()))
    }

    /// The routes that faults may name.
    pub fn routes(&self) -> &'static RouteTable {
        self.settings.routes
    }

    /// Ends all waits for entries, because the server stops.
    pub fn close_request_logs(&self) {
        for account in self.all() {
            account.request_log.close();
        }
    }

    /// All accounts in the order of their creation.
    pub fn all(&self) -> Vec<Arc<AccountState>> {
        let mut all: Vec<_> = self.index.read().by_id.values().cloned().collect();
        all.sort_by_key(|account| account.row);
        all
    }
}
