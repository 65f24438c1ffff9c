//! The parts of a prompt: instructions, scene, and the check of its length.

use std::sync::Arc;

use o200k::Counted;

use crate::app::accounts::AccountState;
use crate::app::generation::PendingMessage;
use crate::domain::catalog::{Agent, LlmModel};
use crate::domain::conversation::{Meta, Variables};
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::domain::{Api, Prompt, Scene};

/// The agent's name, personality and description, then the conversation's own instructions.
pub(super) fn instructions(agent: Option<&Agent>, system_prompt: &str) -> Arc<Counted> {
    let mut lines = Vec::new();
    if let Some(agent) = agent {
        lines.push(format!("You are {}.", agent.name));
        if !agent.personality_prompt.is_empty() {
            lines.push(format!("Personality: {}", agent.personality_prompt));
        }
        if !agent.description.is_empty() {
            lines.push(format!("Description: {}", agent.description));
        }
    }
    if !system_prompt.is_empty() {
        lines.push(system_prompt.to_owned());
    }
    Arc::new(lines.join("\n").into())
}

pub(super) fn scene(
    account: &AccountState,
    llm: &LlmModel,
    agent: Option<&Agent>,
    turn: u64,
) -> Scene {
    Scene {
        api: Api::Characters,
        deployment: None,
        model: llm.id.shared(),
        account: account.id.clone(),
        turn,
        variables: Arc::new(Variables::new()),
        meta: Arc::new(Meta::new()),
        agent: agent.map(|agent| agent.name.clone()),
        trigger: None,
    }
}

pub(super) fn pending_message(
    account: &AccountState,
    llm: &LlmModel,
    prompt: Arc<Prompt>,
    input_tokens: u64,
) -> PendingMessage {
    PendingMessage {
        prompt,
        backend: llm.backend,
        thoughts: false,
        input_tokens: Some(input_tokens),
        sent_at: account.clock.now(),
        permit: None,
    }
}

/// Fails if `tokens` do not fit into the model's context; the error names `field`.
pub(super) fn check_context(llm: &LlmModel, tokens: u64, field: &str) -> Result<(), FieldError> {
    if tokens <= llm.max_context {
        return Ok(());
    }
    let message = format!(
        "{field} must fit into the {} tokens that {} can be shown, not come to {tokens}",
        llm.max_context, llm.name
    );
    Err(FieldError::new(field, FieldErrorKind::BadValue, message))
}
