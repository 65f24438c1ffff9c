//! Who answers: a prompt in, a stream of text and the usage out.
//!
//! A [`Backend`] knows nothing of HTTP, streams on the wire, conversations or storage. It is given
//! all that a model is shown and gives text in pieces of any size; `app/generation` cuts them
//! into words and paces them.

mod echo;
pub mod rules;

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
use crate::domain::reply_rule::Pace;
use crate::domain::{OutputMode, Prompt};

/// Something that answers prompts.
pub trait ModelProvider: Send + Sync {
    /// Begins an answer. Dropping the answer's pieces stops its making.
    fn answer(&self, ask: ModelRequest) -> BoxFuture<'_, Result<ModelReply, ModelError>>;
}

/// A prompt, and what the account asking brings along.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// What the model is shown.
    pub prompt: Arc<Prompt>,
    /// The account's canned rules, with its place in each.
    pub rules: Arc<rules::AccountRules>,
    /// Whether the model is to say how it comes to its answer.
    pub thoughts: bool,
}

/// An answer that has begun.
pub struct ModelReply {
    /// The rule that it is the answer of.
    pub rule: Option<Arc<str>>,
    /// The name it suggests for a conversation it starts.
    pub name: Option<String>,
    /// How the model came to it, if that was asked for.
    pub thoughts: Option<String>,
    /// How fast it wants to be streamed; the server's pace otherwise.
    pub pace: Option<Pace>,
    /// The reply of a rule or the queue that it is, to be given back if it comes to nothing.
    pub lease: Option<rules::ReplyLease>,
    /// Its text, in pieces of any size, and its usage where the backend knows it.
    pub pieces: ReplyChunks,
}

/// The pieces of an answer.
pub enum ReplyChunks {
    /// There is one, and it is there.
    Whole(String, Usage),
    /// They come one after the other.
    #[cfg_attr(
        not(any(test, feature = "internals")),
        expect(dead_code, reason = "both providers of this crate answer in one piece")
    )]
    Stream(BoxStream<'static, Result<ReplyChunk, ModelError>>),
}

/// A piece of an answer.
#[cfg_attr(
    not(any(test, feature = "internals")),
    expect(dead_code, reason = "both providers of this crate answer in one piece")
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyChunk {
    /// More text.
    Text(String),
    /// What the model says it used; parts it does not tell are counted.
    Usage(Usage),
}

/// Tokens used, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens the model was shown.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer.
    pub output_tokens: Option<u64>,
}

/// Why a model gave no reply, or broke off in the middle of one.
#[cfg_attr(
    not(any(test, feature = "internals")),
    expect(dead_code, reason = "the models of this crate do not fail like one behind a network")
)]
#[derive(Debug, Error)]
pub enum ModelError {
    /// The model takes no more requests for now.
    #[error("the model's rate limit is reached")]
    RateLimited {
        /// How long to wait, where the model says so.
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
    /// The model cannot be reached, or what it sends cannot be understood.
    #[error("the model failed")]
    Broken(#[source] Box<dyn StdError + Send + Sync>),
    /// A fixture's template went wrong on this prompt.
    #[error("rule `{rule}`: {source}")]
    Template {
        /// The rule.
        rule: String,
        /// What went wrong.
        source: rules::template::RenderError,
    },
    /// The thread that was to answer failed.
    #[error("the answer was lost")]
    Lost(#[source] tokio::task::JoinError),
}

impl ModelError {
    /// The message for a client: what fails inside the server stays there.
    pub fn client_message(&self) -> String {
        match self {
            Self::Template { .. } | Self::Lost(_) => "internal error".to_owned(),
            Self::RateLimited { .. }
            | Self::TimedOut
            | Self::Refused { .. }
            | Self::Broken(_) => self.to_string(),
        }
    }
}

impl ModelReply {
    /// An answer that is all there.
    pub fn whole(text: String, usage: Usage) -> Self {
        let pieces = ReplyChunks::Whole(text, usage);
        Self { rule: None, name: None, thoughts: None, pace: None, lease: None, pieces }
    }
}

impl ReplyChunks {
    /// As a stream of them.
    #[cfg(any(test, feature = "internals"))]
    pub fn into_stream(self) -> BoxStream<'static, Result<ReplyChunk, ModelError>> {
        match self {
            Self::Whole(text, usage) => {
                futures::stream::iter([Ok(ReplyChunk::Text(text)), Ok(ReplyChunk::Usage(usage))]).boxed()
            }
            Self::Stream(pieces) => pieces,
        }
    }

    /// All of them, as soon as they have come.
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
                ReplyChunk::Usage(said) => usage = said,
            }
        }
        Ok((text, usage))
    }
}

/// `text` in the form that `output` asks for: a structured answer is the JSON text of an object,
/// and text that is none becomes the value of `key` in one.
fn in_output_mode(output: OutputMode, text: String, key: &str) -> String {
    match output {
        OutputMode::Text => text,
        // Its values are not wanted, and would take many times the memory of the text.
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
    async fn an_answer_in_pieces_comes_to_the_same_as_one_that_is_whole() {
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
