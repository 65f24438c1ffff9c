//! Changing, resetting and restoring accounts. State in memory changes in the writer, right after
//! the commit of what is stored.

use std::sync::Arc;

use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard};

use super::record;
use super::restored::{NextEpoch, RestoredState};
use super::snapshot;
use super::{AccountEpoch, AccountError, AccountRegistry, AccountState, LimitWindows};
use crate::app::faults::AccountFaults;
use crate::domain::error::{FieldError, InternalError};
use crate::domain::{Credits, Plan};
use crate::fixtures::Fixtures;
use crate::ids::AccountId;
use crate::models::rules::AccountRules;
use crate::storage::{AccountRecord, AccountReplacement, AccountUpdate};

/// Changes of an account.
#[derive(Debug, Clone, Default)]
pub struct AccountChanges {
    /// The id of the new plan.
    pub plan: Option<String>,
    /// The new balance.
    pub balance: Option<Credits>,
    /// The limit of the Characters API.
    pub requests_per_minute: LimitChange,
    /// The limit of the Runner API.
    pub runner_requests_per_minute: LimitChange,
}

/// A change of a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LimitChange {
    /// Nothing.
    #[default]
    Keep,
    /// It becomes that of the plan.
    Usual,
    /// It becomes this.
    To(u32),
}

/// Held from the decision on a change until the change is published, so that no other change to the
/// account and no reload of the fixtures comes in between.
#[derive(Debug)]
pub(super) struct ChangeGuard {
    _fixtures: OwnedRwLockReadGuard<()>,
    _account: OwnedMutexGuard<()>,
}

impl AccountRegistry {
    /// Waits until no other change of the account is in progress. Fails if it is removed or closed.
    pub(super) async fn begin_change(
        &self,
        account: &AccountState,
    ) -> Result<ChangeGuard, AccountError> {
        let guard = ChangeGuard {
            _fixtures: Arc::clone(&self.reload).read_owned().await,
            _account: Arc::clone(&account.changes).lock_owned().await,
        };
        if account.epoch().ended().is_cancelled() {
            return Err(AccountError::UnknownAccount(account.id.clone()));
        }
        Ok(guard)
    }

    /// Restores an account to its state at its creation: data, balance, ids, rules, limits, clock and
    /// request log. Requests that are still being answered store nothing.
    pub async fn reset(&self, id: &AccountId) -> Result<Arc<AccountState>, AccountError> {
        let account = self.require(id)?;
        let guard = self.begin_change(&account).await?;
        let origin = self.storage.account_origin(account.row).await.map_err(InternalError::new)?;
        let target = Arc::clone(&account);
        let clear_log = move || target.request_log.clear();
        if let Some(origin) = origin {
            let origin = serde_json::from_str(&origin).map_err(InternalError::new)?;
            let mut state = snapshot::checked(origin, self.settings.routes).await??;
            state.memory.clock = account.clock.first();
            // Its plan may no longer exist.
            let plan = state.memory.plan(&self.fixtures.current());
            let plan = plan.unwrap_or_else(|_| account.plan());
            self.restore(&account, state, plan, guard, true, clear_log).await?;
        } else {
            self.reset_to_fixtures(&account, guard, clear_log).await?;
        }
        Ok(account)
    }

    async fn reset_to_fixtures(
        &self,
        account: &Arc<AccountState>,
        guard: ChangeGuard,
        clear_log: impl FnOnce() + Send + 'static,
    ) -> Result<(), AccountError> {
        let saved = self.storage.account(account.row).await.map_err(InternalError::new)?;
        let saved = AccountRecord {
            plan: saved.first_plan.clone(),
            requests_per_minute: None,
            runner_requests_per_minute: None,
            ..saved
        };
        let fixtures = self.fixtures.current();
        let original = record::original(&saved, &fixtures);
        // The fixtures say what a fixture account starts with, and may have changed.
        let fixture_account = original.filter(|_| saved.made_from.is_none());
        let balance = fixture_account.map_or(saved.first_balance, |original| original.balance);
        let ids = record::id_generator(&saved, self.settings.seed);
        let data = fixtures.account_data(balance, &ids);
        let plan = original.and_then(|original| record::plan(&saved, original, &fixtures));
        let plan = plan.unwrap_or_else(|| account.plan());
        let replacement = AccountReplacement { data, reset_terms: true, terms: None, clock: None };
        let target = Arc::clone(account);
        let publish = Box::new(move || {
            let rules = AccountRules::new(Arc::clone(&fixtures.rules));
            target.begin_epoch(NextEpoch {
                epoch: AccountEpoch::new(ids, rules, AccountFaults::default(), plan),
                windows: LimitWindows::default(),
                clock: target.clock.first(),
            });
            clear_log();
            drop(guard);
        });
        let replaced = self.storage.replace_account(account.row, replacement, publish).await;
        Ok(replaced.map_err(InternalError::new)?)
    }

    /// Replaces everything that an account holds with `state`. Requests that are still being answered
    /// store nothing.
    pub(in crate::app) async fn replace(
        &self,
        account: &Arc<AccountState>,
        state: RestoredState,
    ) -> Result<(), AccountError> {
        let guard = self.begin_change(account).await?;
        let plan = state.memory.plan(&self.fixtures.current())?;
        self.restore(account, state, plan, guard, false, || ()).await
    }

    async fn restore(
        &self,
        account: &Arc<AccountState>,
        state: RestoredState,
        plan: Plan,
        guard: ChangeGuard,
        reset_terms: bool,
        after: impl FnOnce() + Send + 'static,
    ) -> Result<(), AccountError> {
        let (fixtures, target) = (self.fixtures.current(), Arc::clone(account));
        let RestoredState { data, memory } = state;
        let made = data.made.clone();
        let replacement = AccountReplacement {
            data,
            reset_terms,
            terms: Some(record::terms(&plan, &fixtures)),
            clock: (!reset_terms).then_some(memory.clock),
        };
        let publish = Box::new(move || {
            let next = memory.next_epoch(&made, plan, &fixtures, &target.epoch());
            target.begin_epoch(next);
            after();
            drop(guard);
        });
        let replaced = self.storage.replace_account(account.row, replacement, publish).await;
        Ok(replaced.map_err(InternalError::new)?)
    }

    /// Changes plan, limits or balance of an account. A change of plan or limits starts a window.
    pub async fn change(
        &self,
        id: &AccountId,
        changes: AccountChanges,
    ) -> Result<Arc<AccountState>, AccountError> {
        let account = self.require(id)?;
        let guard = self.begin_change(&account).await?;
        let (fixtures, before) = (self.fixtures.current(), account.plan());
        let plan = Some(changes.plan(&before, &fixtures)?).filter(|plan| *plan != before);
        let update = AccountUpdate {
            balance: changes.balance,
            terms: plan.as_ref().map(|plan| record::terms(plan, &fixtures)),
            clock: None,
        };
        let target = Arc::clone(&account);
        let publish = Box::new(move || {
            if let Some(plan) = plan {
                target.epoch().set_plan(plan);
            }
            drop(guard);
        });
        let updated = self.storage.update_account(account.row, update, publish).await;
        updated.map_err(InternalError::new)?;
        Ok(account)
    }

    /// Stores the mode of the account's clock, so that it is the same after a restart.
    pub async fn save_clock(&self, account: &Arc<AccountState>) -> Result<(), AccountError> {
        let guard = self.begin_change(account).await?;
        // Read under the lock: what is stored last is what the clock was set to last.
        let clock = Some(account.clock.mode());
        let update = AccountUpdate { clock, ..AccountUpdate::default() };
        let updated = self.storage.update_account(account.row, update, Box::new(|| drop(guard)));
        Ok(updated.await.map_err(InternalError::new)?)
    }

    /// The plan with this id.
    pub fn plan(&self, id: &str) -> Result<Plan, FieldError> {
        self.fixtures.current().plan(id, "plan").cloned()
    }

    /// The account's balance.
    pub async fn balance(&self, account: &AccountState) -> Result<Credits, AccountError> {
        let balance = self.storage.balance(account.row).await.map_err(InternalError::new)?;
        balance.ok_or_else(|| AccountError::UnknownAccount(account.id.clone()))
    }

    /// All accounts with their balances, in the order of their creation.
    pub async fn balances(&self) -> Result<Vec<(Arc<AccountState>, Credits)>, AccountError> {
        let balances = self.storage.balances().await.map_err(InternalError::new)?;
        // An account that is being removed has no balance any more.
        let all = self.all().into_iter();
        Ok(all.filter_map(|account| balances.get(&account.row).map(|it| (account, *it))).collect())
    }
}

impl AccountChanges {
    /// The plan with its limits after these changes to the plan `before`.
    fn plan(&self, before: &Plan, fixtures: &Fixtures) -> Result<Plan, FieldError> {
        let mut plan = match &self.plan {
            Some(id) => fixtures.plan(id, "plan")?.clone(),
            None => before.clone(),
        };
        let of_plan = fixtures.plan(&plan.id, "plan")?;
        match self.requests_per_minute {
            LimitChange::Keep => {}
            LimitChange::Usual => plan.requests_per_minute = of_plan.requests_per_minute,
            LimitChange::To(limit) => plan.requests_per_minute = limit,
        }
        match self.runner_requests_per_minute {
            LimitChange::Keep => {}
            LimitChange::Usual => {
                plan.runner_requests_per_minute = of_plan.runner_requests_per_minute;
            }
            LimitChange::To(limit) => plan.runner_requests_per_minute = Some(limit),
        }
        Ok(plan)
    }
}
