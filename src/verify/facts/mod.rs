//! The registry: every fact, in the order it is asked in.
//!
//! A fact is one row of a table, with its check below it. To add one, add a row: the id is
//! `api.resource.what`, the source a document and its section as `docs/contract.md` names them.

mod characters;
mod runner;
mod wire;

use super::fact::Fact;

/// All facts.
pub fn facts() -> impl Iterator<Item = &'static Fact> {
    [runner::TABLES, &[wire::RUNNER], characters::TABLES, &[wire::CHARACTERS]]
        .into_iter()
        .flatten()
        .copied()
        .flatten()
}
