//! The clock of an account inside a test.

use std::sync::Arc;
use std::time::Duration;

use super::Time;
use super::thread::ServerHandle;
use crate::app::AccountState;
use crate::domain::error::with_sources;

/// The clock of an account, from [`Account::clock`](super::Account::clock). Changes apply at once. With a
/// database in a file they survive a restart.
#[derive(Debug, Clone, Copy)]
pub struct AccountClock<'a> {
    pub(super) server: &'a ServerHandle,
    pub(super) state: &'a Arc<AccountState>,
}

impl AccountClock<'_> {
    /// The time.
    pub fn now(self) -> Time {
        self.state.clock.now()
    }

    /// Whether the clock is frozen.
    pub fn is_frozen(self) -> bool {
        self.state.clock.is_frozen()
    }

    /// Sets the time. A running clock keeps running.
    pub fn set(self, at: Time) {
        self.state.clock.set(at);
        self.save();
    }

    /// Freezes the clock at its time.
    pub fn freeze(self) {
        self.state.clock.freeze();
        self.save();
    }

    /// Freezes the clock at `at`.
    pub fn freeze_at(self, at: Time) {
        self.state.clock.freeze_at(at);
        self.save();
    }

    /// Makes a frozen clock run from its time.
    pub fn run(self) {
        self.state.clock.run();
        self.save();
    }

    /// Moves the clock forward by `by` and shortens every wait by as much.
    pub fn advance(self, by: Duration) {
        self.state.clock.advance(by);
        self.save();
    }

    /// Stores the clock in the background.
    fn save(self) {
        let (registry, account) = (Arc::clone(&self.server.registry), Arc::clone(self.state));
        self.server.begin(async move {
            if let Err(error) = registry.save_clock(&account).await {
                tracing::warn!(error = with_sources(&error), "a clock is not stored");
            }
        });
    }
}
