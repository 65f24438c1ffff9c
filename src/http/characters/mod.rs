//! The Characters API (characters.txt): models, completions, conversations, agents, images.

mod agents;
mod auth;
mod completions;
mod conversations;
mod error;
mod images;
mod models;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use super::base_url::PublicUrl;
use super::catch_panics;
use super::extract::Strictness;
use super::failure::Failure;
use crate::service::{Access, Archive, Shelf, Studio, Turns};

/// The routes, below `/api/v1`.
pub(super) fn router<S>(state: &S) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Access: FromRef<S>,
    Turns: FromRef<S>,
    Archive: FromRef<S>,
    Studio: FromRef<S>,
    Shelf: FromRef<S>,
    PublicUrl: FromRef<S>,
    Strictness: FromRef<S>,
{
    Router::new()
        .route("/models", get(models::list))
        .route("/completions", post(completions::complete))
        .route("/conversations", get(conversations::list).post(conversations::create))
        .route("/conversations/{id}", get(conversations::show))
        .route(
            "/conversations/{id}/messages",
            get(conversations::messages).post(conversations::say),
        )
        .route("/agents", get(agents::list).post(agents::create))
        .route("/agents/{id}", get(agents::show))
        .route("/images", get(images::list).post(images::create))
        .fallback(async || Failure::NoSuchPath)
        .method_not_allowed_fallback(async || Failure::WrongMethod)
        .layer(catch_panics())
        .layer(from_fn_with_state(Access::from_ref(state), auth::count))
        .layer(from_fn(error::render))
}

/// The pictures that links of this API point to, below `/images`. They need no key.
pub(super) fn pictures<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Studio: FromRef<S>,
{
    Router::new()
        .route("/{file}", get(images::picture))
        .fallback(async || Failure::NoSuchPath)
        .method_not_allowed_fallback(async || Failure::WrongMethod)
        .layer(catch_panics())
        .layer(from_fn(error::render))
}
