//! Conversations as storage returns them.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::{AccountKey, LargeReadPermit, Listed};
use crate::domain::Api;
use crate::domain::agent_run::RunSummary;
use crate::domain::catalog::Agent;
use crate::domain::conversation::{Conversation, Part, Role};
use crate::ids::{ConversationId, DeploymentId, ImageId};

/// The most bytes of messages that are read of a conversation; more than one turn can have.
pub const LONGEST_HISTORY: u64 = 32 * 1024 * 1024;

/// A conversation to be loaded, and how much of it.
#[derive(Debug, Clone)]
pub struct ConversationKey {
    /// The account.
    pub owner: AccountKey,
    /// The API of the conversation.
    pub api: Api,
    /// The conversation's id.
    pub id: ConversationId,
    /// Which of its messages.
    pub latest: History,
}

/// The end of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// At most this many of the latest turns.
    Turns(u64),
    /// At most this many of the latest messages.
    Messages(u64),
}

/// A conversation with what a model is shown of it.
#[derive(Debug)]
pub struct ConversationContext {
    /// The conversation.
    pub conversation: Conversation,
    /// The agent of the conversation; `None` if it has none or its agent does not exist.
    pub agent: Option<Agent>,
    /// Its latest messages, oldest first.
    pub latest: Vec<RecentMessage>,
    /// Whether older messages are missing because all requested ones are longer than
    /// [`LONGEST_HISTORY`].
    pub truncated: bool,
    /// Kept until the answer is complete; `None` if there are no long texts.
    pub permit: Option<LargeReadPermit>,
}

/// What a model is shown of a message.
#[derive(Debug)]
pub struct RecentMessage {
    /// The author.
    pub role: Role,
    /// The text and the files.
    pub parts: Vec<Part>,
    /// The image, if the message is only that.
    pub image: Option<ImageId>,
}

/// The size of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationExtent {
    /// The conversation's ordinal.
    pub ordinal: u64,
    /// The id of the deployment or the model that answers in it.
    pub target: String,
    /// How many messages it has.
    pub message_count: u64,
    /// How many turns it has.
    pub turn_count: u64,
    /// Its latest agent run.
    pub run: Option<RunSummary>,
    /// When a run completed it.
    pub completed_at: Option<DateTime<Utc>>,
}

/// A Runner conversation as lists show it.
#[derive(Debug)]
pub struct Summary {
    /// The conversation's id.
    pub id: ConversationId,
    /// The conversation's name.
    pub name: String,
    /// The client's labels: the text of a JSON object, not parsed.
    pub meta: Box<RawValue>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// How many messages it has.
    pub message_count: u64,
    /// Its latest agent run.
    pub run: Option<RunSummary>,
    /// When a run completed it.
    pub completed_at: Option<DateTime<Utc>>,
}

/// The conditions of a list of Runner conversations.
#[derive(Debug, Clone, Default)]
pub struct ConversationFilter {
    /// Only those of this deployment.
    pub deployment: Option<DeploymentId>,
    /// Only those with all of these labels, the values as text.
    pub meta: Vec<(String, String)>,
}

/// The order of all conversations of an account, and the first of them.
#[derive(Debug)]
pub struct ConversationList {
    /// The ordinals of all, the latest activity first.
    pub ordinals: Vec<u64>,
    /// The first batch.
    pub first: Vec<Listed<Conversation>>,
}
