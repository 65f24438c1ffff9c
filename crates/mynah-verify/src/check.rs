//! What a check is: a sentence, its source, what it needs, and the function that tests it.

use std::fmt;

use futures::future::BoxFuture;

use super::api::Api;
use super::context::TestContext;
use super::expect::CheckFailure;
use super::need::Need;

/// How binding a source is. The letters are those of Mynah's ledger, `docs/contract.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// D: one of the four API documents.
    Document,
    /// R: further documentation of the vendor.
    Further,
    /// C: a choice of Mynah where the documents are silent or disagree.
    Choice,
}

impl SourceKind {
    /// The letter in the ledger.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Document => "D",
            Self::Further => "R",
            Self::Choice => "C",
        }
    }
}

/// The document and section that a check tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// How binding it is.
    pub kind: SourceKind,
    /// The document; for a choice, Mynah's ledger.
    pub document: &'static str,
    /// The section, spelled as in the document.
    pub section: &'static str,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, \"{}\"", self.kind.letter(), self.document, self.section)
    }
}

/// Sends requests to the target and compares the answers with the documentation.
pub(super) type CheckFn = for<'a> fn(&'a TestContext) -> BoxFuture<'a, Result<(), CheckFailure>>;

/// One documented sentence about one API.
pub struct Check {
    /// Stable id: `runner.conversation.memory`.
    pub id: &'static str,
    /// The sentence.
    pub title: &'static str,
    /// The source of the sentence.
    pub source: Source,
    /// What it needs from the target.
    pub needs: &'static [Need],
    pub(super) run: CheckFn,
}

impl Check {
    /// The API that it tests.
    pub fn api(&self) -> Api {
        if self.id.starts_with("runner.") { Api::Runner } else { Api::Characters }
    }

    /// Whether the source is a choice of Mynah.
    pub fn is_choice(&self) -> bool {
        self.source.kind == SourceKind::Choice
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// Source: the Runner API's overview.
pub(super) const fn overview(section: &'static str) -> Source {
    Source { kind: SourceKind::Document, document: "runner-overview.txt", section }
}

/// Source: the Runner API's conversation endpoints.
pub(super) const fn rest(section: &'static str) -> Source {
    Source { kind: SourceKind::Document, document: "runner-conversation-rest.txt", section }
}

/// Source: the SDK's conversation page.
pub(super) const fn sdk(section: &'static str) -> Source {
    Source { kind: SourceKind::Document, document: "runner-conversation-sdk.txt", section }
}

/// Source: the Runner API's further documentation.
pub(super) const fn notes(section: &'static str) -> Source {
    Source { kind: SourceKind::Further, document: "notes.md", section }
}

/// Source: the vendor's SDK of the Runner API, which is newer than all documents.
pub(super) const fn newest_sdk(section: &'static str) -> Source {
    Source { kind: SourceKind::Further, document: "SDK 1.5.0", section }
}

/// Source: the Characters API's document.
pub(super) const fn characters(section: &'static str) -> Source {
    Source { kind: SourceKind::Document, document: "characters.txt", section }
}

/// Source: a choice of Mynah under this heading of its ledger.
pub(super) const fn choice(section: &'static str) -> Source {
    Source { kind: SourceKind::Choice, document: "docs/contract.md", section }
}
