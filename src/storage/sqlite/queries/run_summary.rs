//! The latest run of a conversation, in queries of conversations.

use crate::domain::agent_run::RunSummary;
use crate::storage::StorageError;
use crate::storage::sqlite::values::{inconsistent, parse};

/// The latest run of the conversation `c` as a [`RunSummary`], or NULL: a column of queries in which
/// `conversations` is called `c`.
pub(super) const SUMMARY: &str = "CASE WHEN c.run_count > 0 THEN (
    SELECT json_remove(s.state, '$.answer', '$.pending_answer', '$.results', '$.capabilities')
    FROM run_steps s WHERE s.account = c.account AND s.conversation = c.ordinal
                       AND s.run = c.run_count
    ORDER BY s.step DESC LIMIT 1) END";

/// The latest run of conversation `ordinal` as [`SUMMARY`] gives it.
pub(super) fn summary(
    state: Option<&str>,
    ordinal: u64,
) -> Result<Option<RunSummary>, StorageError> {
    let wrong = || inconsistent("run_steps", "state", &ordinal);
    state.map(|state| parse(state).ok_or_else(wrong)).transpose()
}
