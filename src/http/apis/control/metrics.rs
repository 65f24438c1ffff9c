//! Metrics in the Prometheus form (docs/control.md).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::error::ControlError;
use crate::app::{AccountRegistry, Health};
use crate::http::Metrics;

/// `GET /_mynah/metrics`.
pub(super) async fn get_metrics(
    State(metrics): State<Metrics>,
    State(registry): State<Arc<AccountRegistry>>,
    State(health): State<Health>,
) -> Result<Response, ControlError> {
    const TEXT: HeaderValue =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = metrics.text(&registry, health.written())?;
    Ok(([(header::CONTENT_TYPE, TEXT)], text).into_response())
}
