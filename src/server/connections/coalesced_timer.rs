//! A timer for hyper that keeps one entry in tokio's timer wheel for each connection.
//!
//! hyper creates a timer for the head of each request and drops it when the head has arrived, which
//! takes a lock that all connections share twice. Here each connection keeps one entry. The entry is
//! moved only when it fires and a later wait is still pending.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;

/// The timer of one connection.
#[derive(Clone)]
pub(super) struct CoalescedTimer(Arc<Mutex<Alarm>>);

/// The entry of the connection in the wheel; `None` before the first wait.
type Alarm = Option<Pin<Box<tokio::time::Sleep>>>;

struct TimerWait {
    alarm: Arc<Mutex<Alarm>>,
    end: Instant,
}

impl CoalescedTimer {
    /// A timer for a new connection.
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }
}

impl Timer for CoalescedTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(TimerWait { alarm: Arc::clone(&self.0), end: deadline })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

impl Sleep for TimerWait {}

impl Future for TimerWait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let end = tokio::time::Instant::from_std(self.end);
        let mut alarm = self.alarm.lock();
        let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if alarm.deadline() > end {
            alarm.as_mut().reset(end);
        }
        loop {
            ready!(alarm.as_mut().poll(context));
            if alarm.deadline() >= end {
                return Poll::Ready(());
            }
            // It was set for an earlier wait.
            alarm.as_mut().reset(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_wait_has_its_length_whatever_the_waits_before_it() {
        let timer = CoalescedTimer::new();
        for length in [1, 3, 2, 2, 5, 1] {
            let start = timer.now();
            timer.sleep(STEP * length).await;
            assert_eq!(timer.now() - start, STEP * length);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_wait_does_not_shorten_the_next() {
        let timer = CoalescedTimer::new();
        for _ in 0..5 {
            let mut dropped = timer.sleep(STEP);
            assert!(futures::poll!(&mut dropped).is_pending());
            tokio::time::advance(STEP / 2).await;
            assert!(futures::poll!(&mut dropped).is_pending());
        }
        let start = timer.now();
        timer.sleep(STEP).await;
        assert_eq!(timer.now() - start, STEP);
    }
}
