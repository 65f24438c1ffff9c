//! Turns: a message goes in, a model is shown what it may see, an answer comes out and is stored.
//!
//! A turn is a user's message and what is answered to it. It is stored whole or not at all. What both APIs
//! share is here: asking a backend, waiting for or streaming its answer, counting tokens. What
//! each of them does with it is in [`runner`] and [`characters`]. A streamed turn is stored when
//! its last word has been taken and before the stream ends, by a task of its own, so that it is
//! stored too when the client goes away in the middle ([`streaming`]).

pub mod characters;
mod counting;
mod error;
mod record_turn;
pub mod runner;
mod streaming;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::task::TaskTracker;

#[cfg(test)]
pub use self::error::RenderError;
pub use self::error::{CompletionError, ContinueError, ModelError, ReplyError};
use self::streaming::PacedReply;
pub use self::streaming::WordStream;
use super::accounts::AccountSession;
use super::request_log::ShownPrompt;
use crate::domain::conversation::Message;
use crate::domain::reply_rule::Pace;
use crate::domain::{BackendName, OutputMode, Part, Prompt, Role};
use crate::fixtures::FixtureHandle;
use crate::ids::IdAllocation;
use crate::models::rules::{self, ReplyLease};
use crate::models::{Echo, ModelProvider, ModelReply, ModelRequest, ReplyRules};
use crate::storage::{LargeReadPermit, Storage};

/// Makes turns.
#[derive(Clone)]
pub struct Generation {
    storage: Arc<dyn Storage>,
    fixtures: FixtureHandle,
    settings: GenerationOptions,
    canned: Arc<dyn ModelProvider>,
    echo: Arc<dyn ModelProvider>,
    /// The tasks that store streamed turns; shutting down waits for them.
    tasks: TaskTracker,
}

/// What the server was started with that turns need.
#[derive(Debug, Clone, Copy)]
pub struct GenerationOptions {
    /// Overrides the backend of every deployment and model.
    pub backend: Option<BackendName>,
    /// How fast words are streamed where a rule does not say.
    pub pace: Duration,
}

/// An answer that is complete.
#[derive(Debug, Clone)]
pub struct CompleteReply {
    /// Its text; for structured output the JSON text of an object.
    pub text: String,
    /// Which of the two it is.
    pub output: OutputMode,
    /// The model it is said to come from.
    pub model: Arc<str>,
    /// Tokens the model was shown.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// How the model came to it, where that was asked for.
    pub thoughts: Option<String>,
}

/// A message on its way to a model.
struct PendingMessage {
    prompt: Arc<Prompt>,
    backend: BackendName,
    /// Whether the model is to say how it comes to its answer.
    thoughts: bool,
    /// The tokens of the prompt, where they are counted already.
    tokens: Option<u64>,
    at: DateTime<Utc>,
    /// The place among those who hold long texts, until the answer is there.
    held: Option<LargeReadPermit>,
}

/// An answer that is all there.
struct WholeReply {
    completed: CompleteReply,
    /// The name it suggests for a conversation.
    name: Option<String>,
    /// The reply of a rule or the queue that it is.
    lease: Option<ReplyLease>,
}

impl Generation {
    /// Turns with what is in `fixtures`, stored in `storage`.
    pub fn new(
        storage: Arc<dyn Storage>,
        fixtures: FixtureHandle,
        settings: GenerationOptions,
    ) -> Self {
        Self {
            storage,
            fixtures,
            settings,
            canned: Arc::new(ReplyRules),
            echo: Arc::new(Echo),
            tasks: TaskTracker::new(),
        }
    }

    /// Waits until every streamed turn is stored. No further ones may begin.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// How many streamed turns are not stored yet.
    pub fn unfinished(&self) -> usize {
        self.tasks.len()
    }

    async fn ask(
        &self,
        session: &AccountSession,
        asked: &PendingMessage,
    ) -> Result<ModelReply, ReplyError> {
        let name = self.settings.backend.unwrap_or(asked.backend);
        session.trace().show(ShownPrompt::new(&asked.prompt, name, session.epoch().rules.rules()));
        let answer = self.answer(session, asked, name).await.map_err(|failure| {
            session.trace().failed(failure.to_string());
            ReplyError::from(failure)
        })?;
        if let Some(rule) = &answer.rule {
            session.trace().answered_by(Arc::clone(rule));
        }
        Ok(answer)
    }

    async fn answer(
        &self,
        session: &AccountSession,
        asked: &PendingMessage,
        backend: BackendName,
    ) -> Result<ModelReply, ModelError> {
        let ask = ModelRequest {
            prompt: Arc::clone(&asked.prompt),
            rules: Arc::clone(&session.epoch().rules),
            thoughts: asked.thoughts,
        };
        // Whoever prepares a reply for a request wants it given, whatever the backend is.
        if let Some(answer) = rules::scripted_reply(&ask).await? {
            return Ok(answer);
        }
        let backend = match backend {
            BackendName::Canned => &self.canned,
            BackendName::Echo => &self.echo,
        };
        backend.answer(ask).await
    }

    /// Asks, and waits for the whole answer.
    async fn complete(
        &self,
        session: &AccountSession,
        asked: &PendingMessage,
    ) -> Result<WholeReply, ReplyError> {
        let answer = self.ask(session, asked).await?;
        let (text, usage) = answer.pieces.whole().await?;
        let input_tokens = match usage.input_tokens.or(asked.tokens) {
            Some(known) => known,
            None => counting::shown(&asked.prompt).await?,
        };
        let (output_tokens, text) = match usage.output_tokens {
            Some(known) => (known, text),
            None => counting::of_text(text).await?,
        };
        let completed = CompleteReply {
            input_tokens,
            output_tokens,
            output: asked.prompt.output,
            model: asked.prompt.scene.model.clone(),
            thoughts: answer.thoughts,
            text,
        };
        Ok(WholeReply { completed, name: answer.name, lease: answer.lease })
    }

    /// The answer as words in time. Waits for its beginning, so that a backend that fails before
    /// it says anything is an ordinary failure.
    async fn words(
        &self,
        session: &AccountSession,
        answer: ModelReply,
    ) -> Result<PacedReply, ReplyError> {
        let source = streaming::begun(answer.pieces).await?;
        let word_ms = u64::try_from(self.settings.pace.as_millis()).unwrap_or(u64::MAX);
        let default = Pace { first_ms: 0, word_ms, jitter_ms: 0 };
        let pace = answer.pace.unwrap_or(default);
        Ok(streaming::paced(source, pace, session))
    }
}

/// Returns `outcome`; an error releases the reply, because nothing was stored.
fn release_reply<T, E>(
    session: &AccountSession,
    lease: Option<ReplyLease>,
    outcome: Result<T, E>,
) -> Result<T, E> {
    if let (Err(_), Some(lease)) = (&outcome, lease) {
        session.epoch().rules.release(lease);
    }
    outcome
}

/// A turn to be stored.
struct NewTurn {
    said: Arc<Vec<Part>>,
    asked_at: DateTime<Utc>,
    text: String,
    answered_at: DateTime<Utc>,
    aborted: bool,
}

impl NewTurn {
    /// What was asked, answered with `text` just now.
    fn answered(session: &AccountSession, asked: &PendingMessage, text: String) -> Self {
        Self {
            said: Arc::clone(&asked.prompt.message),
            asked_at: asked.at,
            text,
            answered_at: session.clock.now(),
            aborted: false,
        }
    }

    /// The user's message and the answer.
    fn messages(self, ids: &mut IdAllocation<'_>) -> [Message; 2] {
        let parts = Arc::unwrap_or_clone(self.said);
        let asked = message(ids, Role::User, parts, self.asked_at);
        let answer = vec![Part::text(self.text)];
        let answered = message(ids, Role::Assistant, answer, self.answered_at);
        let aborted = self.aborted;
        // Both belong to the turn after the latest.
        [Message { turn: 1, ..asked }, Message { turn: 1, aborted, ..answered }]
    }
}

/// A new message of `role` in the conversation's latest turn.
fn message(
    ids: &mut IdAllocation<'_>,
    role: Role,
    parts: Vec<Part>,
    created_at: DateTime<Utc>,
) -> Message {
    let id = ids.message();
    Message { id, role, parts, image: None, created_at, aborted: false, turn: 0 }
}
