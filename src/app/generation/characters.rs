//! The use cases of the Characters API: completions, and messages in a conversation.
//!
//! Both cost credits: the charge and the messages are committed together or not at all.

mod history;
mod prompt;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use self::history::HISTORY_STEP;
use self::prompt::{check_context, instructions, pending_message, scene};
use super::counting;
use super::record_turn::{charge_completion, record_turn};
use super::release_reply;
use super::{CompletionError, Generation, NewTurn, WholeReply};
use crate::app::accounts::{AccountSession, AccountState, stored};
use crate::app::faults::AttachedFaults;
use crate::domain::catalog::{Agent, LlmModel};
use crate::domain::conversation::{Conversation, Message, Meta, Target, Turn, Variables};
use crate::domain::error::InternalError;
use crate::domain::{Api, OutputMode, Part, Prompt, Role};
use crate::ids::{AgentId, ConversationId, IdKind, LlmId, MessageId};
use crate::storage::{ConversationContext, ConversationKey, History, NewMessages};

/// Messages to be completed.
#[derive(Debug, Clone)]
pub struct CompletionRequest {
    /// The messages before `message`.
    pub history: Vec<Turn>,
    /// The message to answer.
    pub message: Vec<Part>,
    /// The model.
    pub llm: LlmId,
    /// The agent that answers.
    pub agent: Option<AgentId>,
}

/// A conversation to be created.
#[derive(Debug, Clone)]
pub struct NewConversation {
    /// Its title.
    pub title: String,
    /// Its instructions, in addition to those of the agent.
    pub system_prompt: String,
    /// The model that answers in it.
    pub llm: LlmId,
    /// The agent that answers in it.
    pub agent: Option<AgentId>,
    /// Its first messages, stored without change.
    pub messages: Vec<Turn>,
}

/// A message for a conversation.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The conversation.
    pub conversation: ConversationId,
    /// The text.
    pub content: String,
    /// The model that answers this message, instead of the conversation's.
    pub llm: Option<LlmId>,
    /// Whether the model's thoughts are requested.
    pub verbose: bool,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The id of the answer.
    pub id: MessageId,
    /// The text.
    pub content: String,
    /// When it was complete.
    pub created_at: DateTime<Utc>,
    /// The model's thoughts, if they were requested.
    pub thoughts: Option<String>,
}

impl Generation {
    /// Answers a message without a conversation; stores only the charge.
    pub async fn complete_messages(
        &self,
        session: &AccountSession,
        request: CompletionRequest,
    ) -> Result<Completion, CompletionError> {
        let llm = self.fixtures.current().llm(&request.llm, "llm_id")?;
        let agent = self.agent(session, request.agent).await?;
        let (history, message) = (request.history, Arc::new(request.message));
        let instructions = instructions(agent.as_ref(), "");
        let turn = history.iter().filter(|turn| turn.role == Role::User).count();
        let turn = u64::try_from(turn).unwrap_or(u64::MAX).saturating_add(1);
        let scene = scene(session, &llm, agent.as_ref(), turn);
        let output = OutputMode::Text;
        let prompt =
            Arc::new(Prompt { instructions, history, message, output, tools: None, scene });
        let tokens = counting::prompt_tokens(&prompt).await?;
        check_context(&llm, tokens, "messages")?;
        session.apply_attached_fault(attached_faults(&llm)).await?;
        let pending = pending_message(session, &llm, prompt, tokens);
        let WholeReply { reply, lease, .. } = self.complete(session, &pending).await?;
        let cost = llm.cost(reply.input_tokens.saturating_add(reply.output_tokens));
        let created_at = session.clock.now();
        let charged = charge_completion(&*self.storage, session, cost).await;
        let id = release_reply(session, lease, charged)?;
        session.trace().set_charge(cost);
        Ok(Completion { id, content: reply.text, created_at, thoughts: None })
    }

    /// Answers a message in a conversation; stores both and the charge.
    pub async fn send_message(
        &self,
        session: &AccountSession,
        request: NewMessage,
    ) -> Result<Completion, CompletionError> {
        let ConversationContext { conversation, agent, latest, truncated, permit } =
            self.conversation(session, request.conversation).await?;
        let llm = match &request.llm {
            Some(id) => self.fixtures.current().llm(id, "llm_id")?,
            None => {
                self.fixtures.current().llm(&LlmId::from(conversation.target.id()), "llm_id")?
            }
        };
        if let (None, Some(missing)) = (&agent, &conversation.agent) {
            return Err(CompletionError::UnknownAgent(missing.clone()));
        }
        let instructions = instructions(agent.as_ref(), &conversation.system_prompt);
        let message = Arc::new(vec![Part::text(request.content)]);
        let scene = scene(session, &llm, agent.as_ref(), conversation.turn_count + 1);
        let (output, history) = (OutputMode::Text, Vec::new());
        let mut prompt =
            Arc::new(Prompt { instructions, history, message, output, tools: None, scene });
        let tokens = counting::prompt_tokens(&prompt).await?;
        check_context(&llm, tokens, "content")?;
        session.apply_attached_fault(attached_faults(&llm)).await?;
        let budget = llm.max_context - tokens;
        let latest = (latest, truncated);
        let (history, history_tokens) =
            self.newest_messages(session, &conversation, latest, budget).await?;
        Arc::make_mut(&mut prompt).history = history;
        let mut pending = pending_message(session, &llm, prompt, tokens + history_tokens);
        pending.thoughts = request.verbose;
        pending.permit = permit;
        let WholeReply { reply, lease, .. } = self.complete(session, &pending).await?;
        let cost = llm.cost(reply.input_tokens.saturating_add(reply.output_tokens));
        let turn = NewTurn::answered(session, &pending, reply.text.clone());
        let created_at = turn.answered_at;
        let stored = record_turn(&*self.storage, session, cost, turn, conversation.ordinal).await;
        let id = release_reply(session, lease, stored)?;
        session.trace().set_charge(cost);
        Ok(Completion { id, content: reply.text, created_at, thoughts: reply.thoughts })
    }

    /// Creates a conversation, which costs nothing; returns it as it was before its first messages.
    pub async fn create_conversation(
        &self,
        session: &AccountSession,
        new: NewConversation,
    ) -> Result<Conversation, CompletionError> {
        let llm = self.fixtures.current().llm(&new.llm, "llm_id")?;
        self.agent(session, new.agent.clone()).await?;
        let now = session.clock.now();
        let mut ids = session.epoch().ids.allocation();
        let ordinal = ids.next(IdKind::Conversation);
        let activity = ids.next(IdKind::Activity);
        let conversation = Conversation {
            id: session.epoch().ids.characters_conversation(ordinal),
            ordinal,
            target: Target::Llm(llm.id.clone()),
            name: new.title,
            meta: Meta::new(),
            variables: Variables::new(),
            system_prompt: new.system_prompt,
            agent: new.agent,
            created_at: now,
            updated_at: now,
            message_count: 0,
            turn_count: 0,
            run_count: 0,
            completed_at: None,
        };
        let messages = new.messages.into_iter();
        let messages =
            messages.map(|turn| Message::new(ids.message(), turn.role, turn.parts, now)).collect();
        let first = NewMessages { conversation: ordinal, activity, at: now, messages };
        let scope = session.write_scope(&ids);
        let outcome =
            self.storage.start_conversation(scope, conversation.clone(), first, None).await;
        stored(outcome, ids)?;
        Ok(conversation)
    }

    /// The conversation with its latest messages, at most [`HISTORY_STEP`].
    async fn conversation(
        &self,
        account: &AccountState,
        id: ConversationId,
    ) -> Result<ConversationContext, CompletionError> {
        let (owner, api) = (account.row, Api::Characters);
        let latest = History::Messages(HISTORY_STEP);
        let key = ConversationKey { owner, api, id: id.clone(), latest };
        let context = self.storage.load_conversation(key).await.map_err(InternalError::new)?;
        context.ok_or(CompletionError::UnknownConversation(id))
    }

    async fn agent(
        &self,
        account: &AccountState,
        id: Option<AgentId>,
    ) -> Result<Option<Agent>, CompletionError> {
        let Some(id) = id else { return Ok(None) };
        let found = self.storage.find_agent(account.row, id.clone()).await;
        let found = found.map_err(InternalError::new)?;
        found.map(Some).ok_or(CompletionError::UnknownAgent(id))
    }
}

/// The faults attached to a model.
fn attached_faults(llm: &LlmModel) -> AttachedFaults<'_> {
    AttachedFaults { owner: llm.id.as_str(), faults: &llm.faults }
}
