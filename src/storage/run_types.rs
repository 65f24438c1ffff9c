//! Agent runs as storage gives and takes them.

use chrono::{DateTime, Utc};

use super::TriggerUpdate;
use crate::domain::agent_run::{RunStep, ToolCall};
use crate::domain::conversation::{Conversation, Message};
use crate::ids::{ConversationId, DeploymentId};

/// A step of a run to be stored, with what it adds to its conversation.
#[derive(Debug)]
pub struct NewRunStep {
    /// The ordinal of the conversation.
    pub conversation: u64,
    /// The conversation itself, if the step creates it.
    pub created: Option<Conversation>,
    /// Messages at the end of the conversation (see [`super::NewMessages`]).
    pub messages: Vec<Message>,
    /// The change of the trigger that the run starts from.
    pub trigger: Option<TriggerUpdate>,
    /// Orders changes of the same second.
    pub activity: u64,
    /// The step.
    pub step: RunStep,
}

/// A call that was found by its id.
#[derive(Debug)]
pub struct FoundCall {
    /// The step after the one that made the call, which resolved it or let it expire.
    pub next: Option<RunStep>,
}

/// The place of an item in the history of a conversation: messages and calls in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryPosition {
    /// How many messages the conversation has up to the item, a message included.
    pub messages: u64,
    /// The ordinal of a call; 0 for a message.
    pub call: u64,
}

/// An item of a history.
#[derive(Debug)]
pub enum HistoryItem {
    /// A message.
    Message(Message),
    /// A call of a client's tool.
    Call(HistoryCall),
}

/// A call of a client's tool in a history.
#[derive(Debug)]
pub struct HistoryCall {
    /// The call.
    pub call: ToolCall,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When its run expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// The beginning of its result.
    pub summary: Option<String>,
}

/// A page of a history.
#[derive(Debug)]
pub struct HistoryPage {
    /// The items, oldest first.
    pub items: Vec<(HistoryPosition, HistoryItem)>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// A run with its latest step.
#[derive(Debug)]
pub struct StoredRun {
    /// The ordinal of its conversation.
    pub ordinal: u64,
    /// Its conversation.
    pub conversation: ConversationId,
    /// The deployment that answers in the conversation.
    pub deployment: DeploymentId,
    /// Its latest step.
    pub step: RunStep,
}
