//! Counts of requests and outcomes by kind.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use hyper::StatusCode;

/// Maximum number of findings kept, to bound memory if everything fails.
const FINDINGS: usize = 50;

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An answer with this status.
    Answered(StatusCode),
    /// No answer, or an incomplete one.
    Broken,
    /// The client disconnected on purpose.
    Left,
}

/// The acceptable outcomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// Success.
    Success,
    /// Success or a 4xx, but an answer.
    Answer,
    /// Anything but a 5xx, for malformed requests.
    NoServerError,
    /// Anything, including a 5xx or a broken answer, for requests with a fault or a failing template.
    Anything,
}

/// Requests of one kind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) asked: u64,
    /// Answers of 1xx to 3xx.
    pub(crate) fine: u64,
    /// Answers of 4xx.
    pub(crate) refused: u64,
    /// Expected answers of 5xx.
    pub(crate) injected: u64,
    /// Unexpected answers of 5xx.
    pub(crate) failed: u64,
    /// Incomplete or missing answers.
    pub(crate) broken: u64,
    /// The client disconnected on purpose.
    pub(crate) left: u64,
}

/// All requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: RefCell<BTreeMap<&'static str, Counts>>,
    findings: RefCell<Vec<String>>,
    health: RefCell<Duration>,
}

impl Tally {
    /// Counts a request of `kind`, and records an outcome that was not `expected`.
    pub(crate) fn count(
        &self,
        kind: &'static str,
        expected: Expectation,
        outcome: Outcome,
        about: impl FnOnce() -> String,
    ) {
        let mut counts = self.counts.borrow_mut();
        let counts = counts.entry(kind).or_default();
        counts.asked += 1;
        let may_fail = expected == Expectation::Anything;
        let fine = match outcome {
            Outcome::Answered(status) if status.is_server_error() => {
                let slot = if may_fail { &mut counts.injected } else { &mut counts.failed };
                *slot += 1;
                may_fail
            }
            Outcome::Answered(status) if status.is_client_error() => {
                counts.refused += 1;
                expected != Expectation::Success
            }
            Outcome::Answered(_) => {
                counts.fine += 1;
                true
            }
            Outcome::Broken => {
                counts.broken += 1;
                may_fail || expected == Expectation::NoServerError
            }
            Outcome::Left => {
                counts.left += 1;
                true
            }
        };
        let mut findings = self.findings.borrow_mut();
        if !fine && findings.len() < FINDINGS {
            findings.push(format!("{kind}: {outcome:?}: {}", about()));
        }
    }

    /// Records the latency of a health request.
    pub(crate) fn health(&self, took: Duration) {
        let mut longest = self.health.borrow_mut();
        *longest = took.max(*longest);
    }

    /// The maximum latency of health requests.
    pub(crate) fn longest_health(&self) -> Duration {
        *self.health.borrow()
    }

    /// All kinds, by name.
    pub(crate) fn kinds(&self) -> Vec<(&'static str, Counts)> {
        self.counts.borrow().iter().map(|(kind, counts)| (*kind, *counts)).collect()
    }

    /// The unexpected outcomes.
    pub(crate) fn findings(&self) -> Vec<String> {
        self.findings.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_error_is_a_finding_unless_it_was_asked_for() {
        let tally = Tally::default();
        let about = || "GET /".to_owned();
        let error = Outcome::Answered(StatusCode::INTERNAL_SERVER_ERROR);
        tally.count("a", Expectation::Anything, error, about);
        tally.count("a", Expectation::Answer, Outcome::Answered(StatusCode::NOT_FOUND), about);
        tally.count("a", Expectation::NoServerError, Outcome::Broken, about);
        assert!(tally.findings().is_empty());
        for expected in [Expectation::Success, Expectation::Answer, Expectation::NoServerError] {
            tally.count("b", expected, error, about);
        }
        tally.count("b", Expectation::Success, Outcome::Answered(StatusCode::NOT_FOUND), about);
        tally.count("b", Expectation::Answer, Outcome::Broken, about);
        assert_eq!(tally.findings().len(), 5);
    }
}
