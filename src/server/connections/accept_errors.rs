//! Reports of connections that could not be accepted: the first at once, further ones once a minute.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two reports.
const INTERVAL: Duration = Duration::from_mins(1);

/// Counts failures to accept a connection, and decides which are reported.
#[derive(Debug, Default)]
pub(super) struct AcceptErrors {
    reported_at: Option<Instant>,
    /// Failures since the last report.
    unreported: u64,
}

impl AcceptErrors {
    /// Notes a failure at `now`, and logs it unless the last report is too recent.
    pub(super) fn note(&mut self, error: &io::Error, now: Instant) {
        if let Some(count) = self.count_to_report(now) {
            tracing::warn!(%error, count, "cannot accept connections");
        }
    }

    /// How many failures are to be reported at `now`, with the one that just happened.
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
