//! The part of an account's in-memory state that a reset or a restore replaces as a whole.
//!
//! A request keeps the epoch that its account had when it began, and what it writes is stored only
//! while that epoch lasts. The writer publishes a new epoch between the commit that replaces the
//! account's data and the next write, so that data and epoch never differ.

use std::sync::Arc;

use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use crate::app::faults::AccountFaults;
use crate::app::rate_limit::{Limiter, RateLimitVerdict, UsedWindow};
use crate::clock::Clock;
use crate::domain::{Api, Plan};
use crate::ids::IdGenerator;
use crate::models::rules::AccountRules;

/// An account's in-memory state from one reset or restore to the next.
#[derive(Debug)]
pub struct AccountEpoch {
    /// Allocates ids.
    pub ids: IdGenerator,
    /// Reply rules and queue, and how often each rule has answered.
    pub rules: Arc<AccountRules>,
    /// Faults, with their counts.
    pub faults: AccountFaults,
    /// Replaced when the plan or its limits change, which can happen within an epoch.
    plan: RwLock<Arc<EffectivePlan>>,
    ended: CancellationToken,
}

/// A plan and the windows of its limits.
#[derive(Debug)]
struct EffectivePlan {
    plan: Plan,
    runner: Option<Limiter>,
    characters: Option<Limiter>,
}

/// The windows of the limits; `None` before the first request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitWindows {
    /// Of the limit of the Runner API.
    pub runner: Option<UsedWindow>,
    /// Of the limit of the Characters API.
    pub characters: Option<UsedWindow>,
}

impl EffectivePlan {
    fn new(plan: Plan) -> Arc<Self> {
        let runner = plan.runner_requests_per_minute.and_then(Limiter::new);
        let characters = Limiter::new(plan.requests_per_minute);
        Arc::new(Self { plan, runner, characters })
    }
}

impl AccountEpoch {
    /// An epoch in which no request was counted yet.
    pub(super) fn new(
        ids: IdGenerator,
        rules: AccountRules,
        faults: AccountFaults,
        plan: Plan,
    ) -> Arc<Self> {
        Arc::new(Self {
            ids,
            rules: Arc::new(rules),
            faults,
            plan: RwLock::new(EffectivePlan::new(plan)),
            ended: CancellationToken::new(),
        })
    }

    /// The present plan.
    pub fn plan(&self) -> Plan {
        self.plan.read().plan.clone()
    }

    /// Counts a request to `api` at the time of `clock` against the plan's limit, where it has one
    /// for that API.
    pub fn admit(&self, api: Api, clock: &Clock) -> Option<RateLimitVerdict> {
        let effective = Arc::clone(&self.plan.read());
        let limiter = match api {
            Api::Runner => &effective.runner,
            Api::Characters => &effective.characters,
        };
        limiter.as_ref().map(|limiter| limiter.admit(|| clock.reading()))
    }

    /// The present windows of the limits.
    pub fn windows(&self) -> LimitWindows {
        let effective = self.plan.read();
        let window = |limiter: &Option<Limiter>| limiter.as_ref().and_then(Limiter::window);
        LimitWindows {
            runner: window(&effective.runner),
            characters: window(&effective.characters),
        }
    }

    /// Continues `windows`, on a clock that was set back `set_back` times.
    pub(super) fn continue_windows(&self, windows: LimitWindows, set_back: u64) {
        let effective = self.plan.read();
        let pairs =
            [(&effective.runner, windows.runner), (&effective.characters, windows.characters)];
        for (limiter, window) in pairs {
            if let (Some(limiter), Some(window)) = (limiter, window) {
                limiter.continue_window(window, set_back);
            }
        }
    }

    /// Replaces the plan; the limits start new windows.
    pub(super) fn set_plan(&self, plan: Plan) {
        *self.plan.write() = EffectivePlan::new(plan);
    }

    /// Cancelled when the account is reset, restored, removed or closed. Writes of requests that began
    /// before are then refused.
    pub fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}
