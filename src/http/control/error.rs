//! From reasons to statuses, in the control plane's envelope: `{"error": "what went wrong"}`.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::http::extract::Json;
use crate::http::failure::Failure;

#[derive(Serialize)]
struct Envelope {
    error: String,
}

/// The outermost layer: gives failures their envelope.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let Some(failure) = Failure::taken_from(&mut response) else { return response };
    failure.log();
    let status = failure.status();
    let mut rendered = (status, Json(Envelope { error: failure.to_string() })).into_response();
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        rendered.headers_mut().insert(header::ALLOW, allow);
    }
    if status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        rendered.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
    rendered
}
