//! Time as an argument: the clock of an account, and waits on it.
//!
//! One [`Clock`] serves production and tests. It runs with the system's time until it is frozen,
//! set or advanced. Waiting ([`Clock::sleep`]) takes real time, frozen or not, so that a paced
//! stream never hangs; advancing the clock ends the waits that it passes over. A [`Pacer`] makes the
//! waits of one request: an advance shortens the later ones, too.
//!
//! Nothing else in the crate reads a system clock or sleeps (`clippy.toml` holds this).

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

/// A clock that runs or is frozen, and can be set and advanced.
#[derive(Debug)]
pub struct Clock {
    hands: Mutex<Hands>,
    /// The mode that [`Clock::restart`] restores.
    first: ClockMode,
    /// The sum of all advances so far: a sleeper compares it with the value at its start.
    advanced: watch::Sender<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Hands {
    mode: ClockMode,
    /// How often the clock was set to an earlier time.
    set_back: u64,
}

/// The time of a clock at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// The time.
    pub now: DateTime<Utc>,
    /// How often the clock was set to an earlier time. The times of two readings can be compared only
    /// if these counts are equal.
    pub set_back: u64,
}

/// Whether a clock runs, and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockMode {
    /// It runs.
    Running {
        /// By how much it is ahead of the system's clock; negative if it is behind.
        ahead_of_system: TimeDelta,
    },
    /// It stands still.
    Frozen {
        /// Its time.
        at: DateTime<Utc>,
    },
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

    /// A clock in this mode.
    pub fn in_mode(mode: ClockMode) -> Self {
        let hands = Mutex::new(Hands { mode, set_back: 0 });
        Self { hands, first: mode, advanced: watch::Sender::new(Duration::ZERO) }
    }

    /// The time.
    pub fn now(&self) -> DateTime<Utc> {
        self.hands.lock().mode.now()
    }

    /// The time, and how often the clock was set back.
    pub fn reading(&self) -> ClockReading {
        let hands = *self.hands.lock();
        ClockReading { now: hands.mode.now(), set_back: hands.set_back }
    }

    /// The time, unless it is that of the system.
    pub fn now_if_not_the_systems(&self) -> Option<DateTime<Utc>> {
        match self.hands.lock().mode {
            ClockMode::Running { ahead_of_system } if ahead_of_system.is_zero() => None,
            ClockMode::Running { ahead_of_system } => Some(ahead(ahead_of_system)),
            ClockMode::Frozen { at } => Some(at),
        }
    }

    /// Whether the clock is frozen.
    pub fn is_frozen(&self) -> bool {
        matches!(self.hands.lock().mode, ClockMode::Frozen { .. })
    }

    /// Sets the time. A running clock keeps running.
    pub fn set(&self, at: DateTime<Utc>) {
        self.change(|mode| match mode {
            ClockMode::Running { .. } => ClockMode::Running { ahead_of_system: at - system_now() },
            ClockMode::Frozen { .. } => ClockMode::Frozen { at },
        });
    }

    /// Freezes the clock at its time.
    pub fn freeze(&self) {
        self.change(|mode| ClockMode::Frozen { at: mode.now() });
    }

    /// Freezes the clock at `at`.
    pub fn freeze_at(&self, at: DateTime<Utc>) {
        self.change(|_| ClockMode::Frozen { at });
    }

    /// Lets the clock run from its time.
    pub fn run(&self) {
        let mut hands = self.hands.lock();
        if let ClockMode::Frozen { at } = hands.mode {
            hands.mode = ClockMode::Running { ahead_of_system: at - system_now() };
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

    /// The mode.
    pub fn mode(&self) -> ClockMode {
        self.hands.lock().mode
    }

    /// Changes the mode. Pending waits are not affected.
    pub fn set_mode(&self, mode: ClockMode) {
        self.change(|_| mode);
    }

    fn change(&self, to: impl FnOnce(ClockMode) -> ClockMode) {
        let mut hands = self.hands.lock();
        let before = hands.mode.now();
        hands.mode = to(hands.mode);
        if hands.mode.now() < before {
            hands.set_back += 1;
        }
    }

    /// Moves the clock forward by `by` and ends every wait that this passes over.
    pub fn advance(&self, by: Duration) {
        let step = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        let mut hands = self.hands.lock();
        hands.mode = match hands.mode {
            ClockMode::Running { ahead_of_system } => {
                let further = ahead_of_system.checked_add(&step).unwrap_or(TimeDelta::MAX);
                ClockMode::Running { ahead_of_system: ahead(further) - system_now() }
            }
            ClockMode::Frozen { at } => {
                ClockMode::Frozen { at: at.checked_add_signed(step).unwrap_or(LAST).min(LAST) }
            }
        };
        drop(hands);
        self.advanced.send_modify(|total| *total = total.saturating_add(by));
    }

    /// Waits for `wait`: real time and advances count together.
    pub async fn sleep(&self, wait: Duration) {
        Schedule::begun(self).wait(self, wait).await;
    }
}

impl ClockMode {
    /// The mode of a clock with the time `now`, frozen or running.
    pub fn at(now: DateTime<Utc>, frozen: bool) -> Self {
        if frozen {
            Self::Frozen { at: now }
        } else {
            Self::Running { ahead_of_system: now - system_now() }
        }
    }

    fn now(self) -> DateTime<Utc> {
        match self {
            Self::Running { ahead_of_system } => ahead(ahead_of_system),
            Self::Frozen { at } => at,
        }
    }
}

/// Makes the waits of one request on its account's clock, one after the other.
///
/// Each wait is due a fixed time after the one before it. Real time and advances of the clock count
/// together, so one advance ends all waits that it passes over, the later ones without a pause. A
/// delay is subtracted from the next wait, so that the waits do not drift, but never from more than
/// one: a client that was slow to read gets no burst.
#[derive(Debug)]
pub struct Pacer {
    clock: Arc<Clock>,
    schedule: tokio::sync::Mutex<Schedule>,
}

impl Pacer {
    /// A pacer on `clock`; its advances count from now on.
    pub fn on(clock: Arc<Clock>) -> Self {
        let schedule = tokio::sync::Mutex::new(Schedule::begun(&clock));
        Self { clock, schedule }
    }

    /// Waits for `wait` after the end of the wait before it.
    pub async fn next(&self, wait: Duration) {
        self.schedule.lock().await.wait(&self.clock, wait).await;
    }
}

/// The state of a chain of waits.
#[derive(Debug)]
struct Schedule {
    /// When the latest wait was due, in real time.
    due: Option<Instant>,
    /// The sum of the clock's advances when it was last read.
    advanced: Duration,
    /// The part of the advances that has not shortened a wait yet.
    unused: Duration,
}

impl Schedule {
    fn begun(clock: &Clock) -> Self {
        Self { due: None, advanced: *clock.advanced.borrow(), unused: Duration::ZERO }
    }

    async fn wait(&mut self, clock: &Clock, wait: Duration) {
        let mut advances = clock.advanced.subscribe();
        let left = self.shortened(wait, *advances.borrow_and_update());
        let now = Instant::now();
        let late = self.due.map_or(Duration::ZERO, |due| now.saturating_duration_since(due));
        let mut end = now + left.saturating_sub(late);
        self.due = Some(end);
        while end > Instant::now() {
            tokio::select! {
                () = tokio::time::sleep_until(end) => return,
                _ = advances.changed() => {
                    let now = Instant::now();
                    let left = end.saturating_duration_since(now);
                    end = now + self.shortened(left, *advances.borrow_and_update());
                    self.due = Some(end);
                }
            }
        }
    }

    /// The rest of `wait` after advances whose sum is `advanced` now.
    fn shortened(&mut self, wait: Duration, advanced: Duration) -> Duration {
        let usable = self.unused.saturating_add(advanced.saturating_sub(self.advanced));
        self.advanced = advanced;
        self.unused = usable.saturating_sub(wait);
        wait.saturating_sub(usable)
    }
}

/// The last second of the year 9999, the last that RFC 3339 can write: clocks stop there.
const LAST: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(last) => last,
    None => DateTime::<Utc>::MAX_UTC,
};

/// The system's time plus an offset.
fn ahead(of_system: TimeDelta) -> DateTime<Utc> {
    system_now().checked_add_signed(of_system).unwrap_or(LAST).min(LAST)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
fn system_now() -> DateTime<Utc> {
    Utc::now()
}

/// Measures real time, for latencies and time limits.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts a stopwatch.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Real time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Formats a time as `2026-03-24T09:00:00Z`: RFC 3339, UTC, whole seconds, as in every sample of the
/// documents.
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Formats a time to the nanosecond: `2026-03-24T09:00:00.25Z`.
pub fn exact_rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Parses an RFC 3339 time with any offset.
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
        let waits = Pacer::on(Arc::new(Clock::frozen(system_now())));
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

    #[tokio::test(start_paused = true)]
    async fn an_advance_counts_for_the_waits_that_come_after_the_one_it_ends() {
        let ms = Duration::from_millis;
        let clock = Arc::new(Clock::frozen(nine_o_clock()));
        let waits = Pacer::on(Arc::clone(&clock));
        // Before the first wait, in the middle of one, and between two.
        clock.advance(ms(250));
        let start = Instant::now();
        for _ in 0..3 {
            waits.next(ms(100)).await;
        }
        assert_eq!(start.elapsed(), ms(50));
        let mut wait = Box::pin(waits.next(ms(100)));
        assert!(futures::poll!(&mut wait).is_pending());
        clock.advance(ms(350));
        wait.await;
        waits.next(ms(100)).await;
        waits.next(ms(100)).await;
        assert_eq!(start.elapsed(), ms(50));
        clock.advance(ms(1));
        waits.next(ms(100)).await;
        assert_eq!(start.elapsed(), ms(50 + 49));
    }

    #[test]
    fn a_clock_counts_how_often_it_is_set_back() {
        let clock = Clock::frozen(nine_o_clock());
        for later in [0, 1, 60] {
            clock.set(nine_o_clock() + TimeDelta::seconds(later));
        }
        clock.advance(Duration::from_secs(1));
        clock.freeze();
        assert_eq!(clock.reading().set_back, 0);
        clock.set(nine_o_clock() + TimeDelta::milliseconds(60_999));
        clock.freeze_at(nine_o_clock());
        assert_eq!(clock.reading(), ClockReading { now: nine_o_clock(), set_back: 2 });
    }
}
