//! Why there is no reply, or why a turn or a conversation was not stored.

use thiserror::Error;

use crate::app::accounts::SessionWriteError;
use crate::app::faults::InjectedError;
use crate::app::run_state::BusyError;
use crate::domain::Credits;
use crate::domain::catalog::ModelLookupError;
use crate::domain::error::{FieldError, InternalError};
use crate::ids::{AgentId, ConversationId, DeploymentId, TriggerId};
pub use crate::models::ModelError;
#[cfg(test)]
pub use crate::models::rules::template::RenderError;

/// Why there is no reply, or why it was not stored.
#[derive(Debug, Error)]
pub enum ReplyError {
    /// The model failed. Clients learn what went wrong only where they can do something about it.
    #[error("{}", .0.client_message())]
    Model(#[from] ModelError),
    /// Nothing was stored.
    #[error(transparent)]
    Write(#[from] SessionWriteError),
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

impl ReplyError {
    /// Whether the server or the model failed, so that the cause is logged.
    pub fn is_server_failure(&self) -> bool {
        match self {
            Self::Model(_) | Self::Internal(_) | Self::Write(SessionWriteError::Internal(_)) => {
                true
            }
            Self::Write(SessionWriteError::AccountEnded) => false,
        }
    }
}

/// Why a run, a stream or a conversation of the Runner API was not started.
#[derive(Debug, Error)]
pub enum FirstMessageError {
    /// The account has no such trigger of the deployment.
    #[error("there is no trigger `{0}` of this deployment")]
    UnknownTrigger(TriggerId),
    /// The trigger has expired.
    #[error("trigger_id names the trigger `{0}`, which has expired")]
    ExpiredTrigger(TriggerId),
    /// There is no reply.
    #[error(transparent)]
    Reply(#[from] ReplyError),
}

/// Why a conversation of the Runner API was not continued.
#[derive(Debug, Error)]
pub enum ContinueError {
    /// The account has no such conversation.
    #[error("there is no conversation `{0}`")]
    UnknownConversation(ConversationId),
    /// The conversation belongs to another deployment of the same account.
    #[error("conversation `{conversation}` belongs to deployment `{belongs_to}`")]
    DeploymentMismatch {
        /// The conversation.
        conversation: ConversationId,
        /// The deployment that it runs on.
        belongs_to: DeploymentId,
    },
    /// An agent run of the conversation is not finished, or has completed the conversation.
    #[error(transparent)]
    Busy(#[from] BusyError),
    /// There is no reply.
    #[error(transparent)]
    Reply(#[from] ReplyError),
}

/// Why there is no completion, or why a conversation of the Characters API was not created.
#[derive(Debug, Error)]
pub enum CompletionError {
    /// The prompt does not fit into the model's context.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The request names a model that cannot answer.
    #[error(transparent)]
    ModelLookup(#[from] ModelLookupError),
    /// The account has no such agent.
    #[error("there is no agent `{0}`")]
    UnknownAgent(AgentId),
    /// The account has no such conversation.
    #[error("there is no conversation `{0}`")]
    UnknownConversation(ConversationId),
    /// The balance does not cover the cost.
    #[error("insufficient account balance: this costs {cost} credits")]
    InsufficientBalance {
        /// What the reply costs.
        cost: Credits,
    },
    /// A fault of the model was injected.
    #[error(transparent)]
    Injected(#[from] InjectedError),
    /// There is no reply.
    #[error(transparent)]
    Reply(#[from] ReplyError),
}

/// Conversions through [`ReplyError`].
macro_rules! impl_from_reply {
    ($($error:ident: $($source:ty),*;)*) => {
        $($(impl From<$source> for $error {
            fn from(error: $source) -> Self {
                ReplyError::from(error).into()
            }
        })*)*
    };
}

impl_from_reply! {
    FirstMessageError: SessionWriteError, InternalError;
    ContinueError: InternalError;
    CompletionError: SessionWriteError, InternalError;
}
