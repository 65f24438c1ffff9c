//! Long work on blocking threads, a few pieces at a time.

use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// The most pieces of work of one kind at a time, for all servers of the process.
const PLACES: usize = 2;

static MATCHES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(PLACES)));
static RENDERS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(PLACES)));
static COMPILES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(PLACES)));

/// Runs the search for a matching rule.
pub(super) async fn find<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    run(&MATCHES, work).await
}

/// Runs the rendering of a reply. If it is dropped while it waits, it does not start.
pub(super) async fn render<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    run(&RENDERS, work).await
}

/// Runs the compilation of rules or replies.
pub async fn compile<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    run(&COMPILES, work).await
}

async fn run<T: Send + 'static>(
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    // The semaphore is never closed. If the caller stops waiting, the permit is held until the work
    // is done.
    let place = Arc::clone(places).acquire_owned().await.ok();
    let work = move || {
        let done = work();
        drop(place);
        done
    };
    tokio::task::spawn_blocking(work).await
}
