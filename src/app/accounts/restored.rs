//! The state that an account is restored to, and the epoch that begins with it.

use std::sync::Arc;

use super::{AccountEpoch, AccountState, LimitWindows};
use crate::app::faults::{AccountFaults, AttachedFaultCounts, RunTimeFaults};
use crate::clock::ClockMode;
use crate::domain::Plan;
use crate::domain::error::FieldError;
use crate::fixtures::Fixtures;
use crate::ids::IdKind;
use crate::models::rules::AccountRules;
use crate::models::rules::capture::RestoredRules;
use crate::storage::AccountData;

/// A checked snapshot: what replaces everything that an account holds.
#[derive(Debug)]
pub(in crate::app) struct RestoredState {
    /// Its stored data.
    pub(in crate::app) data: AccountData,
    pub(in crate::app) memory: RestoredMemory,
}

/// The part of a checked snapshot that is kept in memory.
#[derive(Debug)]
pub(in crate::app) struct RestoredMemory {
    /// The id of its plan.
    pub(in crate::app) plan: String,
    /// The limits of the Characters API and of the Runner API.
    pub(in crate::app) limits: (u32, Option<u32>),
    pub(in crate::app) clock: ClockMode,
    /// Its rules and its queue, and how often rules have answered.
    pub(in crate::app) rules: RestoredRules,
    /// Its faults; `None` keeps the present ones.
    pub(in crate::app) faults: Option<RunTimeFaults>,
    /// The counts of attached faults; `None` keeps them.
    pub(in crate::app) attached_faults: Option<AttachedFaultCounts>,
    /// The windows of its limits; `None` keeps them.
    pub(in crate::app) windows: Option<LimitWindows>,
}

/// The epoch that begins after a commit that replaces everything an account holds.
#[derive(Debug)]
pub(super) struct NextEpoch {
    pub(super) epoch: Arc<AccountEpoch>,
    pub(super) windows: LimitWindows,
    pub(super) clock: ClockMode,
}

impl RestoredMemory {
    /// The plan with its limits.
    pub(super) fn plan(&self, fixtures: &Fixtures) -> Result<Plan, FieldError> {
        let mut plan = fixtures.plan(&self.plan, "plan")?.clone();
        (plan.requests_per_minute, plan.runner_requests_per_minute) = self.limits;
        Ok(plan)
    }

    /// The next epoch, in which ids continue after those `made` of each kind. What the snapshot leaves
    /// out is as in the epoch `before`.
    pub(super) fn next_epoch(
        self,
        made: &[(IdKind, u64)],
        plan: Plan,
        fixtures: &Fixtures,
        before: &AccountEpoch,
    ) -> NextEpoch {
        let ids = before.ids.with_counts(made);
        let rules = AccountRules::restored(&fixtures.rules, &self.rules, &before.rules);
        let faults = AccountFaults::restored(self.faults, self.attached_faults, &before.faults);
        NextEpoch {
            epoch: AccountEpoch::new(ids, rules, faults, plan),
            windows: self.windows.unwrap_or_else(|| before.windows()),
            clock: self.clock,
        }
    }
}

impl AccountState {
    /// Begins the epoch `next` and ends the one before. The writer calls this right after the commit
    /// that replaces what the account holds.
    pub(super) fn begin_epoch(&self, next: NextEpoch) {
        self.clock.set_mode(next.clock);
        next.epoch.continue_windows(next.windows, self.clock.reading().set_back);
        let before = std::mem::replace(&mut *self.epoch.write(), next.epoch);
        before.ended().cancel();
    }
}
