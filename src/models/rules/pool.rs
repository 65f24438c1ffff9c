//! Long computations on blocking threads, a few at a time.

use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// Concurrent computations of one kind, for all servers of the process.
const PERMITS: usize = 2;

static SEARCHES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(PERMITS)));
static RENDERS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(PERMITS)));
static COMPILES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(PERMITS)));

/// Searches for a matching rule.
pub(super) async fn search<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    run(&SEARCHES, work).await
}

/// Renders a reply. Dropping the future before the work starts cancels it.
pub(super) async fn render<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    run(&RENDERS, work).await
}

/// Compiles rules or replies.
pub async fn compile<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    run(&COMPILES, work).await
}

async fn run<T: Send + 'static>(
    semaphore: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    // The semaphore is never closed. If the caller stops waiting, the permit is held until the work
    // is done.
    let permit = Arc::clone(semaphore).acquire_owned().await.ok();
    let work = move || {
        let result = work();
        drop(permit);
        result
    };
    tokio::task::spawn_blocking(work).await
}
