//! Bounds the memory that long texts take.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests can hold long texts at a time: megabytes, in several copies until the answer is
/// complete.
const LARGE_READS: usize = 4;

/// A permit to hold long texts in memory.
pub type LargeReadPermit = OwnedSemaphorePermit;

/// The permits of a database.
#[derive(Debug)]
pub(super) struct LargeReads(Arc<Semaphore>);

impl LargeReads {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_READS)))
    }

    /// Waits for a permit.
    #[expect(clippy::expect_used, reason = "the semaphore is never closed")]
    pub(super) async fn permit(&self) -> LargeReadPermit {
        Arc::clone(&self.0).acquire_owned().await.expect("the semaphore is open")
    }
}
