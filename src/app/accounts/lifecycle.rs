//! Opening, creating and removing accounts.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::{Mutex, RwLock};

use super::record;
use super::restored::RestoredState;
use super::{
    AccountEpoch, AccountError, AccountIndex, AccountRegistry, AccountState, Credentials,
    RegistryOptions,
};
use crate::app::faults::AccountFaults;
use crate::app::request_log::{RequestLog, Watchers};
use crate::clock::{Clock, ClockMode, Stopwatch};
use crate::domain::error::{InternalError, with_sources};
#[cfg(test)]
use crate::domain::fault_rule::RouteTable;
use crate::domain::{ApiKey, Credits, Profile};
#[cfg(test)]
use crate::fixtures;
use crate::fixtures::{FixtureHandle, Fixtures};
use crate::ids::{self, AccountId, IdKind};
use crate::models::rules::AccountRules;
use crate::storage::{AccountRecord, NewAccountData, NewAccountRecord, Storage, StorageError};

/// An account to be created at run time. What is `None` is as in the account it is copied from.
#[derive(Debug, Clone, Default)]
pub struct NewAccount {
    /// The fixture account to copy; the first of the fixtures otherwise.
    pub from: Option<AccountId>,
    /// Its plan.
    pub plan: Option<String>,
    /// Its initial balance.
    pub balance: Option<Credits>,
    /// Its own seed: copies of the same account with the same seed get the same ids.
    pub seed: Option<u64>,
    /// Its own profile; the server's otherwise.
    pub profile: Option<Profile>,
    /// The time at which its clock is frozen.
    pub clock: Option<DateTime<Utc>>,
    /// The time without use after which it is removed.
    pub ttl: Option<Duration>,
}

impl AccountRegistry {
    /// All stored accounts and those of the fixtures, which are created if they are not stored yet.
    pub async fn open(
        fixtures: &FixtureHandle,
        storage: Arc<dyn Storage>,
        settings: RegistryOptions,
    ) -> Result<Self, StorageError> {
        let original = fixtures.current();
        let mut index = AccountIndex::default();
        for (record, made) in accounts_with_fixtures(&*storage, &original, settings.seed).await? {
            if let Some(account) = AccountState::of(&record, &made, &original, settings) {
                index.add(&account);
            }
        }
        Ok(Self {
            fixtures: fixtures.clone(),
            storage,
            settings,
            index: Arc::new(RwLock::new(index)),
            reload: Arc::default(),
            watchers: Watchers::for_server(),
        })
    }

    /// The accounts of the built-in fixtures, in a database in memory.
    #[cfg(test)]
    pub async fn of_built_in_fixtures(routes: &'static RouteTable) -> Self {
        let fixtures = FixtureHandle::new(fixtures::built_in(routes).unwrap().fixtures);
        let storage = crate::storage::open("sqlite::memory:").await.unwrap();
        let settings = RegistryOptions { seed: 1, clock: None, journal_max: 1000, routes };
        Self::open(&fixtures, storage, settings).await.unwrap()
    }

    /// Creates an account with its own key and a copy of the fixtures.
    pub async fn create(&self, new: NewAccount) -> Result<Arc<AccountState>, AccountError> {
        self.create_with(new, None).await
    }

    /// Creates an account with its own key that holds `state` instead of a copy of the fixtures. A
    /// reset restores `origin`, which is `state` as a document.
    pub(in crate::app) async fn create_copy(
        &self,
        new: NewAccount,
        state: RestoredState,
        origin: String,
    ) -> Result<Arc<AccountState>, AccountError> {
        self.create_with(new, Some((state, origin))).await
    }

    async fn create_with(
        &self,
        new: NewAccount,
        copied: Option<(RestoredState, String)>,
    ) -> Result<Arc<AccountState>, AccountError> {
        // The fixtures stay as they are until the account is in the index.
        let guard = Arc::clone(&self.reload).read_owned().await;
        let (fixtures, settings) = (self.fixtures.current(), self.settings);
        let (state, origin) = copied.unzip();
        let record = new.record(&fixtures)?;
        let plan = state.as_ref().map(|state| state.memory.plan(&fixtures)).transpose()?;
        let allocated = self.storage.allocate_accounts(1).await.map_err(InternalError::new)?;
        #[expect(clippy::expect_used, reason = "storage allocates as many as are asked for")]
        let key = *allocated.first().expect("one number");
        let (id, api_key) = ids::account_and_key(settings.seed, key.number());
        let clock = state.as_ref().map(|state| state.memory.clock).or(record.clock);
        let record = NewAccountRecord { id, api_key: Some(ApiKey::new(api_key)), clock, ..record };
        let saved = record.stored(key);
        let (data, memory) = if let Some(RestoredState { data, memory }) = state {
            (data, Some(memory))
        } else {
            let ids = record::id_generator(&saved, settings.seed);
            (fixtures.account_data(record.balance, &ids), None)
        };
        let account = AccountState::of(&saved, &data.made, &fixtures, settings);
        let account = account.ok_or_else(|| InternalError::new(no_such_plan(&saved)))?;
        let terms = plan.as_ref().map(|plan| record::terms(plan, &fixtures));
        if let Some((memory, plan)) = memory.zip(plan) {
            let next = memory.next_epoch(&data.made, plan, &fixtures, &account.epoch());
            account.begin_epoch(next);
        }
        let (index, added) = (Arc::clone(&self.index), Arc::clone(&account));
        let publish = Box::new(move || {
            index.write().add(&added);
            drop(guard);
        });
        let new = NewAccountData { key, record, data, terms, origin };
        let created = self.storage.create_accounts(vec![new], publish).await;
        created.map_err(InternalError::new)?;
        Ok(account)
    }

    /// Removes an account that was created at run time, with everything it holds.
    pub async fn remove(&self, id: &AccountId) -> Result<(), AccountError> {
        let account = self.require(id)?;
        if account.made_from.is_none() {
            return Err(AccountError::FixtureAccount(id.clone()));
        }
        let guard = self.begin_change(&account).await?;
        let (owner, index) = (account.row, Arc::clone(&self.index));
        let publish = Box::new(move || {
            index.write().remove(&account);
            account.close();
            account.request_log.close();
            drop(guard);
        });
        Ok(self.storage.remove_account(owner, publish).await.map_err(InternalError::new)?)
    }

    /// Removes the accounts that were not used for longer than their time to live.
    pub async fn sweep(&self) {
        let idle: Vec<AccountId> = {
            let found = self.index.read();
            let idle =
                found.by_id.values().filter(|account| account.expired() && !account.in_use());
            idle.map(|account| account.id.clone()).collect()
        };
        for id in idle {
            if let Err(error) = self.remove(&id).await {
                tracing::warn!(account = id.as_str(), error = with_sources(&error), "not removed");
            }
        }
    }
}

impl NewAccount {
    /// The record of such an account, which lacks its id and its key.
    fn record(self, fixtures: &Fixtures) -> Result<NewAccountRecord, AccountError> {
        let from = match &self.from {
            Some(id) => fixtures
                .account(id.as_str())
                .ok_or_else(|| AccountError::UnknownAccount(id.clone()))?,
            #[expect(clippy::expect_used, reason = "validated when the fixtures are read")]
            None => fixtures.accounts.first().expect("fixtures have an account"),
        };
        if let Some(plan) = &self.plan {
            fixtures.plan(plan, "plan")?;
        }
        Ok(NewAccountRecord {
            balance: self.balance.unwrap_or(from.balance),
            made_from: Some(from.id.clone()),
            seed: self.seed,
            ttl: self.ttl.map(|ttl| ttl.as_secs()),
            profile: self.profile,
            plan: self.plan,
            clock: self.clock.map(|at| ClockMode::Frozen { at }),
            ..record::of_fixtures(from)
        })
    }
}

impl AccountState {
    /// The account of a record that has created so many of each kind; `None` if its fixture account or
    /// its plan no longer exists.
    pub(super) fn of(
        saved: &AccountRecord,
        made: &[(IdKind, u64)],
        fixtures: &Fixtures,
        settings: RegistryOptions,
    ) -> Option<Arc<Self>> {
        let original = record::original(saved, fixtures)?;
        let plan = record::plan(saved, original, fixtures)?;
        let keys = match &saved.api_key {
            Some(key) => vec![key.clone()],
            None => original.keys.clone(),
        };
        let first = saved.first_clock.or(settings.clock.map(|at| ClockMode::Frozen { at }));
        let clock = first.map_or_else(Clock::system, Clock::in_mode);
        if let Some(mode) = saved.clock {
            clock.set_mode(mode);
        }
        let ids = record::id_generator(saved, settings.seed).with_counts(made);
        let rules = AccountRules::new(Arc::clone(&fixtures.rules));
        Some(Arc::new(Self {
            id: saved.id.clone(),
            row: saved.key,
            clock: Arc::new(clock),
            request_log: Arc::new(RequestLog::new(settings.journal_max)),
            made_from: saved.made_from.clone(),
            profile: saved.profile,
            ttl: saved.ttl.map(Duration::from_secs),
            credentials: RwLock::new(Credentials { project: original.project.clone(), keys }),
            epoch: RwLock::new(AccountEpoch::new(ids, rules, AccountFaults::default(), plan)),
            last_used: Mutex::new(Stopwatch::start()),
            changes: Arc::default(),
        }))
    }
}

/// The error of a record whose plan the fixtures do not have, though it was looked up there.
fn no_such_plan(saved: &AccountRecord) -> StorageError {
    StorageError::Inconsistent { table: "accounts", column: "plan", id: saved.id.to_string() }
}

/// All stored accounts with what they have created, after those of the fixtures that are not stored
/// yet were created with their copy of the fixtures.
pub(super) async fn accounts_with_fixtures(
    storage: &dyn Storage,
    fixtures: &Fixtures,
    server_seed: u64,
) -> Result<Vec<(AccountRecord, Vec<(IdKind, u64)>)>, StorageError> {
    let mut accounts = storage.accounts().await?;
    let missing: Vec<_> = fixtures
        .accounts
        .iter()
        .filter(|account| !accounts.iter().any(|(stored, _)| stored.id == account.id))
        .collect();
    let count = u64::try_from(missing.len()).unwrap_or(u64::MAX);
    if count == 0 {
        return Ok(accounts);
    }
    let mut new = Vec::with_capacity(missing.len());
    for (account, key) in missing.into_iter().zip(storage.allocate_accounts(count).await?) {
        let record = record::of_fixtures(account);
        let stored = record.stored(key);
        let data =
            fixtures.account_data(record.balance, &record::id_generator(&stored, server_seed));
        accounts.push((stored, data.made.clone()));
        new.push(NewAccountData { key, record, data, terms: None, origin: None });
    }
    storage.create_accounts(new, Box::new(|| ())).await?;
    Ok(accounts)
}
