//! What is neither of the two APIs: health, and the answer where there is nothing.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::extract::Json;
use super::routes::{Routes, get};

/// The routes.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Routes<S> {
    Routes::new().route("/_mynah/health", get(health))
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
}

/// `GET /_mynah/health`: 200 as soon as requests are answered.
async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

#[derive(Serialize)]
struct Nothing {
    error: &'static str,
}

/// Paths that belong to neither API.
pub(super) fn nothing_here() -> Response {
    let error = "there is nothing at this path; the Runner API is under /v1/runner, the \
                 Characters API under /api/v1, their documentation at /_mynah/docs";
    (StatusCode::NOT_FOUND, Json(Nothing { error })).into_response()
}
