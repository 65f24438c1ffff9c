//! Waits on a clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::account_clock::Clock;

/// Makes the waits of one request on its account's clock, one after the other.
///
/// Each wait is due a fixed time after the one before it. Real time and advances of the clock count
/// together, so one advance can end several waits. A delay is subtracted from the next wait, so that
/// the waits do not drift, but from one wait only: a client that was slow to read gets no burst.
#[derive(Debug)]
pub struct Pacer {
    clock: Arc<Clock>,
    schedule: tokio::sync::Mutex<Schedule>,
}

impl Pacer {
    /// A pacer on `clock`. Advances before this call do not count.
    pub fn on(clock: Arc<Clock>) -> Self {
        let schedule = tokio::sync::Mutex::new(Schedule::new(&clock));
        Self { clock, schedule }
    }

    /// Waits for `wait` after the end of the wait before it.
    pub async fn next(&self, wait: Duration) {
        self.schedule.lock().await.wait(&self.clock, wait).await;
    }
}

impl Clock {
    /// Waits for `wait`; real time and advances count together.
    pub async fn sleep(&self, wait: Duration) {
        Schedule::new(self).wait(self, wait).await;
    }
}

/// The state of consecutive waits.
#[derive(Debug)]
struct Schedule {
    /// When the latest wait was due, in real time.
    due: Option<Instant>,
    /// The sum of the clock's advances when it was last read.
    advanced: Duration,
    /// The part of the advances that has shortened no wait yet.
    unused: Duration,
}

impl Schedule {
    fn new(clock: &Clock) -> Self {
        Self { due: None, advanced: *clock.advances().borrow(), unused: Duration::ZERO }
    }

    async fn wait(&mut self, clock: &Clock, wait: Duration) {
        let mut advances = clock.advances();
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
