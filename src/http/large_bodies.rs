//! Limits the memory that large request bodies take together.
//!
//! A body is in memory several times: as bytes, as values, as what is stored and answered. So a large
//! body needs a permit before it is read, and keeps it until its request is answered. Requests wait for
//! permits in the order of arrival. Small bodies never wait.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest body that needs no permit, in bytes.
pub(super) const SMALL: usize = 64 * 1024;
/// The bytes of one unit of a permit.
const UNIT: usize = 1024;
/// The units of all permits together: 32 MiB beyond [`SMALL`].
const UNITS: u16 = 32 * 1024;

/// The permits for large bodies.
#[derive(Debug, Clone)]
pub struct LargeBodies(Arc<Semaphore>);

/// The permit of a large body. Dropping it frees its units.
#[derive(Debug)]
pub(crate) struct LargeBodyPermit(OwnedSemaphorePermit);

impl Default for LargeBodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(UNITS.into())))
    }
}

impl LargeBodies {
    /// Waits for the permit of a body of `length` bytes; a small body gets none. A body that is larger than
    /// the limit takes all units.
    pub(super) async fn acquire(&self, length: usize) -> Option<LargeBodyPermit> {
        let units = units(length);
        if units == 0 {
            return None;
        }
        // The semaphore is never closed.
        let permit = Arc::clone(&self.0).acquire_many_owned(units.into()).await;
        permit.ok().map(LargeBodyPermit)
    }
}

impl LargeBodyPermit {
    /// Frees the units that a body of `length` bytes does not need.
    pub(super) fn shrink_to(&mut self, length: usize) {
        let needed = usize::from(units(length));
        drop(self.0.split(self.0.num_permits().saturating_sub(needed)));
    }
}

fn units(length: usize) -> u16 {
    let units = length.saturating_sub(SMALL).div_ceil(UNIT);
    u16::try_from(units).map_or(UNITS, |units| units.min(UNITS))
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const TOGETHER: usize = 32 * 1024 * 1024;

    #[tokio::test]
    async fn large_bodies_wait_for_each_other_and_small_ones_do_not() {
        let bodies = LargeBodies::default();
        let mut first = bodies.acquire(TOGETHER).await.unwrap();
        assert!(bodies.acquire(SMALL).now_or_never().unwrap().is_none(), "needs no permit");
        let mut second = Box::pin(bodies.acquire(3 * SMALL));
        assert!(second.as_mut().now_or_never().is_none());
        first.shrink_to(TOGETHER / 2);
        assert!(second.now_or_never().unwrap().is_some());
    }

    #[tokio::test]
    async fn a_body_larger_than_the_limit_takes_all_units() {
        let bodies = LargeBodies::default();
        let permit = bodies.acquire(usize::MAX).await.unwrap();
        assert!(bodies.acquire(2 * SMALL).now_or_never().is_none());
        drop(permit);
        assert!(bodies.acquire(2 * SMALL).now_or_never().unwrap().is_some());
    }
}
