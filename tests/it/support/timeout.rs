//! The time limit of every wait in tests.

use std::time::Duration;

/// Much longer than any wait takes, even in an unoptimised build on a busy machine.
pub const TIMEOUT: Duration = Duration::from_mins(5);

/// Awaits `future`, and panics with `what` after [`TIMEOUT`].
///
/// It uses tokio's clock: in a test that has paused it, only wait for events of the runtime.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(output) = tokio::time::timeout(TIMEOUT, future).await else {
        panic!("{what} did not come within {TIMEOUT:?}");
    };
    output
}
