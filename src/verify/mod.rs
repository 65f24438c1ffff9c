//! Does a server keep what the documents say? The behavioural suite behind `mynah verify`.
//!
//! A [`Fact`] is one sentence about one API, with its source and a check that asks the target and
//! looks at what comes back. [`facts`] is the registry, one file a resource under `facts/`.
//! [`verify`] runs those that are [`Selection`]'s, one after the other, with a client that counts
//! its requests, paces them and keeps within a budget; what came of each is a [`Finding`], all of
//! them a [`Report`], which `report/` writes as text, JSON and `JUnit` XML.
//!
//! The target may be the real thing: facts hold whatever a model says, leave little behind, and
//! mark what they leave with a name of the run's own. Nothing here knows how Mynah works inside.

mod client;
mod expect;
mod fact;
mod facts;
mod probe;
mod report;
mod suite;
mod target;

pub use client::{Limits, TransportError};
pub use fact::{Api, Fact, Need, Source, SourceKind};
pub use facts::facts;
pub use report::{Finding, Report, Section, Verdict};
pub use suite::{Pattern, Selection, Surroundings, VerifyError, verify};
pub use target::{Keys, Target, is_loopback};
