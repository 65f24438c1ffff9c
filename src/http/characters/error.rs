//! From reasons to statuses, in the one envelope there is (characters.txt, the errors at its end).

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::domain::Error as Refusal;
use crate::http::extract::Json;
use crate::http::failure::Failure;

/// `{"error": "Detailed error message explaining what went wrong"}`.
#[derive(Serialize)]
struct Envelope {
    error: String,
}

fn status(failure: &Failure) -> StatusCode {
    match failure {
        Failure::Refused(refusal) => status_of_refusal(refusal),
        Failure::BrokenJson { .. } | Failure::BodyBroken => StatusCode::BAD_REQUEST,
        Failure::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Failure::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Failure::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
        Failure::NoSuchPath => StatusCode::NOT_FOUND,
        Failure::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        Failure::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn status_of_refusal(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Field(_) => StatusCode::BAD_REQUEST,
        Refusal::MissingKey | Refusal::UnknownKey => StatusCode::UNAUTHORIZED,
        Refusal::InsufficientBalance { .. } => StatusCode::PAYMENT_REQUIRED,
        Refusal::UnknownConversation(_)
        | Refusal::UnknownLlm(_)
        | Refusal::UnknownSdModel(_)
        | Refusal::UnknownAgent(_)
        | Refusal::UnknownPicture(_)
        | Refusal::UnknownDeployment(_) => StatusCode::NOT_FOUND,
        Refusal::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        // The other API's reasons, which nothing here gives.
        Refusal::ForbiddenDeployment(_) | Refusal::OriginNotAllowed(_) => StatusCode::FORBIDDEN,
        Refusal::DeploymentMismatch { .. } => StatusCode::CONFLICT,
    }
}

/// The room's outermost layer: gives failures their envelope.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let Some(failure) = Failure::taken_from(&mut response) else { return response };
    failure.log();
    let status = status(&failure);
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
