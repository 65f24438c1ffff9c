//! The run: which facts, in which order, and what came of each.

use std::sync::Arc;

use regex::Regex;
use reqwest::Method;
use thiserror::Error;
use url::Url;

use super::client::{Ask, Client, Limits, TransportError};
use super::expect::Unmet;
use super::fact::{Api, Fact};
use super::facts::facts;
use super::probe::Probe;
use super::report::{Finding, Report, Verdict};
use super::target::Target;
use crate::clock::{Clock, Stopwatch};

/// Which facts are meant: an id's beginning, or with `*` the whole of it.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// `runner.stream`, `*.paging`; none if it is far too long.
    pub fn new(pattern: &str) -> Option<Self> {
        let end = if pattern.contains('*') { "$" } else { "" };
        let middle = regex::escape(pattern).replace(r"\*", ".*");
        Regex::new(&format!("^{middle}{end}")).ok().map(Self)
    }

    fn matches(&self, id: &str) -> bool {
        self.0.is_match(id)
    }
}

/// Which facts are run.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// One API only.
    pub api: Option<Api>,
    /// Those that one of these means; all where there is none.
    pub only: Vec<Pattern>,
    /// Whether what only Mynah promises is asked, too.
    pub choices: bool,
}

impl Selection {
    /// Whether a fact is among them.
    pub fn has(&self, fact: &Fact) -> bool {
        self.api.is_none_or(|api| api == fact.api())
            && (self.choices || !fact.is_choice())
            && (self.only.is_empty() || self.only.iter().any(|pattern| pattern.matches(fact.id)))
    }
}

/// Time, chance and the share of the target that a run takes.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// What pauses are slept on.
    pub clock: Arc<Clock>,
    /// Names what this run makes; no two runs may have the same.
    pub run: String,
    /// How much is taken.
    pub limits: Limits,
}

/// Why there was no run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// There is no client.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// No answer comes from there.
    #[error("cannot reach {base}: {reason}")]
    Unreachable {
        /// What stands before the API's paths.
        base: String,
        /// What came instead.
        reason: String,
    },
    /// The selection has no fact.
    #[error("there is no such fact")]
    NothingSelected,
}

/// Asks `target` for every selected fact, one after the other, and tells `tell` of each at once.
///
/// Facts of an API that the target does not have are left out.
pub async fn verify(
    target: Target,
    selection: &Selection,
    surroundings: Surroundings,
    mut tell: impl FnMut(&Finding),
) -> Result<Report, VerifyError> {
    let selected: Vec<&'static Fact> =
        facts().filter(|fact| selection.has(fact) && target.base(fact.api()).is_some()).collect();
    if selected.is_empty() {
        return Err(VerifyError::NothingSelected);
    }
    let Surroundings { clock, run, limits } = surroundings;
    let client = Client::new(&target, clock, limits)?;
    for api in [Api::Runner, Api::Characters] {
        if let Some(base) = target.base(api).filter(|_| selected.iter().any(|f| f.api() == api)) {
            reach(&client, base).await?;
        }
    }
    let probe = Probe::new(target, client, run);
    let watch = Stopwatch::start();
    let mut findings = Vec::with_capacity(selected.len());
    for fact in selected {
        let finding = find(&probe, fact).await;
        tell(&finding);
        findings.push(finding);
    }
    Ok(Report { findings, requests: probe.client.sent(), took: watch.elapsed() })
}

/// Fails unless something at `base` speaks HTTP.
async fn reach(client: &Client, base: &Url) -> Result<(), VerifyError> {
    let ask = Ask::default().meeting_the_limit();
    match client.send(&Method::GET, base, "GET /", &ask).await {
        Ok(_) => Ok(()),
        Err(unmet) => {
            // Name and password, if there are any, are nobody's business.
            let mut shown = base.clone();
            let _ = shown.set_username("");
            let _ = shown.set_password(None);
            let reason = match unmet {
                Unmet::Differs { seen, .. } => seen,
                Unmet::Blocked(reason) => reason,
            };
            Err(VerifyError::Unreachable { base: shown.to_string(), reason })
        }
    }
}

async fn find(probe: &Probe, fact: &'static Fact) -> Finding {
    let before = probe.client.sent();
    let watch = Stopwatch::start();
    let target = &probe.target;
    let missing = fact.needs.iter().find(|need| !target.offers(fact.api(), **need));
    let outcome = match missing {
        Some(need) => Err(Unmet::Blocked(need.missing().to_owned())),
        None => (fact.check)(probe).await,
    };
    let verdict = match outcome {
        Ok(()) => Verdict::Holds,
        Err(Unmet::Blocked(reason)) => Verdict::NotRun(target.without_keys(&reason)),
        Err(Unmet::Differs { request, expected, seen }) => Verdict::Fails {
            request: target.without_keys(&request),
            expected: target.without_keys(&expected),
            seen: target.without_keys(&seen),
        },
    };
    Finding { fact, verdict, requests: probe.client.sent() - before, took: watch.elapsed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_beginning_or_with_a_star_the_whole() {
        let matches = |pattern: &str, id| Pattern::new(pattern).unwrap().matches(id);
        assert!(matches("runner.stream", "runner.stream.pieces"));
        assert!(!matches("stream", "runner.stream.pieces"));
        assert!(matches("*.pieces", "runner.stream.pieces"));
        assert!(!matches("*.stream", "runner.stream.pieces"));
        assert!(!matches("runner_stream", "runner.stream.pieces"));
    }
}
