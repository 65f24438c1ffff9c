//! The outcome of a run, written as text, JSON or `JUnit` XML.

mod json;
mod junit;
mod text;

use std::time::Duration;

use super::check::{Check, SourceKind};

/// One check and its outcome.
#[derive(Debug)]
pub struct Finding {
    /// The check.
    pub check: &'static Check,
    /// Its outcome.
    pub outcome: Outcome,
    /// Requests sent.
    pub requests: u32,
    /// Duration.
    pub took: Duration,
}

/// The outcome of a check. No text in it contains a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server behaves as documented.
    Passed,
    /// The server behaves differently.
    Failed {
        /// Method and path of the request.
        request: String,
        /// The expectation.
        expected: String,
        /// The observation.
        seen: String,
    },
    /// The check could not run, for this reason.
    NotRun(String),
}

/// The outcome of a run.
#[derive(Debug)]
pub struct Report {
    /// The findings in the order of execution.
    pub findings: Vec<Finding>,
    /// All requests, including the first contact.
    pub requests: u32,
    /// Total duration of the checks.
    pub took: Duration,
}

/// A section of a document and the outcomes of its checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// How binding it is.
    pub kind: SourceKind,
    /// The document.
    pub document: &'static str,
    /// Its section.
    pub section: &'static str,
    /// Checks that passed.
    pub passed: usize,
    /// Checks that ran.
    pub run: usize,
    /// Checks that did not run.
    pub not_run: usize,
}

impl Report {
    /// Number of checks that passed, failed, did not run.
    pub fn counts(&self) -> (usize, usize, usize) {
        self.findings.iter().fold((0, 0, 0), |(passed, failed, not_run), finding| {
            match finding.outcome {
                Outcome::Passed => (passed + 1, failed, not_run),
                Outcome::Failed { .. } => (passed, failed + 1, not_run),
                Outcome::NotRun(_) => (passed, failed, not_run + 1),
            }
        })
    }

    /// 0 if every check that ran passed, 1 if one failed, 2 if none ran.
    pub fn exit_code(&self) -> u8 {
        match self.counts() {
            (0, 0, _) => 2,
            (_, 0, _) => 0,
            _ => 1,
        }
    }

    /// The fidelity table: one row per section, in the order of the checks.
    pub fn sections(&self) -> Vec<Section> {
        let mut sections: Vec<Section> = Vec::new();
        for finding in &self.findings {
            let source = finding.check.source;
            let same = |section: &&mut Section| {
                (section.kind, section.document, section.section)
                    == (source.kind, source.document, source.section)
            };
            let (passed, run, not_run) = match finding.outcome {
                Outcome::Passed => (1, 1, 0),
                Outcome::Failed { .. } => (0, 1, 0),
                Outcome::NotRun(_) => (0, 0, 1),
            };
            if let Some(section) = sections.iter_mut().find(same) {
                section.passed += passed;
                section.run += run;
                section.not_run += not_run;
            } else {
                let (kind, document, section) = (source.kind, source.document, source.section);
                sections.push(Section { kind, document, section, passed, run, not_run });
            }
        }
        sections
    }
}
