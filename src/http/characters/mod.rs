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
    let routes = Router::new()
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
        .layer(from_fn_with_state(Access::from_ref(state), auth::count));
    in_envelopes(routes)
}

/// The pictures that links of this API point to, below `/images`. They need no key.
pub(super) fn pictures<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Studio: FromRef<S>,
{
    let routes = Router::new()
        .route("/{file}", get(images::picture))
        .fallback(async || Failure::NoSuchPath)
        .method_not_allowed_fallback(async || Failure::WrongMethod);
    in_envelopes(routes)
}

/// Stands around every route of this API: whatever fails, be it by a panic, has its envelope.
fn in_envelopes<S>(routes: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes.layer(catch_panics()).layer(from_fn(error::render))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::extract::Request;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_500_in_this_api_s_envelope_that_tells_nothing() {
        let routes =
            Router::new().route("/", get(async || -> &'static str { panic!("the key is sesame") }));
        let request = Request::get("/").body(Body::empty()).unwrap();
        let response = in_envelopes(routes).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        assert_eq!(body, r#"{"error":"Internal error"}"#);
    }
}
