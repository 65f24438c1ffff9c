//! Asking a model, and recording the turn: a user's message and its answer.
//!
//! This file has what both APIs share; the use cases are in [`runner`] and [`characters`]. A turn is
//! stored as a whole or not at all. A streamed turn is stored by a task of its own before its stream
//! ends, also if the client leaves early ([`streaming`]).

pub mod characters;
mod counting;
mod error;
mod record_turn;
pub mod runner;
mod streaming;
pub(super) mod trigger_use;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::task::TaskTracker;

#[cfg(test)]
pub use self::error::RenderError;
pub use self::error::{CompletionError, ContinueError, FirstMessageError, ModelError, ReplyError};
use self::streaming::PacedReply;
pub use self::streaming::WordStream;
use super::accounts::AccountSession;
use super::request_log::ShownPrompt;
use crate::domain::agent_run::{RunEnd, ToolContext};
use crate::domain::conversation::Message;
use crate::domain::reply_rule::Pace;
use crate::domain::{BackendName, OutputMode, Part, Prompt, Role};
use crate::fixtures::FixtureHandle;
use crate::ids::IdAllocation;
use crate::models::rules::{self, ReplyLease};
use crate::models::{Echo, ModelProvider, ModelReply, ModelRequest, ReplyRules, RunReply};
use crate::storage::{LargeReadPermit, Storage};

/// The use cases that need a model's reply.
#[derive(Clone)]
pub struct Generation {
    storage: Arc<dyn Storage>,
    fixtures: FixtureHandle,
    options: GenerationOptions,
    canned: Arc<dyn ModelProvider>,
    echo: Arc<dyn ModelProvider>,
    /// The tasks that store streamed turns; shutdown waits for them.
    tasks: TaskTracker,
}

/// Options of the server that affect replies.
#[derive(Debug, Clone, Copy)]
pub struct GenerationOptions {
    /// Overrides the backend of every deployment and model.
    pub backend: Option<BackendName>,
    /// The pause before each word of a stream whose rule sets no pace.
    pub pace: Duration,
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct CompleteReply {
    /// The text; for structured output the JSON text of an object.
    pub text: String,
    /// The kind of `text`.
    pub output: OutputMode,
    /// The name or id of the model.
    pub model: Arc<str>,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// The model's thoughts, if they were requested.
    pub thoughts: Option<String>,
}

/// A user's message with the prompt that a model is shown for it.
pub(super) struct PendingMessage {
    pub(super) prompt: Arc<Prompt>,
    backend: BackendName,
    /// Whether the model's thoughts are requested.
    thoughts: bool,
    /// The tokens of the prompt, if they are counted already.
    input_tokens: Option<u64>,
    pub(super) sent_at: DateTime<Utc>,
    /// The permit to hold long texts in memory, kept until the answer is complete.
    permit: Option<LargeReadPermit>,
}

/// A complete answer, and what is stored or released with it.
struct WholeReply {
    reply: CompleteReply,
    /// The name that the reply suggests for its conversation.
    name: Option<String>,
    lease: Option<ReplyLease>,
    /// What it does in an agent run.
    run: RunReply,
}

/// A model's reply in an agent run. If the model fails, so does the run.
pub(super) struct RunOutcome {
    /// The text, or the reason of the failure.
    pub(super) text: String,
    /// The name that the reply suggests for its conversation.
    pub(super) name: Option<String>,
    pub(super) lease: Option<ReplyLease>,
    /// Tool calls, and how the run ends without them.
    pub(super) run: RunReply,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
}

impl PendingMessage {
    /// The same message in an agent run.
    pub(super) fn with_tools(mut self, tools: ToolContext) -> Self {
        Arc::make_mut(&mut self.prompt).tools = Some(Arc::new(tools));
        self
    }
}

impl Generation {
    /// Uses the deployments and models of `fixtures`; stores turns in `storage`.
    pub fn new(
        storage: Arc<dyn Storage>,
        fixtures: FixtureHandle,
        options: GenerationOptions,
    ) -> Self {
        Self {
            storage,
            fixtures,
            options,
            canned: Arc::new(ReplyRules),
            echo: Arc::new(Echo),
            tasks: TaskTracker::new(),
        }
    }

    /// Waits until every streamed turn is stored. No further streams may start.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// How many streamed turns are not stored yet.
    pub fn unfinished(&self) -> usize {
        self.tasks.len()
    }

    /// Asks the model, and records prompt, rule and failure in the trace of the request.
    async fn ask(
        &self,
        session: &AccountSession,
        pending: &PendingMessage,
    ) -> Result<ModelReply, ReplyError> {
        let backend = self.options.backend.unwrap_or(pending.backend);
        let rules = session.epoch().rules.rules();
        session.trace().set_prompt(ShownPrompt::new(&pending.prompt, backend, rules));
        let reply = self.model_reply(session, pending, backend).await.map_err(|error| {
            session.trace().set_failure(error.to_string());
            ReplyError::from(error)
        })?;
        if let Some(rule) = &reply.rule {
            session.trace().set_rule(Arc::clone(rule));
        }
        Ok(reply)
    }

    async fn model_reply(
        &self,
        session: &AccountSession,
        pending: &PendingMessage,
        backend: BackendName,
    ) -> Result<ModelReply, ModelError> {
        let request = ModelRequest {
            prompt: Arc::clone(&pending.prompt),
            rules: Arc::clone(&session.epoch().rules),
            thoughts: pending.thoughts,
        };
        // Scripted replies take precedence over every backend.
        if let Some(reply) = rules::scripted_reply(&request).await? {
            return Ok(reply);
        }
        let provider = match backend {
            BackendName::Canned => &self.canned,
            BackendName::Echo => &self.echo,
        };
        provider.answer(request).await
    }

    /// Asks the model and waits for the whole answer.
    async fn complete(
        &self,
        session: &AccountSession,
        pending: &PendingMessage,
    ) -> Result<WholeReply, ReplyError> {
        let ModelReply { pieces, name, lease, thoughts, run, .. } =
            self.ask(session, pending).await?;
        let (text, usage) = pieces.whole().await?;
        let input_tokens = match usage.input_tokens.or(pending.input_tokens) {
            Some(known) => known,
            None => counting::prompt_tokens(&pending.prompt).await?,
        };
        let (output_tokens, text) = match usage.output_tokens {
            Some(known) => (known, text),
            None => counting::text_tokens(text).await?,
        };
        let reply = CompleteReply {
            text,
            output: pending.prompt.output,
            model: pending.prompt.scene.model.clone(),
            input_tokens,
            output_tokens,
            thoughts,
        };
        Ok(WholeReply { reply, name, lease, run })
    }

    /// Asks the model for the next step of an agent run.
    pub(super) async fn run_outcome(
        &self,
        session: &AccountSession,
        pending: &PendingMessage,
    ) -> Result<RunOutcome, ReplyError> {
        match self.complete(session, pending).await {
            Ok(WholeReply { reply, name, lease, run }) => {
                let CompleteReply { text, input_tokens, output_tokens, .. } = reply;
                Ok(RunOutcome { text, name, lease, run, input_tokens, output_tokens })
            }
            Err(ReplyError::Model(error)) => Ok(RunOutcome {
                text: error.client_message(),
                name: None,
                lease: None,
                run: RunReply { end: RunEnd::Failed, ..RunReply::default() },
                input_tokens: 0,
                output_tokens: 0,
            }),
            Err(error) => Err(error),
        }
    }

    /// The reply as a stream of words. Waits for its first chunk, so that a model that fails before
    /// it returns text is an ordinary error.
    async fn paced(
        &self,
        session: &AccountSession,
        reply: ModelReply,
    ) -> Result<PacedReply, ReplyError> {
        let source = streaming::await_first_chunk(reply.pieces).await?;
        let word_ms = u64::try_from(self.options.pace.as_millis()).unwrap_or(u64::MAX);
        let pace = reply.pace.unwrap_or(Pace { first_ms: 0, word_ms, jitter_ms: 0 });
        Ok(streaming::paced(source, pace, session))
    }
}

/// Returns `outcome`; an error releases the reply, because nothing was stored.
pub(super) fn release_reply<T, E>(
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
    /// The user's message.
    parts: Arc<Vec<Part>>,
    sent_at: DateTime<Utc>,
    /// The answer.
    text: String,
    answered_at: DateTime<Utc>,
    aborted: bool,
}

impl NewTurn {
    /// The turn of `pending` and an answer that is complete now.
    fn answered(session: &AccountSession, pending: &PendingMessage, text: String) -> Self {
        Self {
            parts: Arc::clone(&pending.prompt.message),
            sent_at: pending.sent_at,
            text,
            answered_at: session.clock.now(),
            aborted: false,
        }
    }

    /// The user's message and the answer, in the turn after the conversation's latest.
    fn messages(self, ids: &mut IdAllocation<'_>) -> [Message; 2] {
        let parts = Arc::unwrap_or_clone(self.parts);
        let question = Message::new(ids.message(), Role::User, parts, self.sent_at);
        let parts = vec![Part::text(self.text)];
        let answer = Message::new(ids.message(), Role::Assistant, parts, self.answered_at);
        let aborted = self.aborted;
        [Message { turn: 1, ..question }, Message { turn: 1, aborted, ..answer }]
    }
}
