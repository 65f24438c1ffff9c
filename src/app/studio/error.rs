//! Why an agent or an image was not made or not found.

use thiserror::Error;

use crate::app::accounts::SessionWriteError;
use crate::app::faults::InjectedError;
use crate::domain::Credits;
use crate::domain::catalog::ModelLookupError;
use crate::domain::error::InternalError;
use crate::ids::{AgentId, ConversationId};

/// Why an agent or an image was not made or not found.
#[derive(Debug, Error)]
pub enum AgentsAndImagesError {
    /// The request names a model that cannot draw.
    #[error(transparent)]
    ModelLookup(#[from] ModelLookupError),
    /// The account has no such agent.
    #[error("there is no agent `{0}`")]
    UnknownAgent(AgentId),
    /// The account has no such conversation for the image.
    #[error("there is no conversation `{0}`")]
    UnknownConversation(ConversationId),
    /// No account has an image or an agent with this id.
    #[error("there is no picture `{0}`")]
    UnknownImage(String),
    /// The balance does not cover the cost.
    #[error("insufficient account balance: this costs {cost} credits")]
    InsufficientBalance {
        /// What the image costs.
        cost: Credits,
    },
    /// A fault of the model was injected.
    #[error(transparent)]
    Injected(#[from] InjectedError),
    /// Nothing was stored.
    #[error(transparent)]
    Write(#[from] SessionWriteError),
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
}
