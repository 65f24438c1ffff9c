//! The Runner API (runner-overview.txt, runner-conversation-rest.txt, runner-conversation-sdk.txt;
//! what they leave open: notes.md): run, stream, conversations.

mod auth;
mod content;
mod conversations;
mod error;
mod run;

use axum::extract::FromRef;

pub(crate) use self::auth::key;
pub(crate) use self::error::rendered;
use crate::app::{Authenticator, ConversationQueries, Generation};
use crate::http::extract::Strictness;
use crate::http::large_bodies::LargeBodies;
use crate::http::routes::Routes;
use crate::http::routes::get;
use crate::http::routes::post;

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

/// The routes.
pub(crate) fn routes<S>() -> Routes<S>
where
    S: Clone + Send + Sync + 'static,
    Authenticator: FromRef<S>,
    Generation: FromRef<S>,
    ConversationQueries: FromRef<S>,
    Strictness: FromRef<S>,
    LargeBodies: FromRef<S>,
    Style: FromRef<S>,
{
    Routes::new()
        .route("/v1/runner/{deployment_id}", post(run::run))
        .route("/v1/runner/{deployment_id}/stream", post(run::stream))
        .route("/v1/runner/{deployment_id}/conversation", post(conversations::run_conversation))
        .route(
            "/v1/runner/{deployment_id}/conversation/stream",
            post(conversations::stream_conversation),
        )
        .route(
            "/v1/runner/conversation/{conversation_id}/messages",
            get(conversations::list_messages),
        )
        .route("/v1/runner/conversations", get(conversations::list_conversations))
        .route(
            "/v1/runner/{deployment_id}/conversations",
            get(conversations::list_deployment_conversations),
        )
}
