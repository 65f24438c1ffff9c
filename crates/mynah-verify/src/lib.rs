//! Black-box conformance checks for servers of the Runner API and the Characters API.
//!
//! A [`Check`] is one sentence of the API documentation with its source and the requests that test it.
//! [`checks`] is the registry. [`verify`] runs the selected checks one after the other, with a client
//! that counts its requests, pauses between them and stays within a budget. The outcome of each check
//! is a [`Finding`]; together they are a [`Report`], which can be written as text, JSON or `JUnit` XML.
//!
//! The target may be the real service: checks do not depend on what a model answers, create little, and
//! mark what they create with the name of the run.

mod api;
mod check;
mod checks;
mod client;
mod context;
mod expect;
mod need;
mod report;
mod suite;
mod target;

pub use api::Api;
pub use check::{Check, Source, SourceKind};
pub use checks::checks;
pub use client::{Limits, TransportError};
pub use need::Need;
pub use report::{Finding, Outcome, Report, Section};
pub use suite::{Pattern, RunOptions, Selection, VerifyError, verify};
pub use target::{Key, Keys, Target, is_loopback};
