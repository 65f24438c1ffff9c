//! What version 1 shows of the latest agent run of a conversation (agents-and-triggers.md, 1.8).

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Style;
use super::agent_runs::precise_time;
use crate::domain::agent_run::{ProgressEntry, RunSummary};
use crate::http::response::tool_call::ToolCallAnswer;
use crate::ids::RunId;

/// Fields of conversations that have had a run.
#[derive(Serialize)]
pub(super) struct RunFields {
    completed_at: Option<String>,
    run_id: RunId,
    run_status: &'static str,
    pending_client_actions: Vec<ToolCallAnswer>,
    tool_summary: Vec<ToolSummary>,
    progress: Vec<ProgressEntry>,
}

/// A tool that the run has called.
#[derive(Serialize)]
struct ToolSummary {
    name: String,
    status: &'static str,
}

impl RunFields {
    /// The fields of `run` as it is at `now`.
    pub(super) fn new(
        run: RunSummary,
        completed_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
        style: Style,
    ) -> Self {
        let tools = run.tools(now).into_iter();
        let tool_summary =
            tools.map(|(name, status)| ToolSummary { name: name.to_owned(), status }).collect();
        Self {
            completed_at: completed_at.map(|time| precise_time(style, time)),
            run_status: run.status_at(now).name(),
            pending_client_actions: run
                .pending_calls(now)
                .iter()
                .cloned()
                .map(Into::into)
                .collect(),
            tool_summary,
            run_id: run.run_id,
            progress: run.progress,
        }
    }
}
