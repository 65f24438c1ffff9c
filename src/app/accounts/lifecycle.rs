//! Worlds come and go: opened from fixtures and store, made and removed.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use parking_lot::{Mutex, RwLock};

use super::{
    AccountEpoch, AccountError, AccountIndex, AccountRegistry, AccountState, Credentials, RegistryOptions,
    RestoredState,
};
use crate::app::faults::AccountFaults;
use crate::app::request_log::{RequestLog, Watchers};
use crate::clock::{Clock, ClockMode, Stopwatch};
use crate::domain::error::{InternalError, with_sources};
use crate::domain::{ApiKey, Credits, FixtureAccount, Plan};
use crate::fixtures::{FixtureHandle, Fixtures};
use crate::ids::{self, AccountId, IdGenerator, IdKind};
use crate::models::rules::AccountRules;
use crate::storage::accounts;
use crate::storage::{self, AccountRecord, NewAccountRecord, Store, StoreError};

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

impl AccountRegistry {
    /// The accounts of the fixtures, and those made at run time that the store remembers. Fixture
    /// accounts that the store does not know yet start with their copy of the fixtures.
    pub async fn open(
        fixtures: &FixtureHandle,
        store: &Store,
        settings: RegistryOptions,
    ) -> Result<Self, StoreError> {
        let original = fixtures.current();
        let settle = storage::act(move |db| {
            async move {
                original.settle(db, settings.seed).await?;
                let mut found = AccountIndex::default();
                for (saved, made) in accounts::all(db).await? {
                    if let Some(account) = AccountState::of(&saved, &made, &original, settings) {
                        found.add(&account);
                    }
                }
                Ok(found)
            }
            .boxed()
        });
        Ok(Self {
            fixtures: fixtures.clone(),
            store: store.clone(),
            settings,
            index: Arc::new(RwLock::new(store.write(settle).await?)),
            watchers: Watchers::of_the_server(),
        })
    }

    /// Makes an account, with a key of its own and a copy of the fixtures.
    pub async fn make(&self, new: NewAccount) -> Result<Arc<AccountState>, AccountError> {
        self.make_with(new, None).await
    }

    /// Makes an account with a key of its own, which holds `state` instead of a copy of the fixtures.
    /// A reset gives `origin` back, the same as a document.
    pub(in crate::app) async fn make_copy(
        &self,
        new: NewAccount,
        state: RestoredState,
        origin: String,
    ) -> Result<Arc<AccountState>, AccountError> {
        self.make_with(new, Some((state, origin))).await
    }

    async fn make_with(
        &self,
        new: NewAccount,
        copied: Option<(RestoredState, String)>,
    ) -> Result<Arc<AccountState>, AccountError> {
        let (shared, settings, found) = (self.fixtures.clone(), self.settings, self.index.clone());
        let act = storage::act(move |db| {
            async move {
                let fixtures = shared.current();
                let (state, origin) = copied.unzip();
                let plan = state.as_ref().map(|state| state.plan(&fixtures)).transpose();
                let (row, plan) = match (new.row(&fixtures), plan) {
                    (Ok(row), Ok(plan)) => (row, plan),
                    (Err(refusal), _) => return Ok(Err(refusal)),
                    (_, Err(refusal)) => return Ok(Err(refusal.into())),
                };
                let (owner, number) = accounts::next(db).await?;
                let (id, key) = ids::account_and_key(settings.seed, number);
                let clock = state.as_ref().map(|state| state.clock).or(row.clock);
                let row = NewAccountRecord { id, api_key: Some(ApiKey::new(key)), clock, ..row };
                accounts::insert(db, owner, &row).await?;
                let saved = accounts::find(db, owner).await?;
                if state.is_none() {
                    fixtures.seed(db, owner, &minter(&saved, settings.seed)).await?;
                }
                let made = accounts::counters(db, owner).await?;
                let account = AccountState::of(&saved, &made, &fixtures, settings);
                let account = account.ok_or_else(|| no_such_plan(&saved))?;
                if let Some((state, plan)) = state.zip(plan) {
                    account.begin(&state.put_into(db, &account, plan, &fixtures).await?);
                }
                if let Some(origin) = origin {
                    accounts::save_origin(db, owner, &origin).await?;
                }
                Ok(Ok(account))
            }
            .boxed()
        });
        let add = move |made: &Result<Arc<AccountState>, AccountError>| {
            if let Ok(account) = made {
                found.write().add(account);
            }
        };
        self.store.write_then(act, add).await.map_err(InternalError::new)?
    }

    /// Removes an account made at run time, with all it holds. Fixture accounts stay.
    pub async fn remove(&self, id: &AccountId) -> Result<(), AccountError> {
        let account = self.require(id)?;
        if account.made_from.is_none() {
            return Err(AccountError::FixtureAccount(id.clone()));
        }
        let (owner, found) = (account.row, self.index.clone());
        let act = storage::act(move |db| async move { accounts::remove(db, owner).await }.boxed());
        let end = move |(): &()| {
            found.write().remove(&account);
            account.close();
            account.request_log.close();
        };
        Ok(self.store.write_then(act, end).await.map_err(InternalError::new)?)
    }

    /// Removes the accounts that were not used for as long as they were made to last.
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
    /// The row of such an account, which lacks its id and its key.
    fn row(self, fixtures: &Fixtures) -> Result<NewAccountRecord, AccountError> {
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
            plan: self.plan,
            clock: self.clock.map(|at| ClockMode::Frozen { at }),
            ..NewAccountRecord::of_fixtures(from)
        })
    }
}

impl AccountState {
    /// The world that a row describes, where so many of each kind were made; none where its fixture
    /// account or its plan is no more.
    pub(super) fn of(
        saved: &AccountRecord,
        made: &[(IdKind, u64)],
        fixtures: &Fixtures,
        settings: RegistryOptions,
    ) -> Option<Arc<Self>> {
        let original = fixtures.account(saved.made_from.as_ref().unwrap_or(&saved.id).as_str())?;
        let plan = plan_of(saved, original, fixtures)?;
        let keys = match &saved.api_key {
            Some(key) => vec![key.clone()],
            None => original.keys.clone(),
        };
        let first = saved.first_clock.or(settings.clock.map(|at| ClockMode::Frozen { at }));
        let clock = first.map_or_else(Clock::system, Clock::in_mode);
        if let Some(mode) = saved.clock {
            clock.set_mode(mode);
        }
        let ids = minter(saved, settings.seed).having_made(made);
        let rules = AccountRules::new(Arc::clone(&fixtures.rules));
        Some(Arc::new(Self {
            id: saved.id.clone(),
            row: saved.key,
            clock: Arc::new(clock),
            request_log: Arc::new(RequestLog::new(settings.journal_max)),
            made_from: saved.made_from.clone(),
            ttl: saved.ttl.map(Duration::from_secs),
            credentials: RwLock::new(Credentials { project: original.project.clone(), keys }),
            epoch: RwLock::new(AccountEpoch::new(ids, rules, AccountFaults::default(), plan)),
            last_used: Mutex::new(Stopwatch::start()),
        }))
    }
}

/// A row whose plan the fixtures do not have, though it was looked up there.
fn no_such_plan(saved: &AccountRecord) -> StoreError {
    StoreError::Inconsistent { table: "accounts", column: "plan", id: saved.id.to_string() }
}

/// The plan of an account that was copied from `original`, with what was changed about it; none
/// where it is a plan that there is no more.
pub(super) fn plan_of(
    saved: &AccountRecord,
    original: &FixtureAccount,
    fixtures: &Fixtures,
) -> Option<Plan> {
    let mut plan = original.plan.clone();
    if let Some(id) = &saved.plan {
        plan = fixtures.plan(id, "plan").ok()?.clone();
    }
    plan.requests_per_minute = saved.requests_per_minute.unwrap_or(plan.requests_per_minute);
    plan.runner_requests_per_minute =
        saved.runner_requests_per_minute.or(plan.runner_requests_per_minute);
    Some(plan)
}

/// The ids of an account. With a seed of its own they are those of any other account that was
/// copied from the same one with the same seed.
pub(super) fn minter(saved: &AccountRecord, servers_seed: u64) -> IdGenerator {
    match (saved.seed, &saved.made_from) {
        (Some(seed), Some(from)) => IdGenerator::new(seed, from),
        _ => IdGenerator::new(servers_seed, &saved.id),
    }
}

impl NewAccountRecord {
    pub(super) fn of_fixtures(account: &FixtureAccount) -> Self {
        Self {
            id: account.id.clone(),
            balance: account.balance,
            made_from: None,
            api_key: None,
            seed: None,
            ttl: None,
            plan: None,
            clock: None,
        }
    }
}
