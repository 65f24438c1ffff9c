//! A run as lists show it.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{ProgressEntry, RunStatus, ToolCall};
use crate::ids::RunId;

/// The latest run of a conversation, without texts and results.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub run_id: RunId,
    /// The status of its latest step.
    pub status: RunStatus,
    /// The calls that the latest step made.
    #[serde(default)]
    pub calls: Vec<ToolCall>,
    /// When the run expires or ends in the background.
    #[serde(default)]
    pub due: Option<DateTime<Utc>>,
    /// Its progress.
    pub progress: Vec<ProgressEntry>,
}

impl RunSummary {
    /// The status at `now`. A run in the background is running until its answer is recorded.
    pub fn status_at(&self, now: DateTime<Utc>) -> RunStatus {
        let is_due = self.due.is_some_and(|due| due <= now);
        match self.status {
            RunStatus::WaitingForClientAction if is_due => RunStatus::Expired,
            status => status,
        }
    }

    /// The calls that wait for results at `now`.
    pub fn pending_calls(&self, now: DateTime<Utc>) -> &[ToolCall] {
        match self.status_at(now) {
            RunStatus::WaitingForClientAction => &self.calls,
            _ => &[],
        }
    }

    /// The tools that the run has called, each with `pending`, `completed` or `expired`.
    pub fn tools(&self, now: DateTime<Utc>) -> Vec<(&str, &'static str)> {
        let without_result = match self.status_at(now) {
            RunStatus::WaitingForClientAction => "pending",
            _ => "expired",
        };
        let of_kind = |kind| self.progress.iter().filter(move |entry| entry.kind == kind);
        let status = |call: &ProgressEntry| {
            let is_resolved = of_kind("tool_result").any(|result| result.call_id == call.call_id);
            if is_resolved { "completed" } else { without_result }
        };
        let calls = of_kind("tool_call");
        calls.filter_map(|call| Some((call.name.as_deref()?, status(call)))).collect()
    }
}
