//! Worlds are changed, reset, and given another content. What is kept in memory changes in the
//! writer, right after the commit of what is stored.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::lifecycle::minter;
use super::lifecycle::plan_of;
use super::{AccountEpoch, AccountError, AccountRegistry, AccountState, LimitWindows};
use crate::app::faults::{AccountFaults, AttachedFaultCounts, RunTimeFaults};
use crate::app::snapshots as snapshots_of_accounts;
use crate::clock::ClockMode;
use crate::domain::error::{FieldError, InternalError};
use crate::domain::{Credits, Plan};
use crate::fixtures::Fixtures;
use crate::ids::AccountId;
use crate::models::rules::AccountRules;
use crate::models::rules::capture::RestoredRules;
use crate::storage::accounts;
use crate::storage::snapshots;
use crate::storage::{self, AccountData, AccountKey, Connection, Store, StoreError};

/// What is to change about an account.
#[derive(Debug, Clone, Default)]
pub struct AccountChanges {
    /// Another plan.
    pub plan: Option<String>,
    /// Another balance.
    pub balance: Option<Credits>,
    /// The limit to the Characters API.
    pub requests_per_minute: LimitChange,
    /// The limit to the Runner API.
    pub runner_requests_per_minute: LimitChange,
}

/// What is to change about a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LimitChange {
    /// Nothing.
    #[default]
    Keep,
    /// It is the plan's again.
    Usual,
    /// It is another than the plan's.
    To(u32),
}

/// What a restore puts in the place of all that an account holds, once it is found to be in order.
#[derive(Debug)]
pub(in crate::app) struct RestoredState {
    /// Its data, its balance, and how many of each kind were made.
    pub(in crate::app) holdings: AccountData,
    /// The id of its plan.
    pub(in crate::app) plan: String,
    /// The limits to the Characters API and to the Runner API.
    pub(in crate::app) limits: (u32, Option<u32>),
    /// Its clock.
    pub(in crate::app) clock: ClockMode,
    /// Its rules and its queue, and how often rules have answered.
    pub(in crate::app) book: RestoredRules,
    /// Its faults; those it has where there are none.
    pub(in crate::app) faults: Option<RunTimeFaults>,
    /// How often the faults of the fixtures were met; as it is where there is nothing.
    pub(in crate::app) carried: Option<AttachedFaultCounts>,
    /// What counts against its limits; as it is where there is nothing.
    pub(in crate::app) windows: Option<LimitWindows>,
}

/// What an account is to be like right after a commit.
#[derive(Debug)]
pub(super) struct NextEpoch {
    epoch: Arc<AccountEpoch>,
    windows: LimitWindows,
    clock: ClockMode,
}

impl AccountRegistry {
    /// Puts an account back to how it was made: data, balance, ids, rules, limits, clock, journal.
    /// What is still being answered is dropped, not stored.
    pub async fn reset(&self, id: &AccountId) -> Result<Arc<AccountState>, AccountError> {
        let account = self.require(id)?;
        let origin = self.origin(&account).await?;
        let (shared, seed, target) =
            (self.fixtures.clone(), self.settings.seed, Arc::clone(&account));
        let act = storage::act(move |db| {
            async move { target.put_back(db, &shared.current(), seed, origin).await }.boxed()
        });
        let published = Arc::clone(&account);
        let publish = move |next: &NextEpoch| {
            published.begin(next);
            published.request_log.clear();
        };
        account.alter(&self.store, act, publish).await?;
        Ok(account)
    }

    /// What the account was copied from, if it was not from the fixtures.
    async fn origin(&self, account: &AccountState) -> Result<Option<RestoredState>, AccountError> {
        let origin = self.store.account_origin(account.row).await.map_err(InternalError::new)?;
        let Some(origin) = origin else { return Ok(None) };
        let snapshot = serde_json::from_str(&origin).map_err(InternalError::new)?;
        Ok(Some(snapshots_of_accounts::checked(snapshot, self.settings.routes).await??))
    }

    /// Changes plan, limits or balance of an account. A change of plan or limits starts a window.
    pub async fn change(
        &self,
        id: &AccountId,
        changes: AccountChanges,
    ) -> Result<Arc<AccountState>, AccountError> {
        let account = self.require(id)?;
        let (shared, target) = (self.fixtures.clone(), Arc::clone(&account));
        let act = storage::act(move |db| {
            async move {
                let (fixtures, before) = (shared.current(), target.plan());
                let plan = match changes.plan(&before, &fixtures) {
                    Ok(plan) => plan,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                if let Some(balance) = changes.balance {
                    accounts::set_balance(db, target.row, balance).await?;
                }
                if plan == before {
                    return Ok(Ok(None));
                }
                save_plan(db, target.row, &plan, &fixtures).await?;
                Ok(Ok(Some(plan)))
            }
            .boxed()
        });
        let of = Arc::clone(&account);
        let set = move |outcome: &Result<Option<Plan>, FieldError>| {
            if let Ok(Some(plan)) = outcome {
                of.epoch().set_plan(plan.clone());
            }
        };
        account.alter(&self.store, act, set).await??;
        Ok(account)
    }

    /// Puts `state` in the place of all that an account holds. What is still being answered is
    /// dropped, not stored.
    pub(in crate::app) async fn replace(
        &self,
        account: &Arc<AccountState>,
        state: RestoredState,
    ) -> Result<(), AccountError> {
        let (shared, target) = (self.fixtures.clone(), Arc::clone(account));
        let clock = state.clock;
        let act = storage::act(move |db| {
            async move {
                let fixtures = shared.current();
                let plan = match state.plan(&fixtures) {
                    Ok(plan) => plan,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                accounts::set_clock(db, target.row, clock).await?;
                state.put_into(db, &target, plan, &fixtures).await.map(Ok)
            }
            .boxed()
        });
        let published = Arc::clone(account);
        let publish = move |next: &Result<NextEpoch, FieldError>| {
            if let Ok(next) = next {
                published.begin(next);
            }
        };
        account.alter(&self.store, act, publish).await??;
        Ok(())
    }

    /// Stores how the account's clock goes now, so that it goes on so after a restart.
    pub async fn save_clock(&self, account: &Arc<AccountState>) -> Result<(), AccountError> {
        let target = Arc::clone(account);
        let act = storage::act(move |db| {
            // Read in the writer: what is stored last is what the clock was set to last.
            let clock = target.clock.mode();
            async move { accounts::set_clock(db, target.row, clock).await }.boxed()
        });
        account.alter(&self.store, act, |()| ()).await
    }

    /// The plan called `id`.
    pub fn plan(&self, id: &str) -> Result<Plan, FieldError> {
        self.fixtures.current().plan(id, "plan").cloned()
    }

    /// The account's balance.
    pub async fn balance(&self, account: &AccountState) -> Result<Credits, AccountError> {
        let balance = self.store.balance(account.row).await.map_err(InternalError::new)?;
        balance.ok_or_else(|| AccountError::UnknownAccount(account.id.clone()))
    }

    /// All accounts with their balances, in the order of their making.
    pub async fn balances(&self) -> Result<Vec<(Arc<AccountState>, Credits)>, AccountError> {
        let balances = self.store.balances().await.map_err(InternalError::new)?;
        // One that is removed right now has no balance any more.
        let all = self.all().into_iter();
        Ok(all.filter_map(|account| balances.get(&account.row).map(|it| (account, *it))).collect())
    }
}

impl AccountState {
    /// Runs `act` in a transaction of `store` and `after_commit` right behind it, unless the account
    /// was removed or closed: then neither runs.
    async fn alter<T, F, A>(
        self: &Arc<Self>,
        store: &Store,
        act: F,
        after_commit: A,
    ) -> Result<T, AccountError>
    where
        T: Send + 'static,
        F: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, StoreError>>,
        A: FnOnce(&T) + Send + 'static,
    {
        let account = Arc::clone(self);
        let guarded = storage::act(move |db| {
            async move {
                if account.is_closed() {
                    return Ok(None);
                }
                act(db).await.map(Some)
            }
            .boxed()
        });
        let after = move |outcome: &Option<T>| {
            if let Some(outcome) = outcome {
                after_commit(outcome);
            }
        };
        let altered = store.write_then(guarded, after).await.map_err(InternalError::new)?;
        altered.ok_or_else(|| AccountError::UnknownAccount(self.id.clone()))
    }

    /// Begins what is next, and ends the epoch before. Called by the writer right after the commit
    /// that replaces what the account holds.
    pub(super) fn begin(&self, next: &NextEpoch) {
        self.clock.set_mode(next.clock);
        next.epoch.go_on_in(next.windows, self.clock.reading().set_back);
        let epoch = Arc::clone(&next.epoch);
        let before = std::mem::replace(&mut *self.epoch.write(), epoch);
        before.ended().cancel();
    }

    /// Stores what the account was made with: its `origin` if it is a copy, else what is in the
    /// fixtures.
    async fn put_back(
        &self,
        db: &mut Connection,
        fixtures: &Fixtures,
        seed: u64,
        origin: Option<RestoredState>,
    ) -> Result<NextEpoch, StoreError> {
        accounts::reset_terms(db, self.row).await?;
        if let Some(origin) = origin {
            // Its plan may be one that there is no more.
            let plan = origin.plan(fixtures).unwrap_or_else(|_| self.plan());
            let origin = RestoredState { clock: self.clock.first(), ..origin };
            return origin.put_into(db, self, plan, fixtures).await;
        }
        accounts::clear(db, self.row).await?;
        let saved = accounts::find(db, self.row).await?;
        let original = fixtures.account(saved.made_from.as_ref().unwrap_or(&saved.id).as_str());
        // What a fixture account starts with stands in the fixtures, which may have changed.
        let of_fixtures = original.filter(|_| saved.made_from.is_none());
        let balance = of_fixtures.map_or(saved.first_balance, |original| original.balance);
        accounts::set_balance(db, self.row, balance).await?;
        let ids = minter(&saved, seed);
        fixtures.seed(db, self.row, &ids).await?;
        let ids = ids.having_made(&accounts::counters(db, self.row).await?);
        let plan = original.and_then(|original| plan_of(&saved, original, fixtures));
        let plan = plan.unwrap_or_else(|| self.plan());
        let rules = AccountRules::new(Arc::clone(&fixtures.rules));
        Ok(NextEpoch {
            epoch: AccountEpoch::new(ids, rules, AccountFaults::default(), plan),
            windows: LimitWindows::default(),
            clock: self.clock.first(),
        })
    }
}

impl AccountChanges {
    /// The plan, with its limits, that they make of `before`.
    fn plan(&self, before: &Plan, fixtures: &Fixtures) -> Result<Plan, FieldError> {
        let mut plan = match &self.plan {
            Some(id) => fixtures.plan(id, "plan")?.clone(),
            None => before.clone(),
        };
        let usual = fixtures.plan(&plan.id, "plan")?;
        match self.requests_per_minute {
            LimitChange::Keep => {}
            LimitChange::Usual => plan.requests_per_minute = usual.requests_per_minute,
            LimitChange::To(limit) => plan.requests_per_minute = limit,
        }
        match self.runner_requests_per_minute {
            LimitChange::Keep => {}
            LimitChange::Usual => {
                plan.runner_requests_per_minute = usual.runner_requests_per_minute;
            }
            LimitChange::To(limit) => plan.runner_requests_per_minute = Some(limit),
        }
        Ok(plan)
    }
}

impl RestoredState {
    /// The plan, with its limits.
    pub(super) fn plan(&self, fixtures: &Fixtures) -> Result<Plan, FieldError> {
        let mut plan = fixtures.plan(&self.plan, "plan")?.clone();
        (plan.requests_per_minute, plan.runner_requests_per_minute) = self.limits;
        Ok(plan)
    }

    /// Stores it in the place of what `world` holds, where the account is to have `plan`.
    pub(super) async fn put_into(
        self,
        db: &mut Connection,
        account: &AccountState,
        plan: Plan,
        fixtures: &Fixtures,
    ) -> Result<NextEpoch, StoreError> {
        snapshots::write(db, account.row, &self.holdings).await?;
        save_plan(db, account.row, &plan, fixtures).await?;
        let before = account.epoch();
        let ids = before.ids.having_made(&self.holdings.made);
        let rules = AccountRules::restored(&fixtures.rules, &self.book, &before.rules);
        let faults = AccountFaults::restored(self.faults, self.carried, &before.faults);
        Ok(NextEpoch {
            epoch: AccountEpoch::new(ids, rules, faults, plan),
            windows: self.windows.unwrap_or_else(|| before.windows()),
            clock: self.clock,
        })
    }
}

/// Stores the account's plan, and those of its limits that are not the plan's own: the rest follows
/// the fixtures.
async fn save_plan(
    db: &mut Connection,
    owner: AccountKey,
    plan: &Plan,
    fixtures: &Fixtures,
) -> Result<(), StoreError> {
    let usual = fixtures.plan(&plan.id, "plan").ok();
    let usual = usual.map(|usual| (usual.requests_per_minute, usual.runner_requests_per_minute));
    let (characters, runner) = (plan.requests_per_minute, plan.runner_requests_per_minute);
    let own = (
        Some(characters).filter(|_| usual.is_none_or(|usual| usual.0 != characters)),
        runner.filter(|_| usual.is_none_or(|usual| usual.1 != runner)),
    );
    accounts::set_terms(db, owner, &plan.id, own).await
}
