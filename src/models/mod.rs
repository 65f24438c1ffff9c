//! Who answers: a prompt in, a stream of text and the usage out.
//!
//! A [`Backend`] knows nothing of HTTP, streams on the wire, conversations or storage. It is given
//! all that a model is shown and gives text in pieces of any size; `app/generation` cuts them
//! into words and paces them.

mod echo;
pub mod rules;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt as _};
use serde_json::json;
use serde_json::value::RawValue;
use thiserror::Error;

pub use self::echo::Echo;
pub use self::rules::Canned;
use crate::domain::reply_rule::Pace;
use crate::domain::{OutputMode, Prompt};

/// Something that answers prompts.
pub trait Backend: Send + Sync {
    /// Begins an answer. Dropping the answer's pieces stops its making.
    fn answer(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, BackendError>>;
}

/// A prompt, and what the account asking brings along.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What the model is shown.
    pub prompt: Arc<Prompt>,
    /// The account's canned rules, with its place in each.
    pub rules: Arc<rules::RuleBook>,
    /// Whether the model is to say how it comes to its answer.
    pub thoughts: bool,
}

/// An answer that has begun.
pub struct Answer {
    /// The rule that it is the answer of.
    pub rule: Option<Arc<str>>,
    /// The name it suggests for a conversation it starts.
    pub name: Option<String>,
    /// How the model came to it, if that was asked for.
    pub thoughts: Option<String>,
    /// How fast it wants to be streamed; the server's pace otherwise.
    pub pace: Option<Pace>,
    /// The reply of a rule or the queue that it is, to be given back if it comes to nothing.
    pub served: Option<rules::Served>,
    /// Its text, in pieces of any size, and its usage where the backend knows it.
    pub pieces: Pieces,
}

/// The pieces of an answer.
pub enum Pieces {
    /// There is one, and it is there.
    Whole(String, Usage),
    /// They come one after the other.
    Stream(BoxStream<'static, Result<Piece, BackendError>>),
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
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

/// Why a backend gave no answer, or stopped in the middle of one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackendError {
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

impl Answer {
    /// An answer that is all there.
    pub fn whole(text: String, usage: Usage) -> Self {
        let pieces = Pieces::Whole(text, usage);
        Self { rule: None, name: None, thoughts: None, pace: None, served: None, pieces }
    }
}

impl Pieces {
    /// As a stream of them.
    pub fn into_stream(self) -> BoxStream<'static, Result<Piece, BackendError>> {
        match self {
            Self::Whole(text, usage) => {
                stream::iter([Ok(Piece::Text(text)), Ok(Piece::Usage(usage))]).boxed()
            }
            Self::Stream(pieces) => pieces,
        }
    }

    /// All of them, as soon as they have come.
    pub async fn whole(self) -> Result<(String, Usage), BackendError> {
        let mut pieces = match self {
            Self::Whole(text, usage) => return Ok((text, usage)),
            Self::Stream(pieces) => pieces,
        };
        let (mut text, mut usage) = (String::new(), Usage::default());
        while let Some(piece) = pieces.next().await {
            match piece? {
                Piece::Text(more) if text.is_empty() => text = more,
                Piece::Text(more) => text.push_str(&more),
                Piece::Usage(said) => usage = said,
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
    use super::*;

    #[tokio::test]
    async fn an_answer_in_pieces_comes_to_the_same_as_one_that_is_whole() {
        let usage = Usage { input_tokens: Some(3), output_tokens: Some(2) };
        let whole = || Pieces::Whole("Hello, you.".to_owned(), usage);
        let pieces = ["Hel", "lo, ", "you."].map(|text| Ok(Piece::Text(text.to_owned())));
        let pieces = stream::iter(pieces).chain(stream::iter([Ok(Piece::Usage(usage))])).boxed();
        let expected = ("Hello, you.".to_owned(), usage);
        assert_eq!(Pieces::Stream(pieces).whole().await.unwrap(), expected);
        assert_eq!(Pieces::Stream(whole().into_stream()).whole().await.unwrap(), expected);
        assert_eq!(whole().whole().await.unwrap(), expected);
    }
}
