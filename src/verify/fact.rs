//! What a fact is: a sentence, where it is written, what asking for it takes, and the check.

use std::fmt;

use futures::future::BoxFuture;

use super::expect::Unmet;
use super::probe::Probe;

/// One of the two APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `/v1/runner/…`
    Runner,
    /// `/api/v1/…`
    Characters,
}

impl Api {
    /// The word that its facts' ids begin with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runner => "runner",
            Self::Characters => "characters",
        }
    }
}

/// How binding a source is. The letters are those of `docs/contract.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// D: one of the four documents says it.
    Document,
    /// R: the vendor's further documentation does.
    Further,
    /// C: the documents are silent or disagree, and Mynah chose.
    Choice,
}

impl SourceKind {
    /// The letter in `docs/contract.md`.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Document => "D",
            Self::Further => "R",
            Self::Choice => "C",
        }
    }
}

/// Where a fact is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// How binding that is.
    pub kind: SourceKind,
    /// The document; for a choice of Mynah, its ledger.
    pub document: &'static str,
    /// The document's section, in its own words.
    pub section: &'static str,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, \"{}\"", self.kind.letter(), self.document, self.section)
    }
}

/// What asking for a fact takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A key.
    Key,
    /// A key of another account; in the Runner API, of another project.
    SecondKey,
    /// A key of an account without money.
    BrokeKey,
    /// A key with a low limit.
    LimitedKey,
    /// A deployment that answers with text.
    Deployment,
    /// A deployment with structured output.
    JsonDeployment,
    /// A language model that costs something.
    Model,
    /// A model that makes pictures.
    SdModel,
    /// That models may be asked, which costs money where they are real.
    Spending,
}

impl Need {
    /// Why a fact is not run where this is missing.
    pub(super) fn missing(self) -> &'static str {
        match self {
            Self::Key => "there is no key (--key, --characters-key)",
            Self::SecondKey => {
                "there is no key of another account (--second-key, --characters-second-key)"
            }
            Self::BrokeKey => "there is no key of an account without money (--broke-key)",
            Self::LimitedKey => "there is no key with a low limit (--limited-key)",
            Self::Deployment => "there is no deployment (--deployment)",
            Self::JsonDeployment => {
                "there is no deployment with structured output (--json-deployment)"
            }
            Self::Model => "there is no language model (--model)",
            Self::SdModel => "there is no model that makes pictures (--sd-model)",
            Self::Spending => "nothing may be spent (--no-spend)",
        }
    }
}

/// Asks the target, and says what it does not keep.
pub(super) type Check = for<'a> fn(&'a Probe) -> BoxFuture<'a, Result<(), Unmet>>;

/// One sentence about one API.
pub struct Fact {
    /// Stable: `runner.conversation.memory`.
    pub id: &'static str,
    /// The sentence.
    pub title: &'static str,
    /// Where it is written.
    pub source: Source,
    /// What asking takes.
    pub needs: &'static [Need],
    /// How it is asked.
    pub(super) check: Check,
}

impl Fact {
    /// The API it is about.
    pub fn api(&self) -> Api {
        if self.id.starts_with("runner.") { Api::Runner } else { Api::Characters }
    }

    /// Whether only Mynah promises it.
    pub fn is_choice(&self) -> bool {
        self.source.kind == SourceKind::Choice
    }
}

impl fmt::Debug for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// The Runner API's overview.
pub(super) const fn overview(section: &'static str) -> Source {
    Source { kind: SourceKind::Document, document: "runner-overview.txt", section }
}

/// The Runner API's conversation endpoints.
pub(super) const fn rest(section: &'static str) -> Source {
    Source { kind: SourceKind::Document, document: "runner-conversation-rest.txt", section }
}

/// What the Runner API's SDK does with conversations.
pub(super) const fn sdk(section: &'static str) -> Source {
    Source { kind: SourceKind::Document, document: "runner-conversation-sdk.txt", section }
}

/// The Runner API's further documentation.
pub(super) const fn notes(section: &'static str) -> Source {
    Source { kind: SourceKind::Further, document: "notes.md", section }
}

/// The Characters API's document.
pub(super) const fn characters(section: &'static str) -> Source {
    Source { kind: SourceKind::Document, document: "characters.txt", section }
}

/// A choice of Mynah's, under this heading of its ledger.
pub(super) const fn choice(section: &'static str) -> Source {
    Source { kind: SourceKind::Choice, document: "docs/contract.md", section }
}
