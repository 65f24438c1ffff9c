//! The turns of the Characters API: completions, and messages in a conversation.
//!
//! Both are paid for: the charge and what is stored commit together or not at all.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use o200k::Counted;

use super::counting;
use super::message;
use super::record_turn::{charge_completion, record_turn};
use super::release_reply;
use super::{CompletionError, Generation, NewTurn, PendingMessage, WholeReply};
use crate::app::accounts::{AccountSession, AccountState, stored};
use crate::app::faults::AttachedFaults;
use crate::domain::api::IMAGES;
use crate::domain::catalog::{Agent, LlmModel};
use crate::domain::conversation::{Conversation, FileRef, Message, Meta, Target, Turn, Variables};
use crate::domain::error::{FieldError, FieldErrorKind, InternalError};
use crate::domain::{Api, OutputMode, Part, Prompt, Role, Scene};
use crate::ids::{AgentId, ConversationId, IdKind, LlmId, MessageId};
use crate::storage::{
    AccountKey, ConversationContext, ConversationKey, History, LONGEST_HISTORY, NewMessages,
    PageWindow, RecentMessage,
};

/// How many messages are fetched at a time while the history is filled, newest first.
const HISTORY_STEP: u64 = 50;

/// Messages to be completed.
#[derive(Debug, Clone)]
pub struct CompletionRequest {
    /// The messages before it.
    pub history: Vec<Turn>,
    /// The message to answer.
    pub message: Vec<Part>,
    /// The model.
    pub llm: LlmId,
    /// The agent that answers, if any.
    pub agent: Option<AgentId>,
}

/// A conversation to be begun.
#[derive(Debug, Clone)]
pub struct NewConversation {
    /// Its title.
    pub title: String,
    /// Its own instructions.
    pub system_prompt: String,
    /// The model that answers in it.
    pub llm: LlmId,
    /// The agent that speaks in it.
    pub agent: Option<AgentId>,
    /// What was said before, stored as it comes.
    pub messages: Vec<Turn>,
}

/// A message for a conversation.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The conversation.
    pub conversation: ConversationId,
    /// The message.
    pub content: String,
    /// The model that answers this message only, instead of the conversation's.
    pub llm: Option<LlmId>,
    /// Whether the model is to say how it comes to its answer.
    pub verbose: bool,
}

/// An agent's answer.
#[derive(Debug, Clone)]
pub struct Completion {
    /// Its id.
    pub id: MessageId,
    /// Its text.
    pub content: String,
    /// When it was given.
    pub created_at: DateTime<Utc>,
    /// How the model came to it, if that was asked for.
    pub thoughts: Option<String>,
}

impl Generation {
    /// Completes messages; charges for it and stores nothing else.
    pub async fn complete_messages(
        &self,
        session: &AccountSession,
        unfinished: CompletionRequest,
    ) -> Result<Completion, CompletionError> {
        let llm = self.fixtures.current().llm(&unfinished.llm, "llm_id")?;
        let agent = self.agent(session, unfinished.agent).await?;
        let (history, message) = (unfinished.history, Arc::new(unfinished.message));
        let instructions = instructions(agent.as_ref(), "");
        let turn = history.iter().filter(|turn| turn.role == Role::User).count();
        let turn = u64::try_from(turn).unwrap_or(u64::MAX).saturating_add(1);
        let scene = scene(session, &llm, agent.as_ref(), turn);
        let output = OutputMode::Text;
        let prompt = Arc::new(Prompt { instructions, history, message, output, scene });
        let tokens = counting::shown(&prompt).await?;
        fits(&llm, tokens, "messages")?;
        session.meet(carried(&llm)).await?;
        let asked = asked(session, &llm, prompt, tokens);
        let WholeReply { completed, lease, .. } = self.complete(session, &asked).await?;
        let cost = llm.cost(completed.input_tokens.saturating_add(completed.output_tokens));
        let created_at = session.clock.now();
        let paid = charge_completion(&*self.storage, session, cost).await;
        let id = release_reply(session, lease, paid)?;
        session.trace().charged(cost);
        Ok(Completion { id, content: completed.text, created_at, thoughts: None })
    }

    /// Answers a message in a conversation, charges for it and stores both.
    pub async fn send_message(
        &self,
        session: &AccountSession,
        addressed: NewMessage,
    ) -> Result<Completion, CompletionError> {
        let ConversationContext { conversation, agent, latest, cut, held } =
            self.conversation(session, addressed.conversation).await?;
        let llm = match &addressed.llm {
            Some(id) => self.fixtures.current().llm(id, "llm_id")?,
            None => {
                self.fixtures.current().llm(&LlmId::from(conversation.target.id()), "llm_id")?
            }
        };
        if let (None, Some(gone)) = (&agent, &conversation.agent) {
            return Err(CompletionError::UnknownAgent(gone.clone()));
        }
        let instructions = instructions(agent.as_ref(), &conversation.system_prompt);
        let message = Arc::new(vec![Part::text(addressed.content)]);
        let scene = scene(session, &llm, agent.as_ref(), conversation.turn_count + 1);
        let (output, history) = (OutputMode::Text, Vec::new());
        let mut prompt = Arc::new(Prompt { instructions, history, message, output, scene });
        let needed = counting::shown(&prompt).await?;
        fits(&llm, needed, "content")?;
        session.meet(carried(&llm)).await?;
        let budget = llm.max_context - needed;
        let (history, filled) = self.newest(session, &conversation, (latest, cut), budget).await?;
        Arc::make_mut(&mut prompt).history = history;
        let mut asked = asked(session, &llm, prompt, needed + filled);
        asked.thoughts = addressed.verbose;
        asked.held = held;
        let WholeReply { completed, lease, .. } = self.complete(session, &asked).await?;
        let cost = llm.cost(completed.input_tokens.saturating_add(completed.output_tokens));
        let turn = NewTurn::answered(session, &asked, completed.text.clone());
        let created_at = turn.answered_at;
        let stored = record_turn(&*self.storage, session, cost, turn, conversation.ordinal).await;
        let id = release_reply(session, lease, stored)?;
        session.trace().charged(cost);
        Ok(Completion { id, content: completed.text, created_at, thoughts: completed.thoughts })
    }

    /// Begins a conversation, which costs nothing; gives it as stored.
    pub async fn create_conversation(
        &self,
        session: &AccountSession,
        begun: NewConversation,
    ) -> Result<Conversation, CompletionError> {
        let llm = self.fixtures.current().llm(&begun.llm, "llm_id")?;
        self.agent(session, begun.agent.clone()).await?;
        let now = session.clock.now();
        let mut ids = session.epoch().ids.allocation();
        let ordinal = ids.next(IdKind::Conversation);
        let activity = ids.next(IdKind::Activity);
        let conversation = Conversation {
            id: session.epoch().ids.characters_conversation(ordinal),
            ordinal,
            target: Target::Llm(llm.id.clone()),
            name: begun.title,
            meta: Meta::new(),
            variables: Variables::new(),
            system_prompt: begun.system_prompt,
            agent: begun.agent,
            created_at: now,
            updated_at: now,
            message_count: 0,
            turn_count: 0,
        };
        let messages = begun.messages.into_iter();
        let messages = messages
            .map(|turn| message(&mut ids, turn.role, turn.parts, now))
            .collect();
        let first = NewMessages { conversation: ordinal, activity, at: now, messages };
        let scope = session.write_scope(&ids);
        let outcome = self.storage.start_conversation(scope, conversation.clone(), first).await;
        stored(outcome, ids)?;
        Ok(conversation)
    }

    /// The conversation, and as much of it as is fetched at a time.
    async fn conversation(
        &self,
        account: &AccountState,
        id: ConversationId,
    ) -> Result<ConversationContext, CompletionError> {
        let (owner, api) = (account.row, Api::Characters);
        let latest = History::Messages(HISTORY_STEP);
        let key = ConversationKey { owner, api, id: id.clone(), latest };
        let found = self.storage.load_conversation(key).await.map_err(InternalError::new)?;
        found.ok_or(CompletionError::UnknownConversation(id))
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

    /// The newest messages that fit into `budget` tokens, oldest first, and the tokens they come
    /// to. The `latest` are there already, at most [`HISTORY_STEP`], and fewer than there are where they
    /// were cut. No more than [`LONGEST_HISTORY`] bytes are read besides.
    async fn newest(
        &self,
        account: &AccountState,
        conversation: &Conversation,
        (mut latest, mut cut): (Vec<RecentMessage>, bool),
        budget: u64,
    ) -> Result<(Vec<Turn>, u64), CompletionError> {
        let mut history = Vec::new();
        let (mut left, mut end) = (budget, conversation.message_count);
        let mut bytes_left = LONGEST_HISTORY;
        'filling: while end > 0 {
            let skip = end.saturating_sub(HISTORY_STEP);
            if latest.is_empty() {
                let window = PageWindow { skip, take: end - skip };
                let (older, bytes) =
                    self.older(account.row, conversation.ordinal, window, bytes_left).await?;
                cut = older.len() < usize::try_from(window.take).unwrap_or(usize::MAX);
                (latest, bytes_left) = (older, bytes_left - bytes);
            }
            while let Some(message) = latest.pop() {
                let turn = shown(message);
                let (tokens, parts) = counting::of_message(turn.parts).await?;
                if tokens > left {
                    break 'filling;
                }
                left -= tokens;
                history.push(Turn { parts, ..turn });
            }
            if cut {
                break;
            }
            end = skip;
        }
        history.reverse();
        Ok((history, budget - left))
    }

    async fn older(
        &self,
        owner: AccountKey,
        ordinal: u64,
        window: PageWindow,
        max_bytes: u64,
    ) -> Result<(Vec<RecentMessage>, u64), CompletionError> {
        let older = self.storage.latest_messages(owner, ordinal, window, max_bytes).await;
        let (older, bytes) = older.map_err(InternalError::new)?;
        let latest = |Message { role, parts, image, .. }| RecentMessage { role, parts, image };
        Ok((older.into_iter().map(latest).collect(), bytes))
    }
}

/// A stored message as the model is shown it: an image is a file part.
fn shown(message: RecentMessage) -> Turn {
    let mut parts = message.parts;
    if let Some(image) = message.image {
        let file_uri = format!("{IMAGES}/{image}.png");
        parts.push(Part::Image(FileRef { mime_type: "image/png".to_owned(), file_uri }));
    }
    Turn { role: message.role, parts }
}

/// The agent's name, personality and description, then the conversation's own instructions.
fn instructions(agent: Option<&Agent>, system_prompt: &str) -> Arc<Counted> {
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

fn scene(account: &AccountState, llm: &LlmModel, agent: Option<&Agent>, turn: u64) -> Scene {
    Scene {
        api: Api::Characters,
        deployment: None,
        model: llm.id.shared(),
        account: account.id.clone(),
        turn,
        variables: Arc::new(Variables::new()),
        meta: Arc::new(Meta::new()),
        agent: agent.map(|agent| agent.name.clone()),
    }
}

fn asked(
    account: &AccountState,
    llm: &LlmModel,
    prompt: Arc<Prompt>,
    tokens: u64,
) -> PendingMessage {
    let at = account.clock.now();
    PendingMessage {
        prompt,
        backend: llm.backend,
        thoughts: false,
        tokens: Some(tokens),
        at,
        held: None,
    }
}

/// The faults that come with a model.
fn carried(llm: &LlmModel) -> AttachedFaults<'_> {
    AttachedFaults { by: llm.id.as_str(), rules: &llm.faults }
}

/// Whether `tokens` fit into what the model can be shown.
fn fits(llm: &LlmModel, tokens: u64, field: &str) -> Result<(), FieldError> {
    if tokens <= llm.max_context {
        return Ok(());
    }
    let message = format!(
        "{field} must fit into the {} tokens that {} can be shown, not come to {tokens}",
        llm.max_context, llm.name
    );
    Err(FieldError::new(field, FieldErrorKind::BadValue, message))
}
