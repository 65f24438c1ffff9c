//! Errors of requests, before an API gives them its envelope.
//!
//! Handlers and extractors return an [`ApiError`]. As a response it is empty: the error is in the
//! extensions, and the pipeline renders it in the envelope of the API.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use thiserror::Error;

use crate::app::accounts::{AccountError, SessionWriteError};
use crate::app::auth::AuthError;
use crate::app::conversations::ConversationError;
use crate::app::faults::{InjectedError, UnknownFault};
use crate::app::generation::{GenerateError, ModelError};
use crate::app::request_log::TooManyWatchers;
use crate::app::rate_limit::RateLimitExceeded;
use crate::app::snapshots::SnapshotError;
use crate::app::studio::AgentsAndImagesError;
use crate::domain::error::{FieldError, InternalError, with_sources};
use crate::fixtures::ModelLookupError;
use crate::models::rules::UnknownRule;

/// Why a request gets no ordinary answer.
#[derive(Debug, Error)]
pub(crate) enum ApiError {
    /// A field of the request is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The caller may not use what it asks for.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The plan's limit is used up.
    #[error(transparent)]
    RateLimited(#[from] RateLimitExceeded),
    /// The control plane is not open to the caller.
    #[error(
        "the control plane is open to programs on this machine only; start the server with \
         --admin-token or --admin-open to open it further"
    )]
    ControlClosed,
    /// An account was not found, made, changed or removed.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A snapshot was not taken, restored or copied.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The account has no such fault.
    #[error(transparent)]
    UnknownFault(#[from] UnknownFault),
    /// The account has no such rule.
    #[error(transparent)]
    UnknownRule(#[from] UnknownRule),
    /// Conversations or messages cannot be read.
    #[error(transparent)]
    Conversation(#[from] ConversationError),
    /// There is no reply, or it was not stored.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// An agent or an image was not made or not found.
    #[error(transparent)]
    AgentsAndImages(#[from] AgentsAndImagesError),
    /// An injected fault ends the request.
    #[error(transparent)]
    Injected(#[from] InjectedError),
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
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
    /// Too many clients follow request logs.
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
            Self::Auth(error) => auth_status(error),
            Self::Account(error) => account_status(error),
            Self::Snapshot(error) => snapshot_status(error),
            Self::Conversation(error) => conversation_status(error),
            Self::Generate(error) => generate_status(error),
            Self::AgentsAndImages(error) => agents_and_images_status(error),
            Self::Injected(error) => injected_status(error),
            Self::Field(_)
            | Self::BrokenJson { .. }
            | Self::BodyBroken
            | Self::BadHead
            | Self::BadHost { .. } => StatusCode::BAD_REQUEST,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ControlClosed | Self::FromElsewhere => StatusCode::FORBIDDEN,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::UnknownFault(_) | Self::UnknownRule(_) | Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::RateLimited(_) | Self::TooManyWatchers(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal(_) | Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The field at fault, where it is one.
    pub(crate) fn field(&self) -> Option<&FieldError> {
        match self {
            Self::Field(field)
            | Self::Account(AccountError::Field(field))
            | Self::Snapshot(
                SnapshotError::Field(field) | SnapshotError::Account(AccountError::Field(field)),
            )
            | Self::Generate(
                GenerateError::Field(field)
                | GenerateError::ModelLookup(ModelLookupError::OtherKind(field)),
            )
            | Self::AgentsAndImages(AgentsAndImagesError::ModelLookup(
                ModelLookupError::OtherKind(field),
            )) => Some(field),
            _ => None,
        }
    }

    /// How long to wait for a model that takes no more requests.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Generate(GenerateError::Model(ModelError::RateLimited { retry_after })) => {
                *retry_after
            }
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
        if let Some(wait) = failure.retry_after() {
            rendered.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
        }
        rendered
    }

    /// Logs a failure of the server or of a model, with everything that led to it.
    fn log(&self) {
        let logged_or_asked_for = matches!(
            self,
            Self::Panicked
                | Self::Injected(_)
                | Self::Generate(GenerateError::Injected(_))
                | Self::AgentsAndImages(AgentsAndImagesError::Injected(_))
        );
        let failed = self.status().is_server_error() && !logged_or_asked_for;
        if failed {
            tracing::error!(error = with_sources(self), "a request failed");
        }
    }
}

fn generate_status(error: &GenerateError) -> StatusCode {
    match error {
        GenerateError::Field(_) => StatusCode::BAD_REQUEST,
        GenerateError::ModelLookup(error) => model_lookup_status(error),
        GenerateError::UnknownAgent(_) | GenerateError::UnknownConversation(_) => {
            StatusCode::NOT_FOUND
        }
        GenerateError::DeploymentMismatch { .. } => StatusCode::CONFLICT,
        GenerateError::InsufficientBalance { .. } => StatusCode::PAYMENT_REQUIRED,
        GenerateError::Injected(error) => injected_status(error),
        GenerateError::Write(error) => session_write_status(error),
        GenerateError::Model(error) => model_status(error),
        GenerateError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn model_status(error: &ModelError) -> StatusCode {
    match error {
        ModelError::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        ModelError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        ModelError::Refused { .. } => StatusCode::BAD_REQUEST,
        ModelError::Broken(_) => StatusCode::BAD_GATEWAY,
        ModelError::Template { .. } | ModelError::Lost(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn agents_and_images_status(error: &AgentsAndImagesError) -> StatusCode {
    match error {
        AgentsAndImagesError::ModelLookup(error) => model_lookup_status(error),
        AgentsAndImagesError::UnknownAgent(_)
        | AgentsAndImagesError::UnknownConversation(_)
        | AgentsAndImagesError::UnknownImage(_) => StatusCode::NOT_FOUND,
        AgentsAndImagesError::InsufficientBalance { .. } => StatusCode::PAYMENT_REQUIRED,
        AgentsAndImagesError::Injected(error) => injected_status(error),
        AgentsAndImagesError::Write(error) => session_write_status(error),
        AgentsAndImagesError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn model_lookup_status(error: &ModelLookupError) -> StatusCode {
    match error {
        ModelLookupError::OtherKind(_) => StatusCode::BAD_REQUEST,
        ModelLookupError::UnknownLlm(_) | ModelLookupError::UnknownSdModel(_) => {
            StatusCode::NOT_FOUND
        }
    }
}

fn session_write_status(error: &SessionWriteError) -> StatusCode {
    match error {
        SessionWriteError::AccountEnded => StatusCode::CONFLICT,
        SessionWriteError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn injected_status(error: &InjectedError) -> StatusCode {
    match error {
        InjectedError::Refused { status } => {
            StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
        InjectedError::AccountEnded => StatusCode::CONFLICT,
    }
}

fn auth_status(error: &AuthError) -> StatusCode {
    match error {
        AuthError::MissingKey | AuthError::UnknownKey => StatusCode::UNAUTHORIZED,
        AuthError::ForbiddenDeployment(_) | AuthError::OriginNotAllowed(_) => StatusCode::FORBIDDEN,
        AuthError::UnknownDeployment(_) => StatusCode::NOT_FOUND,
    }
}

fn conversation_status(error: &ConversationError) -> StatusCode {
    match error {
        ConversationError::Auth(error) => auth_status(error),
        ConversationError::UnknownConversation(_) => StatusCode::NOT_FOUND,
        ConversationError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn account_status(error: &AccountError) -> StatusCode {
    match error {
        AccountError::Field(_) => StatusCode::BAD_REQUEST,
        AccountError::UnknownAccount(_) => StatusCode::NOT_FOUND,
        AccountError::FixtureAccount(_) => StatusCode::CONFLICT,
        AccountError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn snapshot_status(error: &SnapshotError) -> StatusCode {
    match error {
        SnapshotError::Field(_) => StatusCode::BAD_REQUEST,
        SnapshotError::Account(error) => account_status(error),
        SnapshotError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
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
