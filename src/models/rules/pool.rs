//! Work that may take long, on threads that answer nobody, a few at a time.

use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// How many pieces of work of one kind are done at the same time, by all servers of the process.
const PLACES: usize = 2;

static MATCHES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(PLACES)));
static RENDERS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(PLACES)));
static COMPILES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(PLACES)));

/// Looks for the rule that matches.
pub(super) async fn find<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    run(&MATCHES, work).await
}

/// Renders a reply. Dropped before its turn, it is never begun.
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
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    // It is never closed, so there always is a place in the end. Whoever stops waiting for the
    // work leaves its place taken until the work is done.
    let place = Arc::clone(places).acquire_owned().await.ok();
    let work = move || {
        let done = work();
        drop(place);
        done
    };
    tokio::task::spawn_blocking(work).await
}
