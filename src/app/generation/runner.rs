//! The use cases of the Runner API: run, stream, start a conversation, continue it.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use super::record_turn::{self, record_free_turn};
use super::release_reply;
use super::streaming;
use super::trigger_use::{StartTrigger, record_run};
use super::{
    CompleteReply, ContinueError, FirstMessageError, Generation, NewTurn, PendingMessage,
    ReplyError, WholeReply, WordStream,
};
use crate::app::auth::Caller;
use crate::app::run_state::{check_idle, current_step};
use crate::domain::conversation::{Conversation, Meta, Target, Turn, Variables, name_from};
use crate::domain::error::InternalError;
use crate::domain::{Api, Part, Prompt, Role, Scene, UsedTrigger};
use crate::ids::{ConversationId, IdKind, TriggerId};
use crate::storage::{
    ConversationContext, ConversationKey, History, LargeReadPermit, RecentMessage,
};

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
pub(in crate::app) struct FirstMessage {
    pub(in crate::app) pending: PendingMessage,
    pub(in crate::app) trigger: Option<StartTrigger>,
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
        let WholeReply { reply, name, lease, .. } =
            self.complete(&caller.session, &pending).await?;
        let turn = NewTurn::answered(&caller.session, &pending, reply.text.clone());
        let answered_at = turn.answered_at;
        let conversation =
            |ordinal, id| new_conversation(caller, (ordinal, id), &pending, name, meta);
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
    pub(in crate::app) async fn first_message(
        &self,
        caller: &Caller,
        mut request: RunRequest,
        meta: Meta,
    ) -> Result<FirstMessage, FirstMessageError> {
        let trigger = match request.trigger.take() {
            Some(id) => {
                let RunRequest { parts, variables, .. } = &mut request;
                Some(StartTrigger::load(&*self.storage, caller, id, parts, variables).await?)
            }
            None => None,
        };
        let history = trigger.iter().filter_map(StartTrigger::first_turn).collect();
        let used = trigger.as_ref().map(|trigger| Arc::clone(&trigger.used));
        let pending = pending_message(caller, request, meta, history, (1, used));
        Ok(FirstMessage { pending, trigger })
    }

    /// Loads the conversation and builds the prompt of its next turn. Fails while an agent run of the
    /// conversation is not finished, and after one has completed it.
    async fn next_message(
        &self,
        caller: &Caller,
        id: ConversationId,
        parts: Vec<Part>,
        history_limit: u64,
    ) -> Result<(Conversation, PendingMessage), ContinueError> {
        let loaded = self.load(caller, id.clone(), history_limit).await?;
        if loaded.conversation.run_count == 0 {
            return Ok(next_turn(caller, loaded, parts));
        }
        // A step that is due may add a message, so the conversation is loaded again: not while this task
        // holds a permit, since that load may wait for one.
        let ConversationPrompt { conversation, history, permit } = loaded;
        drop((history, permit));
        let step = current_step(&*self.storage, &caller.session, conversation.ordinal).await;
        check_idle(&conversation, step.map_err(ReplyError::from)?.as_ref())?;
        self.idle_message(caller, id, parts, history_limit).await
    }

    /// The same for a conversation without an unfinished run.
    pub(in crate::app) async fn idle_message(
        &self,
        caller: &Caller,
        id: ConversationId,
        parts: Vec<Part>,
        history_limit: u64,
    ) -> Result<(Conversation, PendingMessage), ContinueError> {
        Ok(next_turn(caller, self.load(caller, id, history_limit).await?, parts))
    }

    /// Loads the conversation and builds the prompt of its latest turn, whose run is resumed.
    pub(in crate::app) async fn resumed_message(
        &self,
        caller: &Caller,
        id: ConversationId,
        history_limit: u64,
    ) -> Result<(Conversation, PendingMessage), ContinueError> {
        let turns = history_limit.saturating_add(1);
        let mut loaded = self.load(caller, id, turns).await?;
        let latest = loaded.history.iter().rposition(|turn| turn.role == Role::User);
        let latest = loaded.history.drain(latest.unwrap_or(0)..).next();
        let parts = latest.map(|turn| turn.parts).unwrap_or_default();
        let turn = loaded.conversation.turn_count;
        Ok(loaded.pending(caller, parts, turn))
    }

    /// Loads a conversation of the caller's deployment with its latest `turns`.
    async fn load(
        &self,
        caller: &Caller,
        id: ConversationId,
        turns: u64,
    ) -> Result<ConversationPrompt, ContinueError> {
        let key = ConversationKey {
            owner: caller.session.row,
            api: Api::Runner,
            id: id.clone(),
            latest: History::Turns(turns),
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
        if truncated {
            // Turns are left out as a whole, so the history starts with a user's message.
            let start = latest.iter().position(|message| message.role == Role::User);
            latest.drain(..start.unwrap_or(latest.len()));
        }
        let turn_of = |message: RecentMessage| Turn { role: message.role, parts: message.parts };
        let history = latest.into_iter().map(turn_of).collect();
        Ok(ConversationPrompt { conversation, history, permit })
    }
}

/// A conversation with what a model is shown of it.
struct ConversationPrompt {
    conversation: Conversation,
    history: Vec<Turn>,
    permit: Option<LargeReadPermit>,
}

impl ConversationPrompt {
    /// The conversation and the prompt of a message in its turn number `turn`.
    fn pending(
        self,
        caller: &Caller,
        parts: Vec<Part>,
        turn: u64,
    ) -> (Conversation, PendingMessage) {
        let Self { conversation, history, permit } = self;
        let (variables, meta) = (conversation.variables.clone(), conversation.meta.clone());
        let request = RunRequest { parts, variables, trigger: None };
        let pending = pending_message(caller, request, meta, history, (turn, None));
        (conversation, PendingMessage { permit, ..pending })
    }
}

/// The conversation and the prompt of its next turn.
fn next_turn(
    caller: &Caller,
    loaded: ConversationPrompt,
    parts: Vec<Part>,
) -> (Conversation, PendingMessage) {
    caller.session.epoch().ids.next(IdKind::WorkflowLog);
    let turn = loaded.conversation.turn_count + 1;
    loaded.pending(caller, parts, turn)
}

/// The conversation that starts with `pending`, before its first turn.
pub(in crate::app) fn new_conversation(
    caller: &Caller,
    (ordinal, id): (u64, ConversationId),
    pending: &PendingMessage,
    name: Option<String>,
    meta: Meta,
) -> Conversation {
    Conversation {
        id,
        ordinal,
        target: Target::Deployment(caller.deployment.id.clone()),
        name: name.unwrap_or_else(|| name_from(&pending.prompt.message)),
        meta,
        variables: Variables::clone(&pending.prompt.scene.variables),
        system_prompt: String::new(),
        agent: None,
        created_at: pending.sent_at,
        updated_at: pending.sent_at,
        message_count: 0,
        turn_count: 0,
        run_count: 0,
        completed_at: None,
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
