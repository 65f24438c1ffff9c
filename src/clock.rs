//! Time as an argument: what an account's world calls now, and how it waits.
//!
//! One [`Clock`] serves production and tests. It runs with the system's time until it is frozen,
//! set or advanced. Waiting ([`Clock::sleep`]) takes real time, frozen or not, so that a paced
//! stream never hangs; advancing the clock ends the waits that it passes over.
//!
//! Nothing else in the crate reads a system clock or sleeps (`clippy.toml` holds this).

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

/// A clock that runs, stands still, or jumps, at its owner's word.
#[derive(Debug)]
pub struct Clock {
    mode: Mutex<Mode>,
    /// How it was made, and is again when its world begins anew.
    first: Mode,
    /// The sum of all advances so far: sleepers compare it with what it was when they lay down.
    advanced: watch::Sender<Duration>,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Running { ahead_of_system: TimeDelta },
    Frozen { at: DateTime<Utc> },
}

impl Clock {
    /// A clock that runs with the system's time.
    pub fn system() -> Self {
        Self::in_mode(Mode::Running { ahead_of_system: TimeDelta::zero() })
    }

    /// A clock that stands still at `at`.
    pub fn frozen(at: DateTime<Utc>) -> Self {
        Self::in_mode(Mode::Frozen { at })
    }

    fn in_mode(mode: Mode) -> Self {
        Self { mode: Mutex::new(mode), first: mode, advanced: watch::Sender::new(Duration::ZERO) }
    }

    /// What this clock says.
    pub fn now(&self) -> DateTime<Utc> {
        match *self.mode.lock() {
            Mode::Running { ahead_of_system } => ahead(ahead_of_system),
            Mode::Frozen { at } => at,
        }
    }

    /// What this clock says, unless it says what the system's clock does.
    pub fn now_if_not_the_systems(&self) -> Option<DateTime<Utc>> {
        match *self.mode.lock() {
            Mode::Running { ahead_of_system } if ahead_of_system.is_zero() => None,
            Mode::Running { ahead_of_system } => Some(ahead(ahead_of_system)),
            Mode::Frozen { at } => Some(at),
        }
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        matches!(*self.mode.lock(), Mode::Frozen { .. })
    }

    /// Sets the clock; it goes on running, or standing still.
    pub fn set(&self, at: DateTime<Utc>) {
        let mut mode = self.mode.lock();
        *mode = match *mode {
            Mode::Running { .. } => Mode::Running { ahead_of_system: at - system_now() },
            Mode::Frozen { .. } => Mode::Frozen { at },
        };
    }

    /// Lets the clock stand still, where it is.
    pub fn freeze(&self) {
        self.freeze_at(self.now());
    }

    /// Lets the clock stand still at `at`.
    pub fn freeze_at(&self, at: DateTime<Utc>) {
        *self.mode.lock() = Mode::Frozen { at };
    }

    /// Lets the clock run on from where it is.
    pub fn run(&self) {
        let mut mode = self.mode.lock();
        if let Mode::Frozen { at } = *mode {
            *mode = Mode::Running { ahead_of_system: at - system_now() };
        }
    }

    /// Puts the clock back to how it was made.
    pub fn restart(&self) {
        *self.mode.lock() = self.first;
    }

    /// Moves the clock forward by `by`, and ends every wait that this passes over.
    pub fn advance(&self, by: Duration) {
        let step = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        let mut mode = self.mode.lock();
        *mode = match *mode {
            Mode::Running { ahead_of_system } => {
                let further = ahead_of_system.checked_add(&step).unwrap_or(TimeDelta::MAX);
                Mode::Running { ahead_of_system: ahead(further) - system_now() }
            }
            Mode::Frozen { at } => {
                Mode::Frozen { at: at.checked_add_signed(step).unwrap_or(LAST).min(LAST) }
            }
        };
        drop(mode);
        self.advanced.send_modify(|total| *total = total.saturating_add(by));
    }

    /// Returns once `wait` of real time has passed, or the clock was advanced by the rest of it.
    pub async fn sleep(&self, wait: Duration) {
        self.sleep_from(Instant::now(), wait).await;
    }

    /// The same, counted from `lay_down`. Tells when real time had it end, unless an advance did.
    async fn sleep_from(&self, lay_down: Instant, wait: Duration) -> Option<Instant> {
        if wait.is_zero() {
            return Some(lay_down);
        }
        let mut advanced = self.advanced.subscribe();
        let advanced_before = *advanced.borrow_and_update();
        loop {
            let skipped = advanced.borrow_and_update().saturating_sub(advanced_before);
            let end = lay_down + wait.checked_sub(skipped)?;
            tokio::select! {
                () = tokio::time::sleep_until(end) => return Some(end),
                changed = advanced.changed() => changed.ok()?,
            }
        }
    }
}

/// Waits one after the other on a clock. What one of them, and what came behind it, took too long
/// is taken off the next, so that many of them do not drift.
#[derive(Debug)]
pub struct Waits {
    clock: Arc<Clock>,
    /// When the last one was to end, if it ended in real time.
    due: Option<Instant>,
}

impl Waits {
    /// Waits on `clock`.
    pub fn on(clock: Arc<Clock>) -> Self {
        Self { clock, due: None }
    }

    /// The next one.
    pub async fn next(&mut self, wait: Duration) {
        let now = Instant::now();
        let late = self.due.map_or(Duration::ZERO, |due| now.saturating_duration_since(due));
        let lay_down = now.checked_sub(late.min(wait)).unwrap_or(now);
        self.due = self.clock.sleep_from(lay_down, wait).await;
    }
}

/// The last second that four digits of year can write: clocks stop there.
const LAST: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(last) => last,
    None => DateTime::<Utc>::MAX_UTC,
};

/// The system's time and so much more.
fn ahead(of_system: TimeDelta) -> DateTime<Utc> {
    system_now().checked_add_signed(of_system).unwrap_or(LAST).min(LAST)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
fn system_now() -> DateTime<Utc> {
    Utc::now()
}

/// Measures real time from its making, for latencies and time limits on the wire.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts one.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Real time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// `2026-03-24T09:00:00Z`: RFC 3339, UTC, whole seconds, as every sample in the documents.
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time written as RFC 3339 has it, in any offset.
pub fn parse_rfc3339(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nine_o_clock() -> DateTime<Utc> {
        "2026-03-24T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_frozen_clock_moves_only_when_it_is_advanced() {
        let clock = Clock::frozen(nine_o_clock());
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::from_secs(61));
        assert_eq!(rfc3339(clock.now()), "2026-03-24T09:01:01Z");
    }

    #[test]
    fn a_running_clock_that_is_advanced_is_ahead_of_the_system() {
        let clock = Clock::system();
        let before = clock.now();
        clock.advance(Duration::from_hours(1));
        assert!(clock.now() - before >= TimeDelta::seconds(3600));
    }

    #[test]
    fn an_advance_past_the_end_of_time_stops_there() {
        let clock = Clock::frozen(nine_o_clock());
        clock.advance(Duration::MAX);
        assert_eq!(rfc3339(clock.now()), "9999-12-31T23:59:59Z");
        let running = Clock::system();
        running.advance(Duration::MAX);
        running.advance(Duration::MAX);
        assert_eq!(rfc3339(running.now()), "9999-12-31T23:59:59Z");
    }

    #[tokio::test]
    async fn an_advance_ends_the_waits_it_passes_over_and_no_others() {
        let clock = Arc::new(Clock::frozen(nine_o_clock()));
        let hour = Duration::from_hours(1);
        let mut wait = tokio_test_wait(&clock, hour);
        assert!(futures::poll!(&mut wait).is_pending());
        clock.advance(hour / 2);
        assert!(futures::poll!(&mut wait).is_pending());
        clock.advance(hour / 2);
        wait.await;
    }

    fn tokio_test_wait(
        clock: &Arc<Clock>,
        wait: Duration,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
        let clock = Arc::clone(clock);
        Box::pin(async move { clock.sleep(wait).await })
    }

    #[tokio::test(start_paused = true)]
    async fn waits_one_after_the_other_do_not_drift() {
        let ms = Duration::from_millis;
        let mut waits = Waits::on(Arc::new(Clock::frozen(system_now())));
        let start = Instant::now();
        for _ in 0..10 {
            waits.next(ms(20)).await;
            // What the one who waits does in between.
            tokio::time::advance(ms(3)).await;
        }
        assert_eq!(start.elapsed(), ms(10 * 20 + 3));
        // More than one wait is not made up for: whoever was held up gets no burst.
        tokio::time::advance(ms(500)).await;
        let start = Instant::now();
        waits.next(ms(20)).await;
        waits.next(ms(20)).await;
        assert_eq!(start.elapsed(), ms(20));
    }
}
