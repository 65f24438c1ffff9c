//! The clock of an account inside a test.

use std::sync::Arc;
use std::time::Duration;

use super::{Account, Time};
use crate::domain::error::with_sources;

/// An account's clock: [`Account::clock`]. What is changed about it holds at once, and with a
/// database in a file it still holds after a restart.
#[derive(Debug, Clone, Copy)]
pub struct AccountClock<'a>(pub(super) &'a Account);

impl AccountClock<'_> {
    /// What it says.
    pub fn now(self) -> Time {
        self.0.state.clock.now()
    }

    /// Whether it stands still.
    pub fn is_frozen(self) -> bool {
        self.0.state.clock.is_frozen()
    }

    /// Sets it; it goes on running, or standing still.
    pub fn set(self, at: Time) {
        self.0.state.clock.set(at);
        self.save();
    }

    /// Lets it stand still, where it is.
    pub fn freeze(self) {
        self.0.state.clock.freeze();
        self.save();
    }

    /// Lets it stand still at `at`.
    pub fn freeze_at(self, at: Time) {
        self.0.state.clock.freeze_at(at);
        self.save();
    }

    /// Lets it run on from where it is.
    pub fn run(self) {
        self.0.state.clock.run();
        self.save();
    }

    /// Moves it forward by `by`, and ends every wait that this passes over.
    pub fn advance(self, by: Duration) {
        self.0.state.clock.advance(by);
        self.save();
    }

    /// Stores how it goes, while the test goes on.
    fn save(self) {
        let (registry, account) = (Arc::clone(&self.0.core.registry), Arc::clone(&self.0.state));
        self.0.core.begin(async move {
            if let Err(error) = registry.save_clock(&account).await {
                tracing::warn!(error = with_sources(&error), "a clock is not stored");
            }
        });
    }
}
