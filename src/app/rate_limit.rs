//! The rate limit of a plan: a number of requests in each window of a minute.
//!
//! Each account has a [`Limiter`]: governor on a clock that ticks in whole windows, so that nothing
//! refills within a window and everything does at the next one. (governor's usual per-minute quota
//! refills continuously and would admit 9 requests of a limit of 5 in the first minute.)

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use thiserror::Error;

use crate::clock::ClockReading;

/// The length of a window, in seconds.
const WINDOW: i64 = 60;
const WINDOW_LENGTH: Duration = Duration::from_mins(1);

/// Admits a number of requests in each window.
#[derive(Debug)]
pub struct Limiter {
    limit: NonZeroU32,
    state: Mutex<State>,
    ticks: WindowTicks,
    governor: RateLimiter<NotKeyed, InMemoryState, WindowTicks, StateInformationMiddleware>,
}

/// The count so far.
#[derive(Debug, Default)]
struct State {
    /// The window the last request fell into.
    window: Option<Window>,
    /// How many requests were admitted in that window.
    used: u32,
}

/// A window that has begun, as snapshots store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedWindow {
    /// Its start in Unix seconds.
    pub begins: i64,
    /// How many requests were admitted in it.
    pub used: u32,
}

/// The window of a request. After the clock was set back, requests belong to a new window, even in the
/// same minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    /// In Unix seconds.
    begins: i64,
    set_back: u64,
}

/// The decision about one request, and the values of the rate-limit headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitVerdict {
    /// Whether it is admitted.
    pub admitted: bool,
    /// The limit: requests in each window.
    pub limit: u32,
    /// Requests left in this window after this one.
    pub remaining: u32,
    /// The end of the window in Unix seconds.
    pub window_ends: i64,
    /// The time until then in whole seconds, at least 1.
    pub seconds_left: u64,
}

/// The plan's limit is used up until the window ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the rate limit of {limit} requests a minute is reached; retry in {retry_after:?}")]
pub struct RateLimitExceeded {
    /// Requests in each window.
    limit: u32,
    /// Time until the window ends.
    retry_after: Duration,
}

impl RateLimitVerdict {
    /// An error if the request is refused.
    pub fn outcome(&self) -> Result<(), RateLimitExceeded> {
        if self.admitted {
            return Ok(());
        }
        let retry_after = Duration::from_secs(self.seconds_left);
        Err(RateLimitExceeded { limit: self.limit, retry_after })
    }
}

impl Limiter {
    /// A limiter of `limit` requests in each window; `None` for a limit of 0.
    pub fn new(limit: u32) -> Option<Self> {
        let limit = NonZeroU32::new(limit)?;
        let ticks = WindowTicks::default();
        // `limit` periods fit into one tick, so each tick refills the whole limit.
        let quota = Quota::with_period(WINDOW_LENGTH / limit.get())?.allow_burst(limit);
        let governor = RateLimiter::direct_with_clock(quota, ticks.clone())
            .with_middleware::<StateInformationMiddleware>();
        Some(Self { limit, state: Mutex::default(), ticks, governor })
    }

    /// Counts a request at the present time.
    ///
    /// The clock is read under the lock. Otherwise, at the turn of a minute, the later of two requests
    /// could be counted first, and the earlier one would start its window again.
    pub fn admit(&self, clock: impl FnOnce() -> ClockReading) -> RateLimitVerdict {
        let mut state = self.state.lock();
        let ClockReading { now, set_back } = clock();
        let now = now.timestamp();
        let begins = now - now.rem_euclid(WINDOW);
        let window_ends = begins + WINDOW;
        let current = Window { begins, set_back };
        if state.window.replace(current) != Some(current) {
            self.ticks.0.fetch_add(1, Ordering::Relaxed);
            state.used = 0;
        }
        let outcome = self.governor.check();
        state.used += u32::from(outcome.is_ok());
        drop(state);
        RateLimitVerdict {
            admitted: outcome.is_ok(),
            limit: self.limit.get(),
            remaining: outcome.map_or(0, |state| state.remaining_burst_capacity()),
            window_ends,
            seconds_left: (window_ends - now).unsigned_abs(),
        }
    }

    /// The window of the last request, and how many requests were admitted in it.
    pub fn window(&self) -> Option<UsedWindow> {
        let state = self.state.lock();
        state.window.map(|window| UsedWindow { begins: window.begins, used: state.used })
    }

    /// Continues a window, on a clock that was set back `set_back` times. At most the limit of its
    /// requests is counted.
    pub fn continue_window(&self, window: UsedWindow, set_back: u64) {
        let mut state = self.state.lock();
        state.window = Some(Window { begins: window.begins, set_back });
        state.used = window.used.min(self.limit.get());
        self.ticks.0.fetch_add(1, Ordering::Relaxed);
        if let Some(used) = NonZeroU32::new(state.used) {
            // A fresh tick admits the whole limit, so none is refused.
            let _ = self.governor.check_n(used);
        }
    }
}

/// The number of windows since the start: the time unit of governor.
#[derive(Debug, Clone, Default)]
struct WindowTicks(Arc<AtomicU64>);

impl Clock for WindowTicks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let windows = u32::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        Nanos::from(WINDOW_LENGTH.saturating_mul(windows))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn at(seconds: i64) -> ClockReading {
        let now = DateTime::from_timestamp(1_700_000_040 + seconds, 0).unwrap();
        ClockReading { now, set_back: 0 }
    }

    #[test]
    fn a_window_lets_exactly_the_limit_through_and_counts_down() {
        for limit in [1, 5, 7, 100, 999] {
            let limiter = Limiter::new(limit).unwrap();
            for window in 0..3 {
                let left: Vec<u32> =
                    (0..limit).map(|_| limiter.admit(|| at(60 * window)).remaining).collect();
                assert_eq!(left, (0..limit).rev().collect::<Vec<_>>(), "limit {limit}");
                let refused = limiter.admit(|| at(60 * window + 59));
                assert_eq!((refused.admitted, refused.remaining), (false, 0));
            }
        }
    }

    #[test]
    fn nothing_refills_inside_a_window() {
        let limiter = Limiter::new(5).unwrap();
        for second in [0, 12, 24, 36, 48] {
            assert!(limiter.admit(|| at(second)).admitted);
        }
        assert!(!limiter.admit(|| at(59)).admitted);
        assert!(limiter.admit(|| at(60)).admitted);
    }

    #[test]
    fn the_window_ends_at_the_full_minute() {
        let verdict = Limiter::new(5).unwrap().admit(|| at(13));
        assert_eq!(verdict.window_ends, at(60).now.timestamp());
        assert_eq!(verdict.seconds_left, 47);
    }

    #[test]
    fn a_clock_set_back_starts_a_fresh_window() {
        let limiter = Limiter::new(1).unwrap();
        assert!(limiter.admit(|| at(0)).admitted);
        assert!(!limiter.admit(|| at(1)).admitted);
        assert!(limiter.admit(|| at(-3600)).admitted);
    }

    #[test]
    fn a_clock_set_back_inside_a_minute_starts_a_fresh_window_once() {
        let limiter = Limiter::new(1).unwrap();
        let back = |seconds| ClockReading { set_back: 1, ..at(seconds) };
        assert!(limiter.admit(|| at(30)).admitted);
        assert!(!limiter.admit(|| at(31)).admitted);
        assert!(limiter.admit(|| back(29)).admitted);
        assert!(!limiter.admit(|| back(29)).admitted);
    }

    #[test]
    fn a_window_that_was_kept_goes_on_where_it_stopped() {
        for (limit, left) in [(5, 2), (3, 0), (2, 0)] {
            let limiter = Limiter::new(5).unwrap();
            (0..3).for_each(|second| assert!(limiter.admit(|| at(second)).admitted));
            let again = Limiter::new(limit).unwrap();
            again.continue_window(limiter.window().unwrap(), 7);
            let back = |seconds| ClockReading { set_back: 7, ..at(seconds) };
            let passed = (0..limit).filter(|_| again.admit(|| back(5)).admitted).count();
            assert_eq!(passed, left);
            assert!(again.admit(|| back(60)).admitted, "the next window is a fresh one");
        }
    }

    #[test]
    fn many_threads_share_one_window_without_gap_or_repeat() {
        let limiter = Limiter::new(100).unwrap();
        let mut left: Vec<u32> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        (0..40).map(|_| limiter.admit(|| at(0))).filter(|v| v.admitted).collect()
                    })
                })
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| -> Vec<RateLimitVerdict> { thread.join().unwrap() })
                .map(|verdict| verdict.remaining)
                .collect()
        });
        left.sort_unstable();
        assert_eq!(left, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn at_the_turn_of_the_minute_no_window_begins_twice() {
        use std::collections::HashMap;
        use std::sync::atomic::AtomicI64;

        const LIMIT: u32 = 10;
        let limiter = Limiter::new(LIMIT).unwrap();
        let milliseconds = AtomicI64::new(0);
        let clock = || at(milliseconds.fetch_add(1, Ordering::Relaxed) / 10);
        let admitted: Vec<i64> = std::thread::scope(|scope| {
            let ask = || (0..3000).map(|_| limiter.admit(clock)).collect::<Vec<_>>();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            let verdicts = threads.into_iter().flat_map(|thread| thread.join().unwrap());
            verdicts.filter(|verdict| verdict.admitted).map(|verdict| verdict.window_ends).collect()
        });
        let mut windows: HashMap<i64, u32> = HashMap::new();
        for end in admitted {
            *windows.entry(end).or_default() += 1;
        }
        assert_eq!(windows.len(), 40);
        assert!(windows.values().all(|admitted| *admitted == LIMIT), "{windows:?}");
    }
}
