//! Limits of tests' waits: a test that waits for what never comes fails, and says for what.

use std::time::Duration;

/// The longest wait. Nothing takes as long, not even unoptimised on a loaded machine.
pub const LIMIT: Duration = Duration::from_mins(5);

/// What `wait` gives, or a panic that names `what` did not come in time.
///
/// It is measured with tokio's clock: where a test has paused that, it is not for waits for the
/// world outside.
pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let Ok(came) = tokio::time::timeout(LIMIT, wait).await else {
        panic!("{what} did not come within {LIMIT:?}");
    };
    came
}
