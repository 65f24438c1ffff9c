//! The use cases of the Runner API: run, stream, start a conversation, continue it.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use super::record_turn::{self, record_free_turn};
use super::release_reply;
use super::streaming;
use super::trigger_use::{StartTrigger, record_run};
use super::{
    CompleteReply, ContinueError, Generation, NewTurn, PendingMessage, ReplyError, FirstMessageError,
    WholeReply, WordStream,
};
use crate::app::auth::Caller;
use crate::domain::conversation::{Conversation, Meta, Target, Turn, Variables, name_from};
use crate::domain::error::InternalError;
use crate::domain::{Api, Part, Prompt, Role, Scene, UsedTrigger};
use crate::ids::{ConversationId, IdKind, TriggerId};
use crate::storage::{ConversationContext, ConversationKey, History, RecentMessage};

/// A message to a deployment.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The content of the message.
    pub parts: Vec<Part>,
    /// Values for the slots of the instructions.
    pub variables: Variables,
    /// The trigger to start from.
    pub trigger: Option<TriggerId>,
}

/// The prompt of a first message, and the trigger that it starts from.
struct FirstMessage {
    pending: PendingMessage,
    trigger: Option<StartTrigger>,
}

/// A stored turn.
#[derive(Debug, Clone)]
pub struct ConversationReply {
    /// The conversation after the turn.
    pub conversation: Conversation,
    /// The answer.
    pub answer: CompleteReply,
}

impl Generation {
    /// Answers; stores nothing but the start of the trigger.
    pub async fn run(
        &self,
        caller: &Caller,
        request: RunRequest,
    ) -> Result<CompleteReply, FirstMessageError> {
        let FirstMessage { pending, trigger } =
            self.first_message(caller, request, Meta::new()).await?;
        let session = &caller.session;
        let WholeReply { reply, lease, .. } = self.complete(session, &pending).await?;
        let recorded = record_run(&*self.storage, session, trigger.as_ref()).await;
        release_reply(session, lease, recorded)?;
        Ok(reply)
    }

    /// Streams an answer; stores nothing but the start of the trigger.
    pub async fn stream(
        &self,
        caller: &Caller,
        request: RunRequest,
    ) -> Result<WordStream, FirstMessageError> {
        let FirstMessage { pending, trigger } =
            self.first_message(caller, request, Meta::new()).await?;
        let session = &caller.session;
        let reply = self.ask(session, &pending).await?;
        let lease = reply.lease.clone();
        let words = self.paced(session, reply).await?.words;
        let recorded = record_run(&*self.storage, session, trigger.as_ref()).await;
        release_reply(session, lease, recorded)?;
        Ok(words)
    }

    /// Starts a conversation with its first turn.
    pub async fn start_conversation(
        &self,
        caller: &Caller,
        request: RunRequest,
        meta: Meta,
    ) -> Result<ConversationReply, FirstMessageError> {
        let FirstMessage { pending, trigger } =
            self.first_message(caller, request, meta.clone()).await?;
        let variables = Variables::clone(&pending.prompt.scene.variables);
        let WholeReply { reply, name, lease } = self.complete(&caller.session, &pending).await?;
        let turn = NewTurn::answered(&caller.session, &pending, reply.text.clone());
        let (sent_at, answered_at) = (turn.sent_at, turn.answered_at);
        let conversation = |ordinal, id| Conversation {
            id,
            ordinal,
            target: Target::Deployment(caller.deployment.id.clone()),
            name: name.unwrap_or_else(|| name_from(&pending.prompt.message)),
            meta,
            variables,
            system_prompt: String::new(),
            agent: None,
            created_at: sent_at,
            updated_at: sent_at,
            message_count: 0,
            turn_count: 0,
            run_count: 0,
            completed_at: None,
        };
        let (storage, session) = (&*self.storage, &caller.session);
        let trigger = trigger.as_ref();
        let stored =
            record_turn::start_conversation(storage, session, turn, trigger, conversation).await;
        let mut conversation = release_reply(session, lease, stored)?;
        conversation.updated_at = answered_at;
        Ok(ConversationReply { conversation, answer: reply })
    }

    /// Continues a conversation; the model is shown its last `history_limit` turns.
    pub async fn continue_conversation(
        &self,
        caller: &Caller,
        id: ConversationId,
        parts: Vec<Part>,
        history_limit: u64,
    ) -> Result<ConversationReply, ContinueError> {
        let (mut conversation, pending) =
            self.next_message(caller, id, parts, history_limit).await?;
        let WholeReply { reply, lease, .. } = self.complete(&caller.session, &pending).await?;
        let turn = NewTurn::answered(&caller.session, &pending, reply.text.clone());
        conversation.updated_at = turn.answered_at;
        let (session, ordinal) = (&caller.session, conversation.ordinal);
        let stored = record_free_turn(&*self.storage, session, turn, ordinal).await;
        release_reply(session, lease, stored).map_err(ReplyError::from)?;
        Ok(ConversationReply { conversation, answer: reply })
    }

    /// Continues a conversation with a stream, which ends after the turn is stored.
    pub async fn stream_continuation(
        &self,
        caller: &Caller,
        id: ConversationId,
        parts: Vec<Part>,
        history_limit: u64,
    ) -> Result<WordStream, ContinueError> {
        let (conversation, pending) = self.next_message(caller, id, parts, history_limit).await?;
        let reply = self.ask(&caller.session, &pending).await?;
        let lease = reply.lease.clone();
        let words = self.paced(&caller.session, reply).await?;
        let (storage, session) = (Arc::clone(&self.storage), caller.session.clone());
        // The rest of the prompt is freed now: a stream may last long.
        let (parts, sent_at) = (Arc::clone(&pending.prompt.message), pending.sent_at);
        let ordinal = conversation.ordinal;
        Ok(streaming::recorded(words, &self.tasks, move |text, aborted| async move {
            let answered_at = session.clock.now();
            let turn = NewTurn { parts, sent_at, text, answered_at, aborted };
            let stored = record_free_turn(&*storage, &session, turn, ordinal).await;
            Ok(release_reply(&session, lease, stored)?)
        }))
    }

    /// Loads the trigger that `request` names, and builds the prompt of its message. The content of the
    /// trigger is all of its history.
    async fn first_message(
        &self,
        caller: &Caller,
        mut request: RunRequest,
        meta: Meta,
    ) -> Result<FirstMessage, FirstMessageError> {
        let trigger = match request.trigger.take() {
            Some(id) => {
                let variables = &mut request.variables;
                Some(StartTrigger::load(&*self.storage, caller, id, variables).await?)
            }
            None => None,
        };
        let history = trigger.iter().map(StartTrigger::first_turn).collect();
        let used = trigger.as_ref().map(|trigger| Arc::clone(&trigger.used));
        let pending = pending_message(caller, request, meta, history, (1, used));
        Ok(FirstMessage { pending, trigger })
    }

    /// Loads the conversation and builds the prompt of its next turn.
    async fn next_message(
        &self,
        caller: &Caller,
        id: ConversationId,
        parts: Vec<Part>,
        history_limit: u64,
    ) -> Result<(Conversation, PendingMessage), ContinueError> {
        let key = ConversationKey {
            owner: caller.session.row,
            api: Api::Runner,
            id: id.clone(),
            latest: History::Turns(history_limit),
        };
        let loaded = self.storage.load_conversation(key).await.map_err(InternalError::new)?;
        let Some(ConversationContext { conversation, mut latest, truncated, permit, .. }) = loaded
        else {
            return Err(ContinueError::UnknownConversation(id));
        };
        if conversation.target.id() != caller.deployment.id.as_str() {
            let belongs_to = conversation.target.id().into();
            return Err(ContinueError::DeploymentMismatch { conversation: id, belongs_to });
        }
        let turn = conversation.turn_count + 1;
        let (variables, meta) = (conversation.variables.clone(), conversation.meta.clone());
        if truncated {
            // Turns are left out as a whole, so the history starts with a user's message.
            let start = latest.iter().position(|message| message.role == Role::User);
            latest.drain(..start.unwrap_or(latest.len()));
        }
        let turn_of = |message: RecentMessage| Turn { role: message.role, parts: message.parts };
        let history = latest.into_iter().map(turn_of).collect();
        let request = RunRequest { parts, variables, trigger: None };
        let pending = pending_message(caller, request, meta, history, (turn, None));
        caller.session.epoch().ids.next(IdKind::WorkflowLog);
        Ok((conversation, PendingMessage { permit, ..pending }))
    }
}

/// The prompt of a message in turn number `turn`.
fn pending_message(
    caller: &Caller,
    request: RunRequest,
    meta: Meta,
    history: Vec<Turn>,
    (turn, trigger): (u64, Option<Arc<UsedTrigger>>),
) -> PendingMessage {
    let Caller { session, deployment } = caller;
    let prompt = Prompt {
        instructions: deployment.instructions.with(&request.variables),
        history,
        message: Arc::new(request.parts),
        output: deployment.output,
        tools: None,
        scene: Scene {
            api: Api::Runner,
            deployment: Some(deployment.id.clone()),
            model: deployment.model.clone(),
            account: session.id.clone(),
            turn,
            variables: shared(request.variables),
            meta: shared(meta),
            agent: None,
            trigger,
        },
    };
    PendingMessage {
        prompt: Arc::new(prompt),
        backend: deployment.backend,
        thoughts: false,
        input_tokens: None,
        sent_at: session.clock.now(),
        permit: None,
    }
}

/// `map` behind an [`Arc`]. Most maps are empty; these share one allocation.
fn shared(map: Map<String, Value>) -> Arc<Map<String, Value>> {
    static EMPTY: LazyLock<Arc<Map<String, Value>>> = LazyLock::new(Arc::default);
    if map.is_empty() { Arc::clone(&EMPTY) } else { Arc::new(map) }
}
