//! Agent runs: turns in which the model may call tools of the client (Runner API v2).
//!
//! A run begins with a message. The model answers, or it calls tools; then the run waits until the client
//! resumes it with the result of every call. Each answer of the model is a [`RunStep`]. Steps are never
//! changed: what happens next is a further step. The status of a run is that of its latest step.

mod summary;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::summary::RunSummary;
use crate::ids::{RunId, ToolCallId};

/// The most capabilities of one request.
pub const MAX_CAPABILITIES: usize = 128;
/// The longest name of a tool, in characters.
pub const MAX_TOOL_NAME: usize = 64;
/// The most entries of a run's progress; older ones are dropped.
const MAX_PROGRESS: usize = 100;
/// The longest summary in a progress entry, in characters.
const MAX_SUMMARY: usize = 200;

/// Whether `name` can be the name of a tool: 1 to 64 characters of `[A-Za-z0-9_-]`.
pub fn is_tool_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=MAX_TOOL_NAME).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// A tool that the client can run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientCapability {
    /// Its name: 1 to 64 characters of `[A-Za-z0-9_-]`.
    pub name: String,
    /// The JSON Schema of its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Map<String, Value>>,
}

/// A call of a client's tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Unique in the account, and so in the conversation.
    pub call_id: ToolCallId,
    /// How many calls the account had made, this one included.
    pub ordinal: u64,
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
}

/// What the client's tool returned for a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call.
    pub call_id: ToolCallId,
    /// The output.
    pub output: Map<String, Value>,
}

/// What the model sees of tools in a request of a run.
#[derive(Debug, Clone, Default)]
pub struct ToolContext {
    /// The tools that the client offers.
    pub capabilities: Vec<ClientCapability>,
    /// The calls that this request resolves, in the order in which they were made; empty if the request
    /// is a message.
    pub resolved: Vec<ResolvedCall>,
}

impl ToolContext {
    /// Whether the client offers the tool `name`.
    pub fn offers(&self, name: &str) -> bool {
        self.capabilities.iter().any(|capability| capability.name == name)
    }

    /// Whether the request resumes a run.
    pub fn is_resume(&self) -> bool {
        !self.resolved.is_empty()
    }
}

/// A call with its result.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedCall {
    /// The call.
    pub call: ToolCall,
    /// What the tool returned.
    pub output: Map<String, Value>,
}

/// A call that a model asks for, before it has an id.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestedCall {
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
}

/// How a reply without tool calls ends a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunEnd {
    /// The run is completed with the reply.
    #[default]
    Completed,
    /// The run continues in the background, and is completed with the reply after a time.
    Background,
    /// The run fails.
    Failed,
    /// The run is interrupted.
    Interrupted,
}

/// The status of a run (agents-and-triggers.md, 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// The model is working in the background.
    Running,
    /// The client is to run tools.
    WaitingForClientAction,
    /// The model has answered.
    Completed,
    /// The model stopped before it answered.
    Interrupted,
    /// The model failed.
    Failed,
    /// The client did not resume the run in time.
    Expired,
}

impl RunStatus {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::WaitingForClientAction => "waiting_for_client_action",
            Self::Completed => "completed",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// An entry of a run's progress (agents-and-triggers.md, 1.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressEntry {
    /// What happened: `message`, `tool_call`, `tool_result` or the status in which the run ended.
    #[serde(rename = "type")]
    pub kind: String,
    /// The tool call that the entry is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<ToolCallId>,
    /// The tool that the entry is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What happened, at most 200 characters.
    pub summary: String,
}

impl ProgressEntry {
    /// An entry that is not about a tool.
    pub fn new(kind: &str, summary: &str) -> Self {
        Self { kind: kind.to_owned(), call_id: None, name: None, summary: summary_of(summary) }
    }

    /// An entry about `call`.
    pub fn of_call(kind: &str, call: &ToolCall, summary: &str) -> Self {
        Self {
            call_id: Some(call.call_id.clone()),
            name: Some(call.name.clone()),
            ..Self::new(kind, summary)
        }
    }
}

/// The beginning of `text`, at most 200 characters.
pub fn summary_of(text: &str) -> String {
    match text.char_indices().nth(MAX_SUMMARY) {
        None => text.to_owned(),
        Some(_) => text.chars().take(MAX_SUMMARY - 1).chain(['…']).collect(),
    }
}

/// One answer of the model in a run, with what led to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStep {
    /// The run.
    pub run_id: RunId,
    /// The number of the run in its conversation, counted from 1.
    pub run: u64,
    /// The number of the step in its run, counted from 0.
    pub step: u64,
    /// When it took place.
    pub at: DateTime<Utc>,
    /// The status of the run after it.
    pub status: RunStatus,
    /// The tools that the client offers.
    pub capabilities: Vec<ClientCapability>,
    /// The results that the step answers; empty for a message, an expiry or the end of background work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ToolResult>,
    /// The calls that the step makes; not empty if and only if the run waits for the client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// The text of the model's answer, if the run is completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// When a run that waits expires, or a run in the background ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DateTime<Utc>>,
    /// The text with which a run in the background ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_answer: Option<String>,
    /// Whether the step completes the conversation, or will at its end in the background.
    #[serde(default)]
    pub completes: bool,
    /// The progress of the run up to this step.
    pub progress: Vec<ProgressEntry>,
    /// How many messages the conversation has after the step.
    pub messages: u64,
    /// Tokens that the model was shown.
    pub input_tokens: u64,
    /// Tokens of its answer.
    pub output_tokens: u64,
}

impl RunStep {
    /// Whether the run has ended.
    pub fn has_ended(&self) -> bool {
        !matches!(self.status, RunStatus::Running | RunStatus::WaitingForClientAction)
    }

    /// Whether the run waits for results.
    pub fn is_waiting(&self) -> bool {
        self.status == RunStatus::WaitingForClientAction
    }

    /// Whether the run expires or ends in the background by `now`.
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// The status at `now`, whether or not the step that follows from it is stored.
    pub fn status_at(&self, now: DateTime<Utc>) -> RunStatus {
        match self.status {
            RunStatus::Running if self.is_due(now) => RunStatus::Completed,
            RunStatus::WaitingForClientAction if self.is_due(now) => RunStatus::Expired,
            status => status,
        }
    }

    /// The step that follows from this one by time alone: the run expires, or ends in the background.
    /// `None` if that is not due at `now`.
    pub fn after_due(&self, now: DateTime<Utc>) -> Option<Self> {
        let due = self.due.filter(|due| *due <= now)?;
        let next = Self {
            step: self.step + 1,
            at: due,
            status: self.status_at(now),
            results: Vec::new(),
            calls: Vec::new(),
            due: None,
            ..self.clone()
        };
        Some(if self.is_waiting() {
            next.with_progress([ProgressEntry::new(
                "expired",
                "the client did not resume the run in time",
            )])
        } else {
            let answer = self.pending_answer.clone();
            Self { answer, pending_answer: None, messages: self.messages + 1, ..next }
        })
    }

    /// The same step with further entries of progress.
    #[must_use]
    pub fn with_progress(mut self, entries: impl IntoIterator<Item = ProgressEntry>) -> Self {
        self.progress.extend(entries);
        let surplus = self.progress.len().saturating_sub(MAX_PROGRESS);
        self.progress.drain(..surplus);
        self
    }

    /// When the step completed the conversation, if it did.
    pub fn completed_conversation(&self) -> Option<DateTime<Utc>> {
        (self.completes && self.status == RunStatus::Completed).then_some(self.at)
    }

    /// Whether `results` are those that this step answered, in any order.
    pub fn answers(&self, results: &[ToolResult]) -> bool {
        self.results.len() == results.len()
            && results.iter().all(|result| self.results.contains(result))
    }
}

/// Why the results of a resume do not fit the pending calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultsMismatch {
    /// The result at this index is for a call that is not pending.
    NotPending(usize),
    /// The result at this index is the second for its call.
    Repeated(usize),
    /// There is no result for this call.
    Missing(ToolCallId),
}

/// Brings `results` into the order of the `pending` calls, each of which needs exactly one.
pub fn match_results(
    pending: &[ToolCall],
    results: &[ToolResult],
) -> Result<Vec<ResolvedCall>, ResultsMismatch> {
    for (index, result) in results.iter().enumerate() {
        let is_of_call = |other: &ToolResult| other.call_id == result.call_id;
        if results.iter().take(index).any(is_of_call) {
            return Err(ResultsMismatch::Repeated(index));
        }
        if !pending.iter().any(|call| call.call_id == result.call_id) {
            return Err(ResultsMismatch::NotPending(index));
        }
    }
    let resolve = |call: &ToolCall| {
        let result = results.iter().find(|result| result.call_id == call.call_id);
        let result = result.ok_or_else(|| ResultsMismatch::Missing(call.call_id.clone()))?;
        Ok(ResolvedCall { call: call.clone(), output: result.output.clone() })
    };
    pending.iter().map(resolve).collect()
}

#[cfg(test)]
mod tests;
