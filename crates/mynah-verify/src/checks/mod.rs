//! The registry: every check in the order of execution.
//!
//! A check is one row of a table with its function below. To add one, add a row: the id is
//! `api.resource.subject`, the source a document and its section as `docs/contract.md` names them.

mod characters;
mod runner;
mod wire;

use super::check::Check;

/// All checks.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    [runner::TABLES, &[wire::RUNNER], characters::TABLES, &[wire::CHARACTERS]]
        .into_iter()
        .flatten()
        .copied()
        .flatten()
}
