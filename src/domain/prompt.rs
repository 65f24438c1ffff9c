//! The prompt of a model.

use std::sync::Arc;

use o200k::Counted;

use super::agent_run::ToolContext;
use super::api::Api;
use super::catalog::OutputMode;
use super::conversation::{Meta, Part, Turn, Variables};
use crate::ids::{AccountId, DeploymentId, TriggerId};

/// Everything that a model is shown, and the facts that only rules use.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// The system instructions, with their slots filled.
    pub instructions: Arc<Counted>,
    /// The history, oldest first.
    pub history: Vec<Turn>,
    /// The message to answer; shared, because it may be long and is stored later.
    pub message: Arc<Vec<Part>>,
    /// Whether the answer is text or an object.
    pub output: OutputMode,
    /// The client's tools and their results, in an agent run.
    pub tools: Option<Arc<ToolContext>>,
    /// Facts of the request, which models never see.
    pub scene: Scene,
}

/// The facts of a request that conditions of reply rules and templates can use.
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
    /// The number of the turn in its conversation, from 1.
    pub turn: u64,
    /// The conversation's or the request's variables.
    pub variables: Arc<Variables>,
    /// The conversation's meta.
    pub meta: Arc<Meta>,
    /// The name of the agent that answers, in the Characters API.
    pub agent: Option<String>,
    /// The trigger that the request starts from, in the Runner API. Its content is the first message
    /// that the model is shown.
    pub trigger: Option<Arc<UsedTrigger>>,
}

/// A trigger that a request starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedTrigger {
    /// The id.
    pub id: TriggerId,
    /// The place in the client's user interface.
    pub ui_surface: Option<String>,
}

impl Prompt {
    /// The content of the trigger that the request starts from.
    pub fn trigger_content(&self) -> Option<&[Part]> {
        self.scene.trigger.as_ref()?;
        Some(self.history.first().map_or(self.message.as_slice(), |turn| turn.parts.as_slice()))
    }
}
