//! The clock of an account.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::mode::ClockMode;

/// A clock that runs or is frozen, and can be set and advanced.
#[derive(Debug)]
pub struct Clock {
    state: Mutex<ClockSetting>,
    /// The mode that [`Clock::restart`] restores.
    first: ClockMode,
    /// The sum of all advances; a wait compares it with the value at its start.
    advanced: watch::Sender<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct ClockSetting {
    mode: ClockMode,
    /// How often the clock was set to an earlier time.
    set_back: u64,
}

/// The time of a clock at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    pub now: DateTime<Utc>,
    /// How often the clock was set to an earlier time. The times of two readings can be compared only
    /// if these counts are equal.
    pub set_back: u64,
}

impl Clock {
    /// A clock that runs with the system's time.
    pub fn system() -> Self {
        Self::in_mode(ClockMode::Running { ahead_of_system: TimeDelta::zero() })
    }

    /// A clock that is frozen at `at`.
    pub fn frozen(at: DateTime<Utc>) -> Self {
        Self::in_mode(ClockMode::Frozen { at })
    }

    pub fn in_mode(mode: ClockMode) -> Self {
        let state = Mutex::new(ClockSetting { mode, set_back: 0 });
        Self { state, first: mode, advanced: watch::Sender::new(Duration::ZERO) }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.state.lock().mode.now()
    }

    /// The time, and how often the clock was set back.
    pub fn reading(&self) -> ClockReading {
        let state = *self.state.lock();
        ClockReading { now: state.mode.now(), set_back: state.set_back }
    }

    /// The time; `None` if it is the system's.
    pub fn now_if_not_the_systems(&self) -> Option<DateTime<Utc>> {
        match self.state.lock().mode {
            ClockMode::Running { ahead_of_system } if ahead_of_system.is_zero() => None,
            mode => Some(mode.now()),
        }
    }

    pub fn is_frozen(&self) -> bool {
        matches!(self.state.lock().mode, ClockMode::Frozen { .. })
    }

    /// Sets the time. A running clock keeps running.
    pub fn set(&self, at: DateTime<Utc>) {
        self.change(|mode| match mode {
            ClockMode::Running { .. } => ClockMode::running_from(at),
            ClockMode::Frozen { .. } => ClockMode::Frozen { at },
        });
    }

    /// Freezes the clock at its current time.
    pub fn freeze(&self) {
        self.change(|mode| ClockMode::Frozen { at: mode.now() });
    }

    /// Freezes the clock at `at`.
    pub fn freeze_at(&self, at: DateTime<Utc>) {
        self.change(|_| ClockMode::Frozen { at });
    }

    /// Makes a frozen clock run from its time.
    pub fn run(&self) {
        let mut state = self.state.lock();
        if let ClockMode::Frozen { at } = state.mode {
            state.mode = ClockMode::running_from(at);
        }
    }

    /// The mode at creation.
    pub fn first(&self) -> ClockMode {
        self.first
    }

    /// Restores the mode at creation.
    pub fn restart(&self) {
        self.change(|_| self.first);
    }

    pub fn mode(&self) -> ClockMode {
        self.state.lock().mode
    }

    /// Changes the mode. Pending waits are not affected.
    pub fn set_mode(&self, mode: ClockMode) {
        self.change(|_| mode);
    }

    fn change(&self, to: impl FnOnce(ClockMode) -> ClockMode) {
        let mut state = self.state.lock();
        let before = state.mode.now();
        state.mode = to(state.mode);
        if state.mode.now() < before {
            state.set_back += 1;
        }
    }

    /// Moves the clock forward by `by` and shortens every wait by as much.
    pub fn advance(&self, by: Duration) {
        let step = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        let mut state = self.state.lock();
        state.mode = state.mode.advanced(step);
        drop(state);
        self.advanced.send_modify(|total| *total = total.saturating_add(by));
    }

    /// The sum of all advances, and its changes.
    pub(super) fn advances(&self) -> watch::Receiver<Duration> {
        self.advanced.subscribe()
    }
}
