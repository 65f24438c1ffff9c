//! Logs failures to accept a connection: the first at once, further ones once a minute.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two log lines.
const INTERVAL: Duration = Duration::from_mins(1);

/// Counts failures to accept a connection and decides which are logged.
#[derive(Debug, Default)]
pub(super) struct AcceptErrors {
    reported_at: Option<Instant>,
    /// Failures since the last log line.
    unreported: u64,
}

impl AcceptErrors {
    /// Counts a failure at `now` and logs it, unless the last log line is too recent.
    pub(super) fn note(&mut self, error: &io::Error, now: Instant) {
        if let Some(count) = self.count_to_report(now) {
            tracing::warn!(%error, count, "cannot accept connections");
        }
    }

    /// The number of failures to log at `now`, including the present one; `None` to log nothing.
    fn count_to_report(&mut self, now: Instant) -> Option<u64> {
        self.unreported += 1;
        if self.reported_at.is_some_and(|last| now.duration_since(last) < INTERVAL) {
            return None;
        }
        self.reported_at = Some(now);
        Some(std::mem::take(&mut self.unreported))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_reported_at_once_and_the_others_once_a_minute() {
        let start = Instant::now();
        let mut errors = AcceptErrors::default();
        let reported: Vec<(u64, u64)> = (0..=130)
            .filter_map(|second| {
                let now = start + Duration::from_secs(second);
                errors.count_to_report(now).map(|count| (second, count))
            })
            .collect();
        assert_eq!(reported, [(0, 1), (60, 60), (120, 60)]);
    }
}
