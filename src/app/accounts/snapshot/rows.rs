//! Conversations, agents, images and triggers as a snapshot writes them.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::values::{MOST_MADE, time};
use crate::clock::exact_rfc3339;
use crate::domain::agent_run::RunStep;
use crate::domain::catalog::{Agent, Image};
use crate::domain::conversation::{Conversation, Message, Meta, Target, Variables, number_turns};
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::domain::trigger::{MOST_TRIGGER_BYTES, MOST_TRIGGERS};
use crate::domain::{Api, Part, Role, Trigger};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConversationState {
    pub(super) ordinal: u64,
    pub(super) id: String,
    api: Api,
    target: String,
    name: String,
    meta: Meta,
    variables: Variables,
    system_prompt: String,
    agent: Option<String>,
    created_at: String,
    updated_at: String,
    activity: u64,
    messages: Vec<MessageState>,
    /// The steps of its agent runs, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) runs: Vec<RunStep>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageState {
    id: String,
    role: Role,
    parts: Vec<Part>,
    image: Option<String>,
    created_at: String,
    aborted: bool,
    /// The number of its turn. Snapshots of earlier versions have none; then each user's message begins
    /// a turn.
    #[serde(default)]
    turn: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentState {
    pub(super) ordinal: u64,
    pub(super) id: String,
    name: String,
    appearance_prompt: String,
    personality_prompt: String,
    description: String,
    sd_model: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageState {
    pub(super) ordinal: u64,
    pub(super) id: String,
    prompt: String,
    sd_model: String,
    created_at: String,
}

impl From<(Conversation, u64, Vec<Message>)> for ConversationState {
    fn from((conversation, activity, messages): (Conversation, u64, Vec<Message>)) -> Self {
        Self {
            ordinal: conversation.ordinal,
            id: conversation.id.to_string(),
            api: conversation.target.api(),
            target: conversation.target.id().to_owned(),
            name: conversation.name,
            meta: conversation.meta,
            variables: conversation.variables,
            system_prompt: conversation.system_prompt,
            agent: conversation.agent.map(|id| id.to_string()),
            created_at: exact_rfc3339(conversation.created_at),
            updated_at: exact_rfc3339(conversation.updated_at),
            activity,
            messages: messages.into_iter().map(Into::into).collect(),
            runs: Vec::new(),
        }
    }
}

impl ConversationState {
    /// The `conversations`, each with those of the `steps` that carry its ordinal.
    pub(super) fn all(
        conversations: Vec<(Conversation, u64, Vec<Message>)>,
        steps: Vec<(u64, RunStep)>,
    ) -> Vec<Self> {
        let mut runs: HashMap<u64, Vec<RunStep>> = HashMap::new();
        for (conversation, step) in steps {
            runs.entry(conversation).or_default().push(step);
        }
        let with_runs = |row: (Conversation, u64, Vec<Message>)| {
            let state = Self::from(row);
            Self { runs: runs.remove(&state.ordinal).unwrap_or_default(), ..state }
        };
        conversations.into_iter().map(with_runs).collect()
    }

    pub(super) fn checked(self, at: &str) -> Result<(Conversation, u64, Vec<Message>), FieldError> {
        let conversation = Conversation {
            id: self.id.into(),
            ordinal: self.ordinal,
            target: Target::of(self.api, self.target),
            name: self.name,
            meta: self.meta,
            variables: self.variables,
            system_prompt: self.system_prompt,
            agent: self.agent.map(Into::into),
            created_at: time(&self.created_at, &format!("{at}.created_at"))?,
            updated_at: time(&self.updated_at, &format!("{at}.updated_at"))?,
            message_count: 0,
            turn_count: 0,
            run_count: 0,
            completed_at: None,
        };
        let numbers: Vec<Option<u64>> = self.messages.iter().map(|it| it.turn).collect();
        let messages = self.messages.into_iter().enumerate();
        let mut messages = messages
            .map(|(index, it)| it.checked(&format!("{at}.messages[{index}]")))
            .collect::<Result<Vec<Message>, _>>()?;
        if numbers.iter().all(Option::is_none) {
            number_turns(&mut messages);
        } else {
            check_turns(&messages, at)?;
        }
        Ok((conversation, self.activity, messages))
    }
}

impl From<Message> for MessageState {
    fn from(message: Message) -> Self {
        Self {
            id: message.id.to_string(),
            role: message.role,
            parts: message.parts,
            image: message.image.map(|id| id.to_string()),
            created_at: exact_rfc3339(message.created_at),
            aborted: message.aborted,
            turn: Some(message.turn),
        }
    }
}

/// Checks that turns are numbered from 0 or 1 without a gap and begin with a user's message.
fn check_turns(messages: &[Message], at: &str) -> Result<(), FieldError> {
    let mut latest = 0;
    for (index, message) in messages.iter().enumerate() {
        let begins = message.turn == latest + 1 && message.role == Role::User;
        if message.turn != latest && !begins {
            let field = format!("{at}.messages[{index}].turn");
            let message = format!(
                "{field} must be {latest}, or {} for a user's message that begins a turn",
                latest + 1
            );
            return Err(FieldError::new(field, FieldErrorKind::BadValue, message));
        }
        latest = message.turn;
    }
    Ok(())
}

impl MessageState {
    fn checked(self, at: &str) -> Result<Message, FieldError> {
        Ok(Message {
            id: self.id.into(),
            role: self.role,
            parts: self.parts,
            image: self.image.map(Into::into),
            created_at: time(&self.created_at, &format!("{at}.created_at"))?,
            aborted: self.aborted,
            turn: self.turn.unwrap_or_default(),
        })
    }
}

impl From<(u64, Agent)> for AgentState {
    fn from((ordinal, agent): (u64, Agent)) -> Self {
        Self {
            ordinal,
            id: agent.id.to_string(),
            name: agent.name,
            appearance_prompt: agent.appearance_prompt,
            personality_prompt: agent.personality_prompt,
            description: agent.description,
            sd_model: agent.sd_model.map(|id| id.to_string()),
        }
    }
}

impl AgentState {
    pub(super) fn into_domain(self) -> (u64, Agent) {
        let agent = Agent {
            id: self.id.into(),
            name: self.name,
            appearance_prompt: self.appearance_prompt,
            personality_prompt: self.personality_prompt,
            description: self.description,
            sd_model: self.sd_model.map(Into::into),
        };
        (self.ordinal, agent)
    }
}

impl From<(u64, Image)> for ImageState {
    fn from((ordinal, image): (u64, Image)) -> Self {
        Self {
            ordinal,
            id: image.id.to_string(),
            prompt: image.prompt,
            sd_model: image.sd_model.to_string(),
            created_at: exact_rfc3339(image.created_at),
        }
    }
}

impl ImageState {
    pub(super) fn checked(self, at: &str) -> Result<(u64, Image), FieldError> {
        let image = Image {
            id: self.id.into(),
            prompt: self.prompt,
            sd_model: self.sd_model.into(),
            created_at: time(&self.created_at, &format!("{at}.created_at"))?,
        };
        Ok((self.ordinal, image))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TriggerState {
    pub(super) ordinal: u64,
    pub(super) id: String,
    deployment: String,
    content: Vec<Part>,
    variables: Option<Variables>,
    ui_surface: Option<String>,
    created_at: String,
    expires_at: Option<String>,
    conversation: Option<String>,
    workflow_log: Option<u64>,
}

impl From<Trigger> for TriggerState {
    fn from(trigger: Trigger) -> Self {
        Self {
            ordinal: trigger.ordinal,
            id: trigger.id.to_string(),
            deployment: trigger.deployment.to_string(),
            content: trigger.content,
            variables: trigger.variables,
            ui_surface: trigger.ui_surface,
            created_at: exact_rfc3339(trigger.created_at),
            expires_at: trigger.expires_at.map(exact_rfc3339),
            conversation: trigger.conversation.map(|id| id.to_string()),
            workflow_log: trigger.workflow_log,
        }
    }
}

impl TriggerState {
    /// The triggers, which must be no more than an account can have.
    pub(super) fn check_all(triggers: Vec<Self>) -> Result<Vec<Trigger>, FieldError> {
        let triggers = triggers.into_iter().enumerate();
        let triggers = triggers
            .map(|(index, it)| it.checked(&format!("triggers[{index}]")))
            .collect::<Result<Vec<Trigger>, _>>()?;
        let count = u64::try_from(triggers.len()).unwrap_or(u64::MAX);
        let bytes = triggers.iter().map(Trigger::bytes).fold(0, u64::saturating_add);
        if count > MOST_TRIGGERS || bytes > MOST_TRIGGER_BYTES {
            let message =
                format!("triggers must be at most {MOST_TRIGGERS} with {MOST_TRIGGER_BYTES} bytes");
            return Err(FieldError::new("triggers", FieldErrorKind::BadValue, message));
        }
        Ok(triggers)
    }

    fn checked(self, at: &str) -> Result<Trigger, FieldError> {
        let expires_at =
            self.expires_at.map(|end| time(&end, &format!("{at}.expires_at"))).transpose()?;
        if self.workflow_log.is_some_and(|run| run > MOST_MADE) {
            let field = format!("{at}.workflow_log");
            let message = format!("{field} must be a whole number from 0 to {MOST_MADE}");
            return Err(FieldError::new(field, FieldErrorKind::BadValue, message));
        }
        Ok(Trigger {
            id: self.id.into(),
            ordinal: self.ordinal,
            deployment: self.deployment.into(),
            content: self.content,
            variables: self.variables,
            ui_surface: self.ui_surface,
            created_at: time(&self.created_at, &format!("{at}.created_at"))?,
            expires_at,
            conversation: self.conversation.map(Into::into),
            workflow_log: self.workflow_log,
        })
    }
}
