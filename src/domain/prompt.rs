//! What a model is shown of a conversation.

use std::sync::Arc;

use o200k::Counted;

use super::agent_run::ToolContext;
use super::api::Api;
use super::catalog::OutputMode;
use super::conversation::{Meta, Part, Turn, Variables};
use crate::ids::{AccountId, DeploymentId};

/// Everything that a model is shown, and the circumstances that rules look at.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// System instructions, slots filled.
    pub instructions: Arc<Counted>,
    /// The history sent, oldest first.
    pub history: Vec<Turn>,
    /// The new message; shared, because it may be long and is stored later.
    pub message: Arc<Vec<Part>>,
    /// Text or an object.
    pub output: OutputMode,
    /// The client's tools and their results, in an agent run.
    pub tools: Option<Arc<ToolContext>>,
    /// Where the request came in; never part of what the model sees.
    pub scene: Scene,
}

/// The circumstances of a prompt: rules may ask for them, models never see them.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The API.
    pub api: Api,
    /// The deployment, in the Runner API.
    pub deployment: Option<DeploymentId>,
    /// The name or id of the model.
    pub model: Arc<str>,
    /// The account.
    pub account: AccountId,
    /// Which turn of its conversation this is, counted from 1.
    pub turn: u64,
    /// The conversation's or the request's variables.
    pub variables: Arc<Variables>,
    /// The conversation's meta.
    pub meta: Arc<Meta>,
    /// The name of the agent that speaks, in the Characters API.
    pub agent: Option<String>,
}
