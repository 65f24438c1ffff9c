//! Health, and the response to unknown paths.

use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::Health;
use crate::http::response::json::Json;
use crate::http::routes::{Routes, get};

/// The routes.
pub(crate) fn routes<S>() -> Routes<S>
where
    S: Clone + Send + Sync + 'static,
    Health: FromRef<S>,
{
    Routes::new().route("/_mynah/health", get(health))
}

#[derive(Serialize)]
struct HealthAnswer {
    status: &'static str,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// `GET /_mynah/health`: 200 if the server can store data, otherwise 503 with the reason.
async fn health(State(health): State<Health>) -> (StatusCode, Json<HealthAnswer>) {
    let reason = health.write_error().await;
    let (code, status) = match reason {
        None => (StatusCode::OK, "ok"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "failing"),
    };
    (code, Json(HealthAnswer { status, version: env!("CARGO_PKG_VERSION"), reason }))
}

#[derive(Serialize)]
struct Nothing {
    error: &'static str,
}

/// The response to an unknown path that belongs to no API.
pub(crate) fn unknown_path() -> Response {
    let error = "there is nothing at this path; the Runner API is under /v1/runner, the \
                 Characters API under /api/v1, their documentation at /_mynah/docs";
    (StatusCode::NOT_FOUND, Json(Nothing { error })).into_response()
}
