//! The soak's report, and whether the bounds held.

use std::fmt;

use super::tally::{Counts, Tally};
use crate::figures::mega;
use crate::server::Server;

/// Allowed growth of memory, in bytes, from the larger of start and middle to the end. The allocator keeps
/// freed pages: between equal rounds the memory of a debug build varied by 66 MB (101 to 167 MB in five
/// samples), without a trend over a minute. A short soak ends before that level is reached: with agent
/// runs, memory was 193 to 224 MB after three rounds, 302 MB after seven, 292 MB after eleven (a minute).
pub(crate) const GROWTH: u64 = 64 * 1024 * 1024;
/// Allowed growth of open descriptors: the database opens readers on demand, up to its own bound.
pub(crate) const FILES: usize = 8;

/// Resources that a server uses at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Memory in use, in bytes.
    pub(crate) resident: u64,
    /// Peak memory so far, in bytes.
    pub(crate) peak: u64,
    /// Open descriptors.
    pub(crate) files: usize,
}

impl Sample {
    /// Samples `server` now.
    pub(crate) fn of(server: &Server) -> anyhow::Result<Self> {
        let cost = server.cost()?;
        Ok(Self { resident: cost.resident, peak: cost.peak, files: server.open_files()? })
    }
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct SoakReport {
    samples: [Sample; 3],
    rounds: u64,
    kinds: Vec<(&'static str, Counts)>,
    longest_health: f64,
    /// Violated bounds and unexpected outcomes.
    pub(crate) failures: Vec<String>,
}

impl SoakReport {
    /// The report of a run, with the operations that were never requested.
    pub(crate) fn of(
        tally: &Tally,
        samples: [Sample; 3],
        rounds: u64,
        unrequested: Vec<String>,
    ) -> Self {
        let mut failures = tally.findings();
        failures.extend(unrequested.into_iter().map(|it| format!("never requested: {it}")));
        let [start, middle, end] = samples;
        let grown = end.resident.saturating_sub(middle.resident.max(start.resident));
        if grown > GROWTH {
            let (grown, most) = (mega(grown), mega(GROWTH));
            failures.push(format!("memory grew by {grown:.1} MB, allowed are {most:.1} MB"));
        }
        if end.files > start.files + FILES {
            let (before, after) = (start.files, end.files);
            failures.push(format!("{after} descriptors are open, at the start {before}"));
        }
        let (kinds, longest_health) = (tally.kinds(), tally.longest_health().as_secs_f64());
        Self { samples, rounds, kinds, longest_health, failures }
    }
}

impl fmt::Display for SoakReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{:<8}{:>12}{:>12}{:>14}", "", "memory, MB", "peak, MB", "descriptors")?;
        for (name, sample) in ["start", "middle", "end"].into_iter().zip(self.samples) {
            let (resident, peak) = (mega(sample.resident), mega(sample.peak));
            writeln!(out, "{name:<8}{resident:>12.1}{peak:>12.1}{:>14}", sample.files)?;
        }
        let heads = ["sent", "ok", "4xx", "5xx expected", "5xx", "broken", "left"];
        write!(out, "\n{:<24}", "requests")?;
        heads.iter().try_for_each(|head| write!(out, "{head:>14}"))?;
        let mut all = Counts::default();
        for (kind, counts) in &self.kinds {
            row(out, kind, counts)?;
            all.add(counts);
        }
        row(out, "all", &all)?;
        let longest = self.longest_health;
        writeln!(out, "\n\n{} rounds; health took {longest:.2} s at most", self.rounds)?;
        match self.failures.len() {
            0 => write!(out, "all bounds held"),
            count => {
                writeln!(out, "{count} failures:")?;
                self.failures.iter().try_for_each(|failure| writeln!(out, "  {failure}"))
            }
        }
    }
}

fn row(out: &mut fmt::Formatter<'_>, kind: &str, counts: &Counts) -> fmt::Result {
    write!(out, "\n{kind:<24}")?;
    counts.columns().iter().try_for_each(|count| write!(out, "{count:>14}"))
}

impl Counts {
    fn columns(&self) -> [u64; 7] {
        let Self { asked, fine, refused, injected, failed, broken, left } = *self;
        [asked, fine, refused, injected, failed, broken, left]
    }

    fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.fine += other.fine;
        self.refused += other.refused;
        self.injected += other.injected;
        self.failed += other.failed;
        self.broken += other.broken;
        self.left += other.left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(middle: u64, end: u64, files: usize, unrequested: &[&str]) -> Vec<String> {
        let sample = |resident, files| Sample { resident, peak: resident, files };
        let samples = [sample(0, 20), sample(middle, 20), sample(end, files)];
        let unrequested = unrequested.iter().map(|it| (*it).to_owned()).collect();
        SoakReport::of(&Tally::default(), samples, 1, unrequested).failures
    }

    #[test]
    fn growth_open_descriptors_and_forgotten_operations_are_failures() {
        assert!(failures(GROWTH, 2 * GROWTH, 20 + FILES, &[]).is_empty());
        assert!(failures(GROWTH, 0, 0, &[]).is_empty());
        let failed = failures(GROWTH, 2 * GROWTH + 1, 21 + FILES, &["GET /new"]);
        assert_eq!(
            failed,
            [
                "never requested: GET /new",
                "memory grew by 67.1 MB, allowed are 67.1 MB",
                "29 descriptors are open, at the start 20",
            ]
        );
    }
}
