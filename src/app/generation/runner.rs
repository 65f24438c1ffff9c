//! The turns of the Runner API: run, stream, start a conversation, go on with it.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use super::record_turn::{self, record_free_turn};
use super::release_reply;
use super::streaming;
use super::{
    CompleteReply, ContinueError, Generation, NewTurn, PendingMessage, ReplyError, WholeReply,
    WordStream,
};
use crate::app::auth::Caller;
use crate::domain::conversation::name_from;
use crate::domain::conversation::{Conversation, Meta, Target, Turn, Variables};
use crate::domain::error::InternalError;
use crate::domain::{Api, Part, Prompt, Role, Scene};
use crate::ids::ConversationId;
use crate::storage::{ConversationContext, ConversationKey, History, RecentMessage};

/// What a client said.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The message.
    pub parts: Vec<Part>,
    /// Values for the slots of the instructions.
    pub variables: Variables,
}

/// A turn that is complete and stored, and its conversation after it.
#[derive(Debug, Clone)]
pub struct ConversationReply {
    /// The conversation.
    pub conversation: Conversation,
    /// The answer.
    pub answer: CompleteReply,
}

impl Generation {
    /// Answers, and stores nothing.
    pub async fn run(&self, caller: &Caller, said: RunRequest) -> Result<CompleteReply, ReplyError> {
        let asked = asked_first(caller, said, Meta::new());
        Ok(self.complete(&caller.session, &asked).await?.completed)
    }

    /// Streams an answer, and stores nothing.
    pub async fn stream(&self, caller: &Caller, said: RunRequest) -> Result<WordStream, ReplyError> {
        let asked = asked_first(caller, said, Meta::new());
        let answer = self.ask(&caller.session, &asked).await?;
        Ok(self.words(&caller.session, answer).await?.words)
    }

    /// Starts a conversation with its first turn.
    pub async fn start_conversation(
        &self,
        caller: &Caller,
        said: RunRequest,
        meta: Meta,
    ) -> Result<ConversationReply, ReplyError> {
        let variables = said.variables.clone();
        let asked = asked_first(caller, said, meta.clone());
        let WholeReply { completed, name, lease } = self.complete(&caller.session, &asked).await?;
        let turn = NewTurn::answered(&caller.session, &asked, completed.text.clone());
        let (asked_at, answered_at) = (turn.asked_at, turn.answered_at);
        let conversation = |ordinal, id| Conversation {
            id,
            ordinal,
            target: Target::Deployment(caller.deployment.id.clone()),
            name: name.unwrap_or_else(|| name_from(&asked.prompt.message)),
            meta,
            variables,
            system_prompt: String::new(),
            agent: None,
            created_at: asked_at,
            updated_at: asked_at,
            message_count: 0,
            turn_count: 0,
        };
        let stored =
            record_turn::start_conversation(&*self.storage, &caller.session, turn, conversation).await;
        let mut conversation = release_reply(&caller.session, lease, stored)?;
        conversation.updated_at = answered_at;
        Ok(ConversationReply { conversation, answer: completed })
    }

    /// Goes on with a conversation, showing the model its last `history_limit` turns.
    pub async fn continue_conversation(
        &self,
        caller: &Caller,
        id: ConversationId,
        parts: Vec<Part>,
        history_limit: u64,
    ) -> Result<ConversationReply, ContinueError> {
        let (mut conversation, asked) = self.asked_again(caller, id, parts, history_limit).await?;
        let WholeReply { completed, lease, .. } = self.complete(&caller.session, &asked).await?;
        let turn = NewTurn::answered(&caller.session, &asked, completed.text.clone());
        conversation.updated_at = turn.answered_at;
        let (session, ordinal) = (&caller.session, conversation.ordinal);
        let stored = record_free_turn(&*self.storage, session, turn, ordinal).await;
        release_reply(session, lease, stored).map_err(ReplyError::from)?;
        Ok(ConversationReply { conversation, answer: completed })
    }

    /// Goes on with a conversation in a stream, which ends when the turn is stored.
    pub async fn stream_continuation(
        &self,
        caller: &Caller,
        id: ConversationId,
        parts: Vec<Part>,
        history_limit: u64,
    ) -> Result<WordStream, ContinueError> {
        let (conversation, asked) = self.asked_again(caller, id, parts, history_limit).await?;
        let answer = self.ask(&caller.session, &asked).await?;
        let lease = answer.lease.clone();
        let words = self.words(&caller.session, answer).await?;
        let (storage, session) = (Arc::clone(&self.storage), caller.session.clone());
        // No more than what is stored is kept for as long as the stream lasts.
        let (said, asked_at) = (Arc::clone(&asked.prompt.message), asked.at);
        let ordinal = conversation.ordinal;
        Ok(streaming::recorded(words, &self.tasks, move |text, aborted| async move {
            let answered_at = session.clock.now();
            let turn = NewTurn { said, asked_at, text, answered_at, aborted };
            let stored = record_free_turn(&*storage, &session, turn, ordinal).await;
            Ok(release_reply(&session, lease, stored)?)
        }))
    }

    /// Finds the conversation and puts together what the model is shown of it.
    async fn asked_again(
        &self,
        caller: &Caller,
        id: ConversationId,
        parts: Vec<Part>,
        history_limit: u64,
    ) -> Result<(Conversation, PendingMessage), ContinueError> {
        // What is left out of a history that would be too long are whole turns, the oldest.
        let key = ConversationKey {
            owner: caller.session.row,
            api: Api::Runner,
            id: id.clone(),
            latest: History::Turns(history_limit),
        };
        let found = self.storage.load_conversation(key).await.map_err(InternalError::new)?;
        let Some(ConversationContext { conversation, mut latest, cut, held, .. }) = found else {
            return Err(ContinueError::UnknownConversation(id));
        };
        if conversation.target.id() != caller.deployment.id.as_str() {
            let belongs_to = conversation.target.id().into();
            return Err(ContinueError::DeploymentMismatch { conversation: id, belongs_to });
        }
        let turn = conversation.turn_count + 1;
        let (variables, meta) = (conversation.variables.clone(), conversation.meta.clone());
        if cut {
            let begins = latest.iter().position(|message| message.role == Role::User);
            latest.drain(..begins.unwrap_or(latest.len()));
        }
        let turn_of = |message: RecentMessage| Turn { role: message.role, parts: message.parts };
        let history = latest.into_iter().map(turn_of).collect();
        let said = RunRequest { parts, variables };
        Ok((conversation, PendingMessage { held, ..asked(caller, said, meta, history, turn) }))
    }
}

/// A first message: nothing came before it.
fn asked_first(caller: &Caller, said: RunRequest, meta: Meta) -> PendingMessage {
    asked(caller, said, meta, Vec::new(), 1)
}

fn asked(
    caller: &Caller,
    said: RunRequest,
    meta: Meta,
    history: Vec<Turn>,
    turn: u64,
) -> PendingMessage {
    let Caller { session, deployment } = caller;
    let prompt = Prompt {
        instructions: deployment.instructions.with(&said.variables),
        history,
        message: Arc::new(said.parts),
        output: deployment.output,
        scene: Scene {
            api: Api::Runner,
            deployment: Some(deployment.id.clone()),
            model: deployment.model.clone(),
            account: session.id.clone(),
            turn,
            variables: shared(said.variables),
            meta: shared(meta),
            agent: None,
        },
    };
    PendingMessage {
        prompt: Arc::new(prompt),
        backend: deployment.backend,
        thoughts: false,
        tokens: None,
        held: None,
        at: session.clock.now(),
    }
}

/// `map`, to be held on to. Most are empty, and all of these are one.
fn shared(map: Map<String, Value>) -> Arc<Map<String, Value>> {
    static EMPTY: LazyLock<Arc<Map<String, Value>>> = LazyLock::new(Arc::default);
    if map.is_empty() { Arc::clone(&EMPTY) } else { Arc::new(map) }
}
