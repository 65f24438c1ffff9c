//! A timer for hyper that costs a request next to nothing.
//!
//! hyper makes a timer for the head of each request and drops it when the head is there. In tokio's
//! wheel that would be two visits a request to a lock that all connections share. [`Naps`] lets a
//! connection keep one entry in the wheel: it stays where it is while naps come and go, and is moved
//! only when it is over and a nap that was taken since is not.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;

/// The timer of one connection.
#[derive(Clone)]
pub(super) struct CoalescedTimer(Arc<Mutex<Alarm>>);

/// The connection's entry in the wheel, once there is one.
type Alarm = Option<Pin<Box<tokio::time::Sleep>>>;

/// One wait.
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
            // It was set for an earlier nap.
            alarm.as_mut().reset(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_nap_lasts_as_long_as_it_is_to_whatever_came_before() {
        let naps = CoalescedTimer::new();
        for length in [1, 3, 2, 2, 5, 1] {
            let start = naps.now();
            naps.sleep(STEP * length).await;
            assert_eq!(naps.now() - start, STEP * length);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_nap_that_is_cut_short_does_not_shorten_the_next() {
        let naps = CoalescedTimer::new();
        for _ in 0..5 {
            let mut cut = naps.sleep(STEP);
            assert!(futures::poll!(&mut cut).is_pending());
            tokio::time::advance(STEP / 2).await;
            assert!(futures::poll!(&mut cut).is_pending());
        }
        let start = naps.now();
        naps.sleep(STEP).await;
        assert_eq!(naps.now() - start, STEP);
    }
}
