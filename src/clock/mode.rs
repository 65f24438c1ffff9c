//! Whether a clock runs, and the time that it shows.

use chrono::{DateTime, TimeDelta, Utc};

/// Whether a clock runs, and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockMode {
    Running {
        /// How much it is ahead of the system's clock; negative if it is behind.
        ahead_of_system: TimeDelta,
    },
    Frozen {
        /// The time that it shows.
        at: DateTime<Utc>,
    },
}

impl ClockMode {
    /// The mode of a clock with the time `now`, frozen or running.
    pub fn at(now: DateTime<Utc>, frozen: bool) -> Self {
        if frozen { Self::Frozen { at: now } } else { Self::running_from(now) }
    }

    /// The mode of a clock that runs and shows `now`.
    pub(super) fn running_from(now: DateTime<Utc>) -> Self {
        Self::Running { ahead_of_system: now - system_now() }
    }

    /// This mode, `by` later.
    pub(super) fn advanced(self, by: TimeDelta) -> Self {
        match self {
            Self::Running { ahead_of_system } => {
                let further = ahead_of_system.checked_add(&by).unwrap_or(TimeDelta::MAX);
                Self::running_from(ahead(further))
            }
            Self::Frozen { at } => {
                Self::Frozen { at: at.checked_add_signed(by).unwrap_or(LAST).min(LAST) }
            }
        }
    }

    pub(super) fn now(self) -> DateTime<Utc> {
        match self {
            Self::Running { ahead_of_system } => ahead(ahead_of_system),
            Self::Frozen { at } => at,
        }
    }
}

/// The last second of the year 9999, the latest that RFC 3339 can express. Clocks stop there.
pub const LAST: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(last) => last,
    None => DateTime::<Utc>::MAX_UTC,
};

/// The system's time plus an offset.
fn ahead(of_system: TimeDelta) -> DateTime<Utc> {
    system_now().checked_add_signed(of_system).unwrap_or(LAST).min(LAST)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
pub(super) fn system_now() -> DateTime<Utc> {
    Utc::now()
}
