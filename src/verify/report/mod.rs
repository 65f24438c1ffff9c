//! What came of a run, and how it is told: as text, as JSON, as `JUnit` XML.

mod json;
mod junit;
mod text;

use std::time::Duration;

use super::fact::{Fact, SourceKind};

/// What came of one fact.
#[derive(Debug)]
pub struct Finding {
    /// The fact.
    pub fact: &'static Fact,
    /// What came of it.
    pub verdict: Verdict,
    /// The requests it took.
    pub requests: u32,
    /// The time it took.
    pub took: Duration,
}

/// Whether a fact holds. No text in it has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Holds,
    /// It does not.
    Fails {
        /// The request that showed it: method and path.
        request: String,
        /// What should have come.
        expected: String,
        /// What came.
        seen: String,
    },
    /// Nobody knows, for this reason.
    NotRun(String),
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// The facts, in the order they were asked in.
    pub findings: Vec<Finding>,
    /// All requests, the first look at the target among them.
    pub requests: u32,
    /// The time that the facts took.
    pub took: Duration,
}

/// A section of a document, and how much of what was asked of it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// How binding it is.
    pub kind: SourceKind,
    /// The document.
    pub document: &'static str,
    /// Its section.
    pub section: &'static str,
    /// Facts that hold.
    pub held: usize,
    /// Facts that were run.
    pub run: usize,
    /// Facts that were not.
    pub not_run: usize,
}

impl Report {
    /// Facts that hold, fail, were not run.
    pub fn counts(&self) -> (usize, usize, usize) {
        self.findings.iter().fold((0, 0, 0), |(held, failed, not_run), finding| {
            match finding.verdict {
                Verdict::Holds => (held + 1, failed, not_run),
                Verdict::Fails { .. } => (held, failed + 1, not_run),
                Verdict::NotRun(_) => (held, failed, not_run + 1),
            }
        })
    }

    /// 0 if all that was run holds, 1 if something does not, 2 if nothing was run.
    pub fn exit_code(&self) -> u8 {
        match self.counts() {
            (0, 0, _) => 2,
            (_, 0, _) => 0,
            _ => 1,
        }
    }

    /// The fidelity table: section by section, in the order of the facts.
    pub fn sections(&self) -> Vec<Section> {
        let mut sections: Vec<Section> = Vec::new();
        for finding in &self.findings {
            let source = finding.fact.source;
            let same = |section: &&mut Section| {
                (section.kind, section.document, section.section)
                    == (source.kind, source.document, source.section)
            };
            let (held, run, not_run) = match finding.verdict {
                Verdict::Holds => (1, 1, 0),
                Verdict::Fails { .. } => (0, 1, 0),
                Verdict::NotRun(_) => (0, 0, 1),
            };
            if let Some(section) = sections.iter_mut().find(same) {
                section.held += held;
                section.run += run;
                section.not_run += not_run;
            } else {
                let (kind, document, section) = (source.kind, source.document, source.section);
                sections.push(Section { kind, document, section, held, run, not_run });
            }
        }
        sections
    }
}
