//! The kinds of objects that an account numbers, and the counter of each.

use std::sync::atomic::AtomicU64;

/// What an account numbers. Most kinds have ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum IdKind {
    /// A request to either API.
    Request,
    /// A conversation of either API.
    Conversation,
    /// A message of either API, stored or not.
    Message,
    /// A change to a conversation, to order changes within a second. It has no id.
    Activity,
    /// An agent.
    Agent,
    /// An image.
    Image,
    /// An agent run.
    Run,
    /// A call of a client's tool.
    ToolCall,
    /// A trigger of the Runner API.
    Trigger,
    /// A run, a stream or a message of the Runner API. It has a number and no id.
    WorkflowLog,
}

impl IdKind {
    /// Every kind, in the order of [`Counters`].
    pub const ALL: [Self; 10] = [
        Self::Request,
        Self::Conversation,
        Self::Message,
        Self::Activity,
        Self::Agent,
        Self::Image,
        Self::Run,
        Self::ToolCall,
        Self::Trigger,
        Self::WorkflowLog,
    ];

    /// The name in the database and in the hash of every id.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Conversation => "conversation",
            Self::Message => "message",
            Self::Activity => "activity",
            Self::Agent => "agent",
            Self::Image => "image",
            Self::Run => "run",
            Self::ToolCall => "tool_call",
            Self::Trigger => "trigger",
            Self::WorkflowLog => "workflow_log",
        }
    }

    pub(super) fn counter(self, counters: &Counters) -> &AtomicU64 {
        let [request, conversation, message, activity, agent, image, run, tool_call, trigger, log] =
            &counters.0;
        match self {
            Self::Request => request,
            Self::Conversation => conversation,
            Self::Message => message,
            Self::Activity => activity,
            Self::Agent => agent,
            Self::Image => image,
            Self::Run => run,
            Self::ToolCall => tool_call,
            Self::Trigger => trigger,
            Self::WorkflowLog => log,
        }
    }
}

/// How many of each [`IdKind`] an account has allocated.
#[derive(Debug, Default)]
pub(super) struct Counters([AtomicU64; IdKind::ALL.len()]);
