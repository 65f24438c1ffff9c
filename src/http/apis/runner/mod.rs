//! The Runner API (runner-overview.txt, runner-conversation-rest.txt, runner-conversation-sdk.txt;
//! what they leave open: notes.md): run, stream, conversations.

mod auth;
mod content;
mod conversations;
mod error;
mod run;

pub(crate) use self::auth::key;
pub(crate) use self::error::rendered;
use crate::http::Shared;
use crate::http::routes::Routes;

/// The choices where the documents of this API leave a rendering open or differ from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// The error envelope.
    pub errors: ErrorStyle,
    /// How the content of a stored message is shown.
    pub message_content: MessageContent,
}

/// The documented error envelopes (notes.md, "Errors").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorStyle {
    /// `{"error": {"type", "message", "param", "code"}}`.
    OpenAi,
    /// `{"detail": …}`; 422 with `loc`, `msg` and `type` for validation.
    FastApi,
}

/// How the content of a stored message is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageContent {
    /// A string for text alone, an array of parts for a message with a file.
    Text,
    /// Always an array of parts.
    Parts,
}

pub(crate) fn routes() -> Routes<Shared> {
    Routes::new().merge(run::routes()).merge(conversations::routes())
}
