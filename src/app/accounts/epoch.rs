//! The part of an account's in-memory state that a reset or a restore replaces as a whole.
//!
//! A request keeps the epoch that its account had when it began, and what it writes is stored only
//! while that epoch lasts. The writer publishes a new epoch between the commit that replaces the
//! account's data and the next act, so that data and epoch never differ.

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
    /// Its ids.
    pub ids: IdGenerator,
    /// Its rules and queue, and how often each rule has answered.
    pub rules: Arc<AccountRules>,
    /// Its faults, with their counts.
    pub faults: AccountFaults,
    /// Changes with the plan, and so within an epoch.
    terms: RwLock<Arc<EffectivePlan>>,
    ended: CancellationToken,
}

/// A plan and the windows of its limits.
#[derive(Debug)]
struct EffectivePlan {
    plan: Plan,
    runner: Option<Limiter>,
    characters: Option<Limiter>,
}

/// Windows of the limits that have begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitWindows {
    /// That of the limit to the Runner API.
    pub runner: Option<UsedWindow>,
    /// That of the limit to the Characters API.
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
    /// An epoch in which nothing has been limited yet.
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
            terms: RwLock::new(EffectivePlan::new(plan)),
            ended: CancellationToken::new(),
        })
    }

    /// The plan as it is now.
    pub fn plan(&self) -> Plan {
        self.terms.read().plan.clone()
    }

    /// Counts a request to `api` at the time of `clock` against the plan's limit, where it has one
    /// for that API.
    pub fn admit(&self, api: Api, clock: &Clock) -> Option<RateLimitVerdict> {
        let terms = Arc::clone(&self.terms.read());
        let limiter = match api {
            Api::Runner => &terms.runner,
            Api::Characters => &terms.characters,
        };
        limiter.as_ref().map(|limiter| limiter.admit(|| clock.reading()))
    }

    /// The windows of the limits as they are now.
    pub fn windows(&self) -> LimitWindows {
        let terms = self.terms.read();
        let window = |limiter: &Option<Limiter>| limiter.as_ref().and_then(Limiter::window);
        LimitWindows { runner: window(&terms.runner), characters: window(&terms.characters) }
    }

    /// Goes on in `windows`, on a clock that was set back `set_back` times.
    pub(super) fn go_on_in(&self, windows: LimitWindows, set_back: u64) {
        let terms = self.terms.read();
        let pairs = [(&terms.runner, windows.runner), (&terms.characters, windows.characters)];
        for (limiter, window) in pairs {
            if let (Some(limiter), Some(window)) = (limiter, window) {
                limiter.go_on(window, set_back);
            }
        }
    }

    /// Another plan from now on, whose limits start a window.
    pub(super) fn set_plan(&self, plan: Plan) {
        *self.terms.write() = EffectivePlan::new(plan);
    }

    /// Cancelled once the account is reset, restored, removed or closed. What was begun before must
    /// not be stored any more.
    pub fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}
