//! Errors on their way to an envelope.
//!
//! Handlers return the error type of their API; what is shared by all APIs returns an [`HttpError`]. As a
//! response both are empty, with the error in the extensions ([`carrying`]). The pipeline lets the API
//! write its envelope ([`rendered`]), because only the pipeline knows which API an [`HttpError`] belongs
//! to.

use std::any::Any;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use thiserror::Error;

use crate::app::rate_limit::RateLimitExceeded;
use crate::domain::error::{FieldError, with_sources};

/// Why a request of any API fails before or outside of its use case.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum HttpError {
    /// The head is not one of HTTP/1.1.
    #[error("this is not a request of HTTP/1.1")]
    BadHead,
    /// The target of the request is too long.
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
    /// No route has this path.
    #[error("there is nothing at this path")]
    UnknownPath,
    /// The path has a route, but none for this method.
    #[error("this path does not answer to this method")]
    WrongMethod,
    /// The limit of the plan is reached.
    #[error(transparent)]
    RateLimited(#[from] RateLimitExceeded),
    /// The body is not sent as JSON.
    #[error("the body must be sent as `Content-Type: application/json`")]
    NotJson,
    /// The body is larger than allowed.
    #[error("the body is larger than {} MiB", limit / (1024 * 1024))]
    TooLarge {
        /// The most bytes allowed.
        limit: usize,
    },
    /// The body did not arrive within its time.
    #[error("the body did not arrive in time")]
    BodyTooSlow,
    /// The connection failed in the middle of the body.
    #[error("the body could not be read to its end")]
    BodyBroken,
    /// The body is not JSON.
    #[error("the body is not valid JSON: {reason} at line {line}, column {column}")]
    BrokenJson {
        /// What the parser reports.
        reason: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A field of the request is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A handler panicked. The panic hook has logged the cause, which clients never see.
    #[error("internal error")]
    Panicked,
}

impl HttpError {
    /// The response to a request whose handler panicked.
    pub(crate) fn panicked(_: Box<dyn Any + Send>) -> Response {
        Self::Panicked.into_response()
    }

    /// The status is the same in each API.
    pub(crate) fn status(&self) -> ErrorStatus {
        let status = match self {
            Self::BadHead
            | Self::BadHost { .. }
            | Self::BodyBroken
            | Self::BrokenJson { .. }
            | Self::Field(_) => StatusCode::BAD_REQUEST,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Panicked => return ErrorStatus::without_log(StatusCode::INTERNAL_SERVER_ERROR),
        };
        status.into()
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        carrying(self)
    }
}

/// The status of an error's response, and the effects of the error in any envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrorStatus {
    pub(crate) status: StatusCode,
    /// After which time a retry can succeed.
    retry_after: Option<Duration>,
    /// Whether the server or a model failed and the error is not logged yet.
    must_log: bool,
}

impl From<StatusCode> for ErrorStatus {
    fn from(status: StatusCode) -> Self {
        Self { status, retry_after: None, must_log: status.is_server_error() }
    }
}

impl ErrorStatus {
    /// The status of an error that is logged elsewhere or injected on purpose.
    fn without_log(status: StatusCode) -> Self {
        Self { must_log: false, ..status.into() }
    }

    /// The status that an injected fault asks for. It is not a failure of the server.
    #[expect(clippy::expect_used, reason = "fault rules have statuses from 400 to 599")]
    pub(crate) fn injected(status: u16) -> Self {
        Self::without_log(StatusCode::from_u16(status).expect("a fault rule has a valid status"))
    }

    pub(crate) fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }

    /// Logs `error` if necessary and completes its `response`.
    pub(crate) fn completed(
        self,
        error: &(dyn StdError + 'static),
        mut response: Response,
    ) -> Response {
        if self.must_log {
            tracing::error!(error = with_sources(error), "a request failed");
        }
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
        }
        response
    }
}

/// An empty response with `error` in its extensions.
pub(crate) fn carrying(error: impl Send + Sync + 'static) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.extensions_mut().insert(Arc::new(error));
    response
}

/// `response`; one that carries an `E` or an [`HttpError`] is replaced by the result of `render`, with the
/// `Allow` header kept.
pub(crate) fn rendered<E>(mut response: Response, render: impl FnOnce(&E) -> Response) -> Response
where
    E: From<HttpError> + Send + Sync + 'static,
{
    let extensions = response.extensions_mut();
    let mut rendered = if let Some(error) = extensions.remove::<Arc<E>>() {
        render(&error)
    } else if let Some(error) = extensions.remove::<Arc<HttpError>>() {
        render(&E::from(HttpError::clone(&error)))
    } else {
        return response;
    };
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        rendered.headers_mut().insert(header::ALLOW, allow);
    }
    rendered
}
