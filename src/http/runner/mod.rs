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
    let routes = Router::new()
        .route("/{deployment_id}", post(run::run))
        .route("/{deployment_id}/stream", post(run::stream))
        .route("/{deployment_id}/conversation", post(conversations::say))
        .route("/{deployment_id}/conversation/stream", post(conversations::say_streamed))
        .route("/conversation/{conversation_id}/messages", get(conversations::messages))
        .route("/conversations", get(conversations::list))
        .route("/{deployment_id}/conversations", get(conversations::list_of_deployment))
        .fallback(async || Failure::NoSuchPath)
        .method_not_allowed_fallback(async || Failure::WrongMethod)
        .layer(from_fn_with_state(Access::from_ref(state), auth::attribute));
    in_envelopes(routes, Style::from_ref(state).errors)
}

/// Stands around every route of this API: whatever fails, be it by a panic, has its envelope.
fn in_envelopes<S>(routes: Router<S>, errors: ErrorStyle) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes.layer(catch_panics()).layer(from_fn_with_state(errors, error::render))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::extract::Request;
    use serde_json::{Value, json};
    use tower::ServiceExt as _;

    use super::*;

    async fn answer(router: &Router, path: &str) -> (u16, Value) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_a_500_in_this_api_s_envelope_that_tells_nothing_and_the_room_goes_on() {
        let routes = Router::new()
            .route("/panic", get(async || -> &'static str { panic!("the key is sesame") }))
            .route("/well", get(async || "1"));
        let open_ai = in_envelopes(routes.clone(), ErrorStyle::OpenAi);
        let error = json!({
            "type": "api_error", "message": "internal error", "param": null,
            "code": "internal_error",
        });
        assert_eq!(answer(&open_ai, "/panic").await, (500, json!({ "error": error })));
        assert_eq!(answer(&open_ai, "/well").await, (200, json!(1)));
        let fast_api = in_envelopes(routes, ErrorStyle::FastApi);
        let detail = json!({ "detail": "internal error" });
        assert_eq!(answer(&fast_api, "/panic").await, (500, detail));
    }
}
