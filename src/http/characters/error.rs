//! From reasons to statuses, in the one envelope there is (characters.txt, the errors at its end).

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::http::extract::Json;
use crate::http::failure::Failure;

/// `{"error": "Detailed error message explaining what went wrong"}`.
#[derive(Serialize)]
struct Envelope {
    error: String,
}

/// The room's outermost layer: gives failures their envelope.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let Some(failure) = Failure::taken_from(&mut response) else { return response };
    failure.log();
    let status = failure.status();
    let error = match status {
        StatusCode::INTERNAL_SERVER_ERROR => "Internal error".to_owned(),
        _ => failure.to_string(),
    };
    let mut rendered = (status, Json(Envelope { error })).into_response();
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        rendered.headers_mut().insert(header::ALLOW, allow);
    }
    if status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        rendered.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
    rendered
}
