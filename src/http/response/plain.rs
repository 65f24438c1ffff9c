//! The plain envelope, of the Characters API (characters.txt, the errors at its end) and of the
//! control plane: `{"error": "Detailed error message explaining what went wrong"}`.

use std::fmt::Display;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::json::Json;

#[derive(Serialize)]
struct PlainEnvelope {
    error: String,
}

/// `error` with `status` in the plain envelope.
pub(crate) fn envelope(status: StatusCode, error: &impl Display) -> Response {
    let error = match status {
        StatusCode::INTERNAL_SERVER_ERROR => "Internal error".to_owned(),
        _ => error.to_string(),
    };
    let mut response = (status, Json(PlainEnvelope { error })).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
    response
}

/// The token of `Authorization: Bearer …`, the scheme in any case.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let sent = headers.get(header::AUTHORIZATION)?;
    // A header that is not text has an unknown token.
    let Ok(sent) = sent.to_str() else { return Some("") };
    let (scheme, token) = sent.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
