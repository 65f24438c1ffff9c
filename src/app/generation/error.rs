//! Why there is no reply, or why a turn was not stored.

use thiserror::Error;

use crate::app::accounts::SessionWriteError;
use crate::app::faults::InjectedError;
use crate::domain::Credits;
use crate::domain::error::{FieldError, InternalError};
use crate::fixtures::ModelLookupError;
use crate::ids::{AgentId, ConversationId, DeploymentId};
pub use crate::models::ModelError;

/// Why there is no reply, or why a turn or a conversation was not stored.
#[derive(Debug, Error)]
pub enum GenerateError {
    /// A field of the request is wrong.
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
    /// The conversation belongs to another deployment of the same account.
    #[error("conversation `{conversation}` belongs to deployment `{belongs_to}`")]
    DeploymentMismatch {
        /// The conversation.
        conversation: ConversationId,
        /// The deployment that it runs on.
        belongs_to: DeploymentId,
    },
    /// The balance does not cover the cost.
    #[error("insufficient account balance: this costs {cost} credits")]
    InsufficientBalance {
        /// What the reply costs.
        cost: Credits,
    },
    /// Nothing was stored.
    #[error(transparent)]
    Write(#[from] SessionWriteError),
    /// A fault of the model was injected.
    #[error(transparent)]
    Injected(#[from] InjectedError),
    /// The model failed. Clients learn what went wrong only where they can do something about it.
    #[error("{}", .0.client_message())]
    Model(#[from] ModelError),
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

impl GenerateError {
    /// Whether the cause belongs into the log: the server or the model failed.
    pub fn is_server_failure(&self) -> bool {
        match self {
            Self::Model(_) | Self::Internal(_) | Self::Write(SessionWriteError::Internal(_)) => true,
            Self::Field(_)
            | Self::ModelLookup(_)
            | Self::UnknownAgent(_)
            | Self::UnknownConversation(_)
            | Self::DeploymentMismatch { .. }
            | Self::InsufficientBalance { .. }
            | Self::Injected(_)
            | Self::Write(SessionWriteError::AccountEnded) => false,
        }
    }
}
