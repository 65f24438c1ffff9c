//! Errors of the Runner API as statuses, types and codes (notes.md, "Errors").

mod envelope;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use thiserror::Error;

use self::envelope::in_envelope;
use super::ErrorStyle;
use crate::app::accounts::SessionWriteError;
use crate::app::agent_runs::{BusyError, RunError};
use crate::app::auth::{AuthError, KeyError};
use crate::app::conversations::ReaderError;
use crate::app::faults::InjectedError;
use crate::app::generation::{ContinueError, FirstMessageError, ModelError, ReplyError};
use crate::app::triggers::{CreateTriggerError, TriggerLookupError};
use crate::domain::error::{FieldError, FieldErrorKind, InternalError};
use crate::http::response::error::{self, ErrorStatus, HttpError, carrying};

const INVALID: &str = "invalid_request_error";
const AUTH: &str = "auth_error";
const LIMIT: &str = "rate_limit_error";
const API: &str = "api_error";

/// Why a request to the Runner API gets no ordinary answer.
#[derive(Debug, Error)]
pub(crate) enum RunnerError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Reader(#[from] ReaderError),
    #[error(transparent)]
    Reply(#[from] ReplyError),
    #[error(transparent)]
    Start(#[from] FirstMessageError),
    #[error(transparent)]
    Continue(#[from] ContinueError),
    #[error(transparent)]
    Run(RunError),
    #[error(transparent)]
    CreateTrigger(#[from] CreateTriggerError),
    #[error(transparent)]
    TriggerLookup(#[from] TriggerLookupError),
    #[error(transparent)]
    Injected(#[from] InjectedError),
    #[error(transparent)]
    Internal(#[from] InternalError),
}

impl From<FieldError> for RunnerError {
    fn from(error: FieldError) -> Self {
        Self::Http(error.into())
    }
}

impl From<RunError> for RunnerError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Field(field) => field.into(),
            RunError::Start(error) => error.into(),
            RunError::Continue(error) => error.into(),
            error => Self::Run(error),
        }
    }
}

impl From<KeyError> for RunnerError {
    fn from(error: KeyError) -> Self {
        Self::Auth(error.into())
    }
}

/// The status, and the type and code of envelope 1.
struct ErrorDetails {
    status: ErrorStatus,
    r#type: &'static str,
    code: &'static str,
}

fn details(
    status: impl Into<ErrorStatus>,
    r#type: &'static str,
    code: &'static str,
) -> ErrorDetails {
    ErrorDetails { status: status.into(), r#type, code }
}

fn internal_details() -> ErrorDetails {
    details(StatusCode::INTERNAL_SERVER_ERROR, API, "internal_error")
}

impl RunnerError {
    fn details(&self) -> ErrorDetails {
        match self {
            Self::Http(error) => http_details(error),
            Self::Auth(error) => auth_details(error),
            Self::Reader(error) => reader_details(error),
            Self::Reply(error) => reply_details(error),
            Self::Start(error) => start_details(error),
            Self::Continue(error) => continue_details(error),
            Self::Run(error) => run_details(error),
            Self::CreateTrigger(error) => create_trigger_details(error),
            Self::TriggerLookup(error) => trigger_lookup_details(error),
            Self::Injected(error) => injected_details(error),
            Self::Internal(_) => internal_details(),
        }
    }
}

fn http_details(error: &HttpError) -> ErrorDetails {
    let (r#type, code) = match error {
        HttpError::BadHead
        | HttpError::UriTooLong
        | HttpError::HeadTooLarge
        | HttpError::BadHost { .. } => (INVALID, "invalid_request"),
        HttpError::UnknownPath => (INVALID, "not_found"),
        HttpError::WrongMethod => (INVALID, "method_not_allowed"),
        HttpError::RateLimited(_) => (LIMIT, "rate_limited"),
        HttpError::NotJson => (INVALID, "unsupported_media_type"),
        HttpError::TooLarge { .. } => (INVALID, "request_too_large"),
        HttpError::BodyTooSlow => (INVALID, "request_timeout"),
        HttpError::BodyBroken => (INVALID, "incomplete_body"),
        HttpError::BrokenJson { .. } => (INVALID, "invalid_json"),
        HttpError::Field(field) => (INVALID, code_of(field.kind)),
        HttpError::Panicked => (API, "internal_error"),
    };
    details(error.status(), r#type, code)
}

fn auth_details(error: &AuthError) -> ErrorDetails {
    match error {
        AuthError::Key(KeyError::Missing) => {
            details(StatusCode::UNAUTHORIZED, AUTH, "missing_api_key")
        }
        AuthError::Key(KeyError::Unknown) => {
            details(StatusCode::UNAUTHORIZED, AUTH, "invalid_api_key")
        }
        AuthError::ForbiddenDeployment(_) => {
            details(StatusCode::FORBIDDEN, AUTH, "deployment_forbidden")
        }
        AuthError::OriginNotAllowed(_) => {
            details(StatusCode::FORBIDDEN, AUTH, "origin_not_allowed")
        }
        AuthError::UnknownDeployment(_) => {
            details(StatusCode::NOT_FOUND, INVALID, "deployment_not_found")
        }
    }
}

fn reader_details(error: &ReaderError) -> ErrorDetails {
    match error {
        ReaderError::Auth(error) => auth_details(error),
        ReaderError::UnknownConversation(_) => {
            details(StatusCode::NOT_FOUND, INVALID, "conversation_not_found")
        }
        ReaderError::Internal(_) => internal_details(),
    }
}

fn start_details(error: &FirstMessageError) -> ErrorDetails {
    match error {
        FirstMessageError::UnknownTrigger(_) => {
            details(StatusCode::NOT_FOUND, INVALID, "trigger_not_found")
        }
        FirstMessageError::ExpiredTrigger(_) => {
            details(StatusCode::BAD_REQUEST, INVALID, "trigger_expired")
        }
        FirstMessageError::Reply(error) => reply_details(error),
    }
}

fn continue_details(error: &ContinueError) -> ErrorDetails {
    match error {
        ContinueError::UnknownConversation(_) => {
            details(StatusCode::NOT_FOUND, INVALID, "conversation_not_found")
        }
        ContinueError::DeploymentMismatch { .. } => {
            details(StatusCode::CONFLICT, INVALID, "deployment_mismatch")
        }
        ContinueError::Busy(error) => busy_details(error),
        ContinueError::Reply(error) => reply_details(error),
    }
}

fn busy_details(error: &BusyError) -> ErrorDetails {
    let code = match error {
        BusyError::ClientActionRequired(_) => "client_action_required",
        BusyError::RunInProgress => "run_in_progress",
        BusyError::Completed(_) => "conversation_completed",
    };
    details(StatusCode::CONFLICT, INVALID, code)
}

fn run_details(error: &RunError) -> ErrorDetails {
    match error {
        RunError::Field(field) => details(StatusCode::BAD_REQUEST, INVALID, code_of(field.kind)),
        RunError::UnknownConversation(_) => {
            details(StatusCode::NOT_FOUND, INVALID, "conversation_not_found")
        }
        RunError::UnknownRun(_) => details(StatusCode::NOT_FOUND, INVALID, "run_not_found"),
        RunError::UnknownDeployment(_) => {
            details(StatusCode::NOT_FOUND, INVALID, "deployment_not_found")
        }
        RunError::ResultsConflict => {
            details(StatusCode::CONFLICT, INVALID, "tool_results_conflict")
        }
        RunError::NothingPending(_) => details(StatusCode::CONFLICT, INVALID, "no_pending_calls"),
        RunError::RunExpired(_) => details(StatusCode::CONFLICT, INVALID, "run_expired"),
        RunError::Busy(error) => busy_details(error),
        RunError::Start(error) => start_details(error),
        RunError::Continue(error) => continue_details(error),
    }
}

fn reply_details(error: &ReplyError) -> ErrorDetails {
    match error {
        ReplyError::Model(error) => model_details(error),
        ReplyError::Write(error) => write_details(error),
        ReplyError::Internal(_) => internal_details(),
    }
}

fn write_details(error: &SessionWriteError) -> ErrorDetails {
    match error {
        SessionWriteError::AccountEnded => details(StatusCode::CONFLICT, INVALID, "account_reset"),
        SessionWriteError::Internal(_) => internal_details(),
    }
}

fn create_trigger_details(error: &CreateTriggerError) -> ErrorDetails {
    match error {
        CreateTriggerError::TooMany => {
            details(StatusCode::BAD_REQUEST, INVALID, "too_many_triggers")
        }
        CreateTriggerError::Write(error) => write_details(error),
    }
}

fn trigger_lookup_details(error: &TriggerLookupError) -> ErrorDetails {
    match error {
        TriggerLookupError::Unknown(_) => {
            details(StatusCode::NOT_FOUND, INVALID, "trigger_not_found")
        }
        TriggerLookupError::Internal(_) => internal_details(),
    }
}

fn model_details(error: &ModelError) -> ErrorDetails {
    match error {
        ModelError::RateLimited { retry_after } => {
            let status = ErrorStatus::from(StatusCode::TOO_MANY_REQUESTS);
            details(status.with_retry_after(*retry_after), LIMIT, "rate_limited")
        }
        ModelError::TimedOut => details(StatusCode::GATEWAY_TIMEOUT, API, "gateway_timeout"),
        ModelError::Refused { .. } => details(StatusCode::BAD_REQUEST, INVALID, "invalid_request"),
        ModelError::Broken(_) => details(StatusCode::BAD_GATEWAY, API, "bad_gateway"),
        ModelError::Template { .. } | ModelError::Lost(_) => internal_details(),
    }
}

fn injected_details(error: &InjectedError) -> ErrorDetails {
    match error {
        InjectedError::Refused { status, .. } => {
            let (r#type, code) = type_and_code_of(*status);
            details(ErrorStatus::injected(*status), r#type, code)
        }
        InjectedError::AccountEnded => details(StatusCode::CONFLICT, INVALID, "account_reset"),
    }
}

/// An injected fault looks like the error that its status stands for.
fn type_and_code_of(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => (AUTH, "invalid_api_key"),
        402 => (INVALID, "insufficient_balance"),
        403 => (AUTH, "forbidden"),
        404 => (INVALID, "not_found"),
        405 => (INVALID, "method_not_allowed"),
        408 => (INVALID, "request_timeout"),
        409 => (INVALID, "conflict"),
        413 => (INVALID, "request_too_large"),
        415 => (INVALID, "unsupported_media_type"),
        429 => (LIMIT, "rate_limited"),
        ..500 => (INVALID, "invalid_request"),
        502 => (API, "bad_gateway"),
        503 => (API, "service_unavailable"),
        504 => (API, "gateway_timeout"),
        500.. => (API, "internal_error"),
    }
}

fn code_of(kind: FieldErrorKind) -> &'static str {
    match kind {
        FieldErrorKind::Missing => "missing_required_field",
        FieldErrorKind::WrongType => "invalid_type",
        FieldErrorKind::BadValue => "invalid_value",
        FieldErrorKind::EmptyArray => "empty_array",
        FieldErrorKind::NotAllowed => "not_allowed",
    }
}

impl IntoResponse for RunnerError {
    fn into_response(self) -> Response {
        carrying(self)
    }
}

/// Gives errors their envelope.
pub(crate) fn rendered(style: ErrorStyle, response: Response) -> Response {
    error::rendered(response, |error: &RunnerError| {
        let details = error.details();
        let response = in_envelope(error, &details, style);
        details.status.completed(error, response)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::generation::RenderError;

    #[test]
    fn each_failure_of_a_model_has_its_status_type_and_code() {
        let template = ModelError::Template { rule: "r".to_owned(), source: RenderError::Panicked };
        let failures = [
            (ModelError::RateLimited { retry_after: None }, 429, LIMIT, "rate_limited"),
            (ModelError::TimedOut, 504, API, "gateway_timeout"),
            (ModelError::Refused { reason: "policy".to_owned() }, 400, INVALID, "invalid_request"),
            (ModelError::Broken("reset".into()), 502, API, "bad_gateway"),
            (template, 500, API, "internal_error"),
        ];
        for (failure, status, r#type, code) in failures {
            let internal = status == 500;
            let error = RunnerError::Reply(failure.into());
            let details = error.details();
            assert_eq!((details.r#type, details.code), (r#type, code));
            assert_eq!(details.status.status.as_u16(), status, "{code}");
            assert_eq!(error.to_string() == "internal error", internal, "{error}");
        }
    }
}
