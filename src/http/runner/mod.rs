//! The Runner API (runner-overview.txt, runner-conversation-rest.txt, runner-conversation-sdk.txt;
//! what they leave open: notes.md): run, stream, conversations with memory.

mod auth;
mod content;
mod conversations;
mod error;
mod run;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::catch_panics;
use super::extract::Strictness;
use super::failure::Failure;
use crate::service::{Access, Archive, Turns};

/// How this API renders what its documents leave open or change from revision to revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Which of the documented error envelopes.
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

/// The routes, below `/v1/runner`.
pub(super) fn router<S>(state: &S) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Access: FromRef<S>,
    Turns: FromRef<S>,
    Archive: FromRef<S>,
    Strictness: FromRef<S>,
    Style: FromRef<S>,
{
    Router::new()
        .route("/{deployment_id}", post(run::run))
        .route("/{deployment_id}/stream", post(run::stream))
        .route("/{deployment_id}/conversation", post(conversations::say))
        .route("/{deployment_id}/conversation/stream", post(conversations::say_streamed))
        .route("/conversation/{conversation_id}/messages", get(conversations::messages))
        .route("/conversations", get(conversations::list))
        .route("/{deployment_id}/conversations", get(conversations::list_of_deployment))
        .fallback(async || Failure::NoSuchPath)
        .method_not_allowed_fallback(async || Failure::WrongMethod)
        .layer(catch_panics())
        .layer(from_fn_with_state(Access::from_ref(state), auth::attribute))
        .layer(from_fn_with_state(Style::from_ref(state).errors, error::render))
}
