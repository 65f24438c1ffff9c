//! The plain envelope, of the Characters API (characters.txt, the errors at its end) and of the
//! control plane: `{"error": "Detailed error message explaining what went wrong"}`.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::failure::ApiError;
use super::json::Json;

#[derive(Serialize)]
struct PlainEnvelope {
    error: String,
}

/// Gives failures the plain envelope.
pub(crate) fn rendered(response: Response) -> Response {
    ApiError::rendered(response, envelope)
}

fn envelope(failure: &ApiError) -> Response {
    let status = failure.status();
    let error = match status {
        StatusCode::INTERNAL_SERVER_ERROR => "Internal error".to_owned(),
        _ => failure.to_string(),
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
    // A header that is no text holds a token all the same, and an unknown one.
    let Ok(sent) = sent.to_str() else { return Some("") };
    let (scheme, token) = sent.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::app::generation::ModelError;
    use crate::models::rules::template::RenderError;

    #[tokio::test]
    async fn each_failure_of_a_model_has_its_status_and_message() {
        let retry_after = Some(std::time::Duration::from_secs(7));
        let template = ModelError::Template { rule: "r".to_owned(), source: RenderError::Panicked };
        let failures = [
            (ModelError::RateLimited { retry_after }, 429, "the model's rate limit is reached"),
            (ModelError::TimedOut, 504, "the model did not reply in time"),
            (
                ModelError::Refused { reason: "policy".to_owned() },
                400,
                "the model refused the prompt: policy",
            ),
            (ModelError::Broken("reset".into()), 502, "the model failed"),
            (template, 500, "Internal error"),
        ];
        for (failure, status, message) in failures {
            let answer = rendered(ApiError::Generate(failure.into()).into_response());
            assert_eq!(answer.status().as_u16(), status, "{message}");
            let waits = answer.headers().get(header::RETRY_AFTER).map(HeaderValue::as_bytes);
            assert_eq!(waits, (status == 429).then_some(b"7".as_slice()));
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["error"], message);
        }
    }
}
