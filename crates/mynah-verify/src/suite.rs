//! Runs the selected checks.

use regex::Regex;
use reqwest::Method;
use thiserror::Error;
use url::Url;

use super::api::Api;
use super::check::Check;
use super::checks::checks;
use super::client::{Client, Limits, RequestOptions, TransportError};
use super::context::TestContext;
use super::expect::CheckFailure;
use super::report::{Finding, Outcome, Report};
use super::target::Target;
use std::time::Instant;

/// Selects checks by the beginning of their id or, if it contains `*`, by their whole id.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// `runner.stream`, `*.paging`; `None` if it is too long.
    pub fn new(pattern: &str) -> Option<Self> {
        let end = if pattern.contains('*') { "$" } else { "" };
        let middle = regex::escape(pattern).replace(r"\*", ".*");
        Regex::new(&format!("^{middle}{end}")).ok().map(Self)
    }

    fn matches(&self, id: &str) -> bool {
        self.0.is_match(id)
    }
}

/// Which checks are run.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only this API.
    pub api: Option<Api>,
    /// Only checks that match one of these patterns; all if there are none.
    pub only: Vec<Pattern>,
    /// Whether choices of Mynah are checked too.
    pub choices: bool,
}

impl Selection {
    /// Whether `check` is selected.
    pub fn includes(&self, check: &Check) -> bool {
        self.api.is_none_or(|api| api == check.api())
            && (self.choices || !check.is_choice())
            && (self.only.is_empty() || self.only.iter().any(|pattern| pattern.matches(check.id)))
    }
}

/// How a run behaves.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Marks what the run creates; must be unique per run.
    pub run: String,
    /// Bounds on requests and time.
    pub limits: Limits,
}

/// Why a run could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The HTTP client could not be set up.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The target does not answer.
    #[error("cannot reach {base}: {reason}")]
    Unreachable {
        /// The base URL.
        base: String,
        /// The reason.
        reason: String,
    },
    /// No check is selected.
    #[error("no check matches the selection")]
    NothingSelected,
}

/// Runs every selected check against `target` and passes each finding to `report` at once.
///
/// Checks of an API that the target does not have are left out.
pub async fn verify(
    target: Target,
    selection: &Selection,
    options: RunOptions,
    mut report: impl FnMut(&Finding),
) -> Result<Report, VerifyError> {
    let selected: Vec<&'static Check> = checks()
        .filter(|check| selection.includes(check) && target.base(check.api()).is_some())
        .collect();
    if selected.is_empty() {
        return Err(VerifyError::NothingSelected);
    }
    let RunOptions { run, limits } = options;
    let client = Client::new(&target, limits)?;
    for api in [Api::Runner, Api::Characters] {
        if let Some(base) = target.base(api).filter(|_| selected.iter().any(|f| f.api() == api)) {
            reach(&client, base).await?;
        }
    }
    let context = TestContext::new(target, client, run);
    let watch = Instant::now();
    let mut findings = Vec::with_capacity(selected.len());
    for check in selected {
        let finding = run_check(&context, check).await;
        report(&finding);
        findings.push(finding);
    }
    Ok(Report { findings, requests: context.client.sent(), took: watch.elapsed() })
}

/// Fails unless something at `base` answers over HTTP.
async fn reach(client: &Client, base: &Url) -> Result<(), VerifyError> {
    let options = RequestOptions::default().accept_rate_limit();
    match client.send(&Method::GET, base, "GET /", &options).await {
        Ok(_) => Ok(()),
        Err(unmet) => {
            // A user name and password must not be shown.
            let mut shown = base.clone();
            let _ = shown.set_username("");
            let _ = shown.set_password(None);
            let reason = match unmet {
                CheckFailure::Differs { seen, .. } => seen,
                CheckFailure::Blocked(reason) => reason,
            };
            Err(VerifyError::Unreachable { base: shown.to_string(), reason })
        }
    }
}

async fn run_check(context: &TestContext, check: &'static Check) -> Finding {
    let before = context.client.sent();
    let watch = Instant::now();
    let target = &context.target;
    let missing = check.needs.iter().find(|need| !target.offers(check.api(), **need));
    let result = match missing {
        Some(need) => Err(CheckFailure::Blocked(need.missing().to_owned())),
        None => (check.run)(context).await,
    };
    let outcome = match result {
        Ok(()) => Outcome::Passed,
        Err(CheckFailure::Blocked(reason)) => Outcome::NotRun(target.without_keys(&reason)),
        Err(CheckFailure::Differs { request, expected, seen }) => Outcome::Failed {
            request: target.without_keys(&request),
            expected: target.without_keys(&expected),
            seen: target.without_keys(&seen),
        },
    };
    Finding { check, outcome, requests: context.client.sent() - before, took: watch.elapsed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_a_prefix_or_with_a_star_the_whole_id() {
        let matches = |pattern: &str, id| Pattern::new(pattern).unwrap().matches(id);
        assert!(matches("runner.stream", "runner.stream.pieces"));
        assert!(!matches("stream", "runner.stream.pieces"));
        assert!(matches("*.pieces", "runner.stream.pieces"));
        assert!(!matches("*.stream", "runner.stream.pieces"));
        assert!(!matches("runner_stream", "runner.stream.pieces"));
    }
}
