//! What large request bodies may take together.
//!
//! A body and what is made of it are in memory several times over: as bytes, as values, as what is
//! stored and answered. So a body that is larger than most takes a place before it is read, for as
//! long as its request is being answered, and waits for one in the order of arrival if there is none.
//! Smaller bodies never wait.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest body that needs no place, in bytes.
pub(super) const SMALL: usize = 64 * 1024;
/// What bodies beyond [`SMALL`] may take together, in bytes.
const TOGETHER: usize = 32 * 1024 * 1024;
/// Places are counted in units of so many bytes.
const UNIT: usize = 1024;
const UNITS: usize = TOGETHER / UNIT;

/// The places for large bodies.
#[derive(Debug, Clone)]
pub struct LargeBodies(Arc<Semaphore>);

/// The place of a large body; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct LargeBodyPermit(OwnedSemaphorePermit);

impl Default for LargeBodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(UNITS)))
    }
}

impl LargeBodies {
    /// A place for a body of `length` bytes, as soon as there is one; nothing for a small body. A
    /// body that is larger than all places together takes all of them.
    pub(super) async fn place(&self, length: usize) -> Option<LargeBodyPermit> {
        let units = units(length);
        if units == 0 {
            return None;
        }
        // The semaphore is never closed.
        let place = Arc::clone(&self.0).acquire_many_owned(units).await;
        place.ok().map(LargeBodyPermit)
    }
}

impl LargeBodyPermit {
    /// Gives back what a body of `length` bytes does not need of it.
    pub(super) fn shrink_to(&mut self, length: usize) {
        let needed = usize::try_from(units(length)).unwrap_or(usize::MAX);
        drop(self.0.split(self.0.num_permits().saturating_sub(needed)));
    }
}

fn units(length: usize) -> u32 {
    let units = length.saturating_sub(SMALL).div_ceil(UNIT).min(UNITS);
    u32::try_from(units).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn large_bodies_wait_for_each_other_and_small_ones_do_not() {
        let bodies = LargeBodies::default();
        let mut first = bodies.place(TOGETHER).await.unwrap();
        assert!(bodies.place(SMALL).now_or_never().unwrap().is_none(), "needs no place");
        let mut second = Box::pin(bodies.place(3 * SMALL));
        assert!(second.as_mut().now_or_never().is_none());
        first.shrink_to(TOGETHER / 2);
        assert!(second.now_or_never().unwrap().is_some());
    }

    #[tokio::test]
    async fn a_body_larger_than_all_places_takes_all_of_them() {
        let bodies = LargeBodies::default();
        let place = bodies.place(usize::MAX).await.unwrap();
        assert!(bodies.place(2 * SMALL).now_or_never().is_none());
        drop(place);
        assert!(bodies.place(2 * SMALL).now_or_never().unwrap().is_some());
    }
}
