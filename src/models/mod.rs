//! Model providers: they take a prompt and return text and token usage.
//!
//! A [`ModelProvider`] knows nothing of HTTP, conversations or storage. It returns text in chunks of
//! any size; `app::generation` cuts them into words and paces them.

mod echo;
pub mod rules;
mod tool_output;

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt as _};
use serde_json::json;
use serde_json::value::RawValue;
use thiserror::Error;

pub use self::echo::Echo;
pub use self::rules::ReplyRules;
use crate::domain::agent_run::{RequestedCall, RunEnd};
use crate::domain::reply_rule::Pace;
use crate::domain::{OutputMode, Prompt};

/// Answers prompts.
pub trait ModelProvider: Send + Sync {
    /// Starts a reply. Dropping its chunks stops it.
    fn answer(&self, ask: ModelRequest) -> BoxFuture<'_, Result<ModelReply, ModelError>>;
}

/// A prompt, and the state of the account that affects the reply.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The prompt.
    pub prompt: Arc<Prompt>,
    /// The reply rules of the account.
    pub rules: Arc<rules::AccountRules>,
    /// Whether the reply should contain the model's thoughts.
    pub thoughts: bool,
}

/// A reply that has started.
pub struct ModelReply {
    /// The name of the rule that gave it.
    pub rule: Option<Arc<str>>,
    /// The name of a conversation that this reply starts.
    pub name: Option<String>,
    /// The model's thoughts, if they were requested.
    pub thoughts: Option<String>,
    /// The pace of its stream; the server's if `None`.
    pub pace: Option<Pace>,
    /// Released if the turn is not stored.
    pub lease: Option<rules::ReplyLease>,
    /// What it does in an agent run.
    pub run: RunReply,
    /// Text and usage.
    pub pieces: ReplyChunks,
}

/// What a reply does in an agent run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunReply {
    /// The client's tools that it calls.
    pub tool_calls: Vec<RequestedCall>,
    /// How it ends the run, if it calls no tools.
    pub end: RunEnd,
    /// The time after which a run in the background ends.
    pub after: Duration,
    /// Whether it completes the conversation.
    pub completes: bool,
}

/// The chunks of a reply.
pub enum ReplyChunks {
    /// The whole text.
    Whole(String, Usage),
    /// Chunks as they arrive.
    #[cfg_attr(
        not(any(test, feature = "internals")),
        expect(dead_code, reason = "both providers of this crate answer in one piece")
    )]
    Stream(BoxStream<'static, Result<ReplyChunk, ModelError>>),
}

/// A chunk of a reply.
#[cfg_attr(
    not(any(test, feature = "internals")),
    expect(dead_code, reason = "both providers of this crate answer in one piece")
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyChunk {
    /// Text.
    Text(String),
    /// The usage that the model reports; missing parts are counted.
    Usage(Usage),
}

/// Tokens used, where known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: Option<u64>,
    /// Tokens of the reply.
    pub output_tokens: Option<u64>,
}

/// Why a model gave no reply, or only a part of one.
#[cfg_attr(
    not(any(test, feature = "internals")),
    expect(dead_code, reason = "the models of this crate do not fail like one behind a network")
)]
#[derive(Debug, Error)]
pub enum ModelError {
    /// The model accepts no more requests for now.
    #[error("the model's rate limit is reached")]
    RateLimited {
        /// How long to wait, if the model says so.
        retry_after: Option<Duration>,
    },
    /// The model did not reply in time.
    #[error("the model did not reply in time")]
    TimedOut,
    /// The model does not reply to this prompt.
    #[error("the model refused the prompt: {reason}")]
    Refused {
        /// The reason that the model gives.
        reason: String,
    },
    /// The model cannot be reached, or its response is invalid.
    #[error("the model failed")]
    Broken(#[source] Box<dyn StdError + Send + Sync>),
    #[error("rule `{rule}`: {source}")]
    Template {
        /// The id or name of the rule.
        rule: String,
        /// Why it failed.
        source: rules::template::RenderError,
    },
    /// The task that computed the reply failed.
    #[error("the answer was lost")]
    Lost(#[source] tokio::task::JoinError),
}

impl ModelError {
    /// The message for a client. Errors inside the server are not disclosed.
    pub fn client_message(&self) -> String {
        match self {
            Self::Template { .. } | Self::Lost(_) => "internal error".to_owned(),
            Self::RateLimited { .. } | Self::TimedOut | Self::Refused { .. } | Self::Broken(_) => {
                self.to_string()
            }
        }
    }
}

impl ModelReply {
    /// A reply with the whole text.
    pub fn whole(text: String, usage: Usage) -> Self {
        let pieces = ReplyChunks::Whole(text, usage);
        Self {
            rule: None,
            name: None,
            thoughts: None,
            pace: None,
            lease: None,
            run: RunReply::default(),
            pieces,
        }
    }
}

impl ReplyChunks {
    /// The chunks as a stream.
    #[cfg(any(test, feature = "internals"))]
    pub fn into_stream(self) -> BoxStream<'static, Result<ReplyChunk, ModelError>> {
        match self {
            Self::Whole(text, usage) => {
                futures::stream::iter([Ok(ReplyChunk::Text(text)), Ok(ReplyChunk::Usage(usage))])
                    .boxed()
            }
            Self::Stream(pieces) => pieces,
        }
    }

    /// Waits for all chunks.
    pub async fn whole(self) -> Result<(String, Usage), ModelError> {
        let mut pieces = match self {
            Self::Whole(text, usage) => return Ok((text, usage)),
            Self::Stream(pieces) => pieces,
        };
        let (mut text, mut usage) = (String::new(), Usage::default());
        while let Some(piece) = pieces.next().await {
            match piece? {
                ReplyChunk::Text(more) if text.is_empty() => text = more,
                ReplyChunk::Text(more) => text.push_str(&more),
                ReplyChunk::Usage(reported) => usage = reported,
            }
        }
        Ok((text, usage))
    }
}

/// Converts `text` to the output mode. Structured output is the JSON text of an object; other text
/// becomes the value of `key` in an object.
fn in_output_mode(output: OutputMode, text: String, key: &str) -> String {
    match output {
        OutputMode::Text => text,
        // Not parsed into values, which would take many times the memory of the text.
        OutputMode::Structured => match serde_json::from_str::<&RawValue>(&text) {
            Ok(value) if value.get().starts_with('{') => text,
            _ => json!({ key: text }).to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    #[tokio::test]
    async fn a_reply_in_chunks_equals_a_whole_one() {
        let usage = Usage { input_tokens: Some(3), output_tokens: Some(2) };
        let whole = || ReplyChunks::Whole("Hello, you.".to_owned(), usage);
        let pieces = ["Hel", "lo, ", "you."].map(|text| Ok(ReplyChunk::Text(text.to_owned())));
        let pieces =
            stream::iter(pieces).chain(stream::iter([Ok(ReplyChunk::Usage(usage))])).boxed();
        let expected = ("Hello, you.".to_owned(), usage);
        assert_eq!(ReplyChunks::Stream(pieces).whole().await.unwrap(), expected);
        assert_eq!(ReplyChunks::Stream(whole().into_stream()).whole().await.unwrap(), expected);
        assert_eq!(whole().whole().await.unwrap(), expected);
    }
}
