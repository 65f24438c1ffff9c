//! The figures of a run, and their median over several runs.

use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::server::Cost;

/// The figures of one run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Answers per second.
    pub(crate) per_second: f64,
    /// Median latency in milliseconds.
    pub(crate) p50_ms: f64,
    /// 99th percentile of the latency in milliseconds.
    pub(crate) p99_ms: f64,
    /// Processor time of the server in seconds per 1,000 answers.
    pub(crate) cpu_per_1000: f64,
    /// Peak memory of the server in megabytes (`VmHWM`).
    pub(crate) peak_mb: f64,
}

impl Figures {
    /// The figures from `latencies`, in microseconds, measured over `elapsed`.
    pub(crate) fn of(
        latencies: &Histogram<u64>,
        elapsed: Duration,
        before: &Cost,
        after: &Cost,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(!latencies.is_empty(), "no request was answered");
        let answers = real(latencies.len());
        Ok(Self {
            per_second: answers / elapsed.as_secs_f64(),
            p50_ms: milliseconds(latencies, 0.5),
            p99_ms: milliseconds(latencies, 0.99),
            cpu_per_1000: (after.cpu - before.cpu) / answers * 1000.0,
            peak_mb: mega(after.peak),
        })
    }

    /// The median of each figure.
    pub(crate) fn median(runs: &[Self]) -> anyhow::Result<Self> {
        let of = |figure: fn(&Self) -> f64| median(runs.iter().map(figure));
        Ok(Self {
            per_second: of(|run| run.per_second)?,
            p50_ms: of(|run| run.p50_ms)?,
            p99_ms: of(|run| run.p99_ms)?,
            cpu_per_1000: of(|run| run.cpu_per_1000)?,
            peak_mb: of(|run| run.peak_mb)?,
        })
    }
}

/// The median of `numbers`; for an even count the mean of the two middle ones.
pub(crate) fn median(numbers: impl IntoIterator<Item = f64>) -> anyhow::Result<f64> {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_unstable_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let upper = *numbers.get(middle).context("no runs")?;
    let even = numbers.len().is_multiple_of(2);
    let lower = if even { numbers.get(middle.saturating_sub(1)) } else { None };
    Ok(f64::midpoint(lower.copied().unwrap_or(upper), upper))
}

/// A histogram of microseconds, to three digits.
pub(crate) fn empty_histogram() -> anyhow::Result<Histogram<u64>> {
    const LONGEST: u64 = 60_000_000;
    Ok(Histogram::new_with_bounds(1, LONGEST, 3)?)
}

/// Records `time`.
pub(crate) fn note(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
}

/// The quantile (0 to 1) in milliseconds.
pub(crate) fn milliseconds(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    real(histogram.value_at_quantile(quantile)) / 1000.0
}

/// Bytes as megabytes.
pub(crate) fn mega(bytes: u64) -> f64 {
    real(bytes) / 1e6
}

/// A count as `f64`.
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "precise enough for reports"
)]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_stands_in_the_middle() {
        assert!((median([3.0, 1.0, 2.0]).unwrap() - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0]).unwrap() - 2.5).abs() < f64::EPSILON);
        assert!(median([]).is_err());
    }
}
