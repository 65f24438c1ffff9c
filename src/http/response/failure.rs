//! What can go wrong on the way, before a room gives it its envelope.
//!
//! Handlers and extractors fail with a [`Failure`]. As a response it is blank: it travels in the
//! response's extensions to the room's outermost layer, which renders it.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use thiserror::Error;

use crate::app::request_log::TooManyWatchers;
use crate::domain::Error as Refusal;
use crate::domain::error::FieldError;

/// Why a request gets no ordinary answer.
#[derive(Debug, Error)]
pub(crate) enum ApiError {
    /// The act itself was refused, or failed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The body is no JSON.
    #[error("the body is not valid JSON: {reason} at line {line}, column {column}")]
    BrokenJson {
        /// What the parser says.
        reason: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// The body is of another type than JSON.
    #[error("the body must be sent as `Content-Type: application/json`")]
    NotJson,
    /// The body is larger than allowed.
    #[error("the body is larger than {} MiB", limit / (1024 * 1024))]
    TooLarge {
        /// The most bytes allowed.
        limit: usize,
    },
    /// The client stopped sending in the middle of its body.
    #[error("the body did not arrive in time")]
    BodyTooSlow,
    /// The body broke off.
    #[error("the body could not be read to its end")]
    BodyBroken,
    /// There is nothing at this path.
    #[error("there is nothing at this path")]
    UnknownPath,
    /// There is something at this path, but not for this method.
    #[error("this path does not answer to this method")]
    WrongMethod,
    /// Too many clients wait for a journal's entries.
    #[error(transparent)]
    TooManyWatchers(#[from] TooManyWatchers),
    /// The head is none of HTTP/1.1.
    #[error("this is not a request of HTTP/1.1")]
    BadHead,
    /// The target of the request is longer than any server takes.
    #[error("the URL is too long")]
    UriTooLong,
    /// The head has too many headers or too many bytes.
    #[error("the request has too many headers, or they are too long")]
    HeadTooLarge,
    /// The request's `Host` is wrong.
    #[error("the header Host {reason}")]
    BadHost {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The control plane was asked through a proxy by someone on another machine.
    #[error(
        "this request came through a proxy from another machine, and the control plane is open to \
         programs on this machine only; start the server with --admin-token or --admin-open to \
         open it further"
    )]
    FromElsewhere,
    /// A handler panicked.
    #[error("internal error")]
    Panicked,
}

impl ApiError {
    /// The response for a panic; what was in it went to the log, and never goes to the client.
    pub(crate) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
        Self::Panicked.into_response()
    }

    /// The status it is answered with, in every envelope.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => status_of_refusal(refusal),
            Self::BrokenJson { .. } | Self::BodyBroken | Self::BadHead | Self::BadHost { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::FromElsewhere => StatusCode::FORBIDDEN,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyWatchers(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The field at fault, where it is one.
    pub(crate) fn field(&self) -> Option<&FieldError> {
        match self {
            Self::Refused(Refusal::Field(field)) => Some(field),
            _ => None,
        }
    }

    /// `response`, or if it carries a failure, what `render` makes of that, with the headers that
    /// belong to any envelope.
    pub(crate) fn rendered(
        mut response: Response,
        render: impl FnOnce(&Self) -> Response,
    ) -> Response {
        let Some(failure) = response.extensions_mut().remove::<Arc<Self>>() else {
            return response;
        };
        failure.log();
        let mut rendered = render(&failure);
        if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
            rendered.headers_mut().insert(header::ALLOW, allow);
        }
        rendered
    }

    /// Logs what is the server's own fault, with everything that led to it.
    fn log(&self) {
        if let Self::Refused(refusal @ Refusal::Internal(_)) = self {
            tracing::error!(error = refusal.with_sources(), "a request failed");
        }
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
        | Refusal::UnknownDeployment(_)
        | Refusal::UnknownAccount(_)
        | Refusal::UnknownRule(_)
        | Refusal::UnknownFault(_) => StatusCode::NOT_FOUND,
        Refusal::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        Refusal::Injected { status } => {
            StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
        Refusal::ForbiddenDeployment(_) | Refusal::OriginNotAllowed(_) | Refusal::ControlClosed => {
            StatusCode::FORBIDDEN
        }
        Refusal::DeploymentMismatch { .. } | Refusal::FixtureAccount(_) | Refusal::AccountEnded => {
            StatusCode::CONFLICT
        }
    }
}

impl From<FieldError> for ApiError {
    fn from(field: FieldError) -> Self {
        Self::Refused(field.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
