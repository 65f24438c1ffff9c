//! From reasons to types and codes, and the envelopes they travel in (notes.md, "Errors").

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::ErrorStyle;
use crate::app::accounts::SessionWriteError;
use crate::app::auth::AuthError;
use crate::app::conversations::ConversationError;
use crate::app::faults::InjectedError;
use crate::app::generation::{GenerateError, ModelError};
use crate::domain::error::{FieldError, FieldErrorKind, FieldLocation};
use crate::fixtures::ModelLookupError;
use crate::http::response::json::Json;
use crate::http::response::failure::ApiError;

const INVALID: &str = "invalid_request_error";
const AUTH: &str = "auth_error";
const LIMIT: &str = "rate_limit_error";
const API: &str = "api_error";

/// What envelope 1 says: type and code.
type ErrorDetails = (&'static str, &'static str);

fn error_details(failure: &ApiError) -> ErrorDetails {
    match failure {
        ApiError::Field(field) => (INVALID, code_of(field.kind)),
        ApiError::Auth(error) => auth_details(error),
        ApiError::Conversation(error) => conversation_details(error),
        ApiError::Generate(error) => generate_details(error),
        ApiError::Injected(error) => injected_details(error),
        ApiError::BrokenJson { .. } => (INVALID, "invalid_json"),
        ApiError::NotJson => (INVALID, "unsupported_media_type"),
        ApiError::TooLarge { .. } => (INVALID, "request_too_large"),
        ApiError::BodyTooSlow => (INVALID, "request_timeout"),
        ApiError::BodyBroken => (INVALID, "incomplete_body"),
        ApiError::UnknownPath => (INVALID, "not_found"),
        ApiError::WrongMethod => (INVALID, "method_not_allowed"),
        ApiError::RateLimited(_) => (LIMIT, "rate_limited"),
        ApiError::BadHost { .. }
        | ApiError::BadHead
        | ApiError::UriTooLong
        | ApiError::HeadTooLarge => (INVALID, "invalid_request"),
        ApiError::Internal(_)
        | ApiError::Panicked
        // Errors of the Characters API and of the control plane: no handler here returns them.
        | ApiError::AgentsAndImages(_)
        | ApiError::Account(_)
        | ApiError::Snapshot(_)
        | ApiError::UnknownFault(_)
        | ApiError::UnknownRule(_)
        | ApiError::TooManyWatchers(_)
        | ApiError::ControlClosed
        | ApiError::FromElsewhere => (API, "internal_error"),
    }
}

fn auth_details(error: &AuthError) -> ErrorDetails {
    match error {
        AuthError::MissingKey => (AUTH, "missing_api_key"),
        AuthError::UnknownKey => (AUTH, "invalid_api_key"),
        AuthError::ForbiddenDeployment(_) => (AUTH, "deployment_forbidden"),
        AuthError::OriginNotAllowed(_) => (AUTH, "origin_not_allowed"),
        AuthError::UnknownDeployment(_) => (INVALID, "deployment_not_found"),
    }
}

fn conversation_details(error: &ConversationError) -> ErrorDetails {
    match error {
        ConversationError::Auth(error) => auth_details(error),
        ConversationError::UnknownConversation(_) => (INVALID, "conversation_not_found"),
        ConversationError::Internal(_) => (API, "internal_error"),
    }
}

fn generate_details(error: &GenerateError) -> ErrorDetails {
    match error {
        GenerateError::Field(field)
        | GenerateError::ModelLookup(ModelLookupError::OtherKind(field)) => {
            (INVALID, code_of(field.kind))
        }
        GenerateError::ModelLookup(
            ModelLookupError::UnknownLlm(_) | ModelLookupError::UnknownSdModel(_),
        )
        | GenerateError::UnknownAgent(_) => (INVALID, "not_found"),
        GenerateError::UnknownConversation(_) => (INVALID, "conversation_not_found"),
        GenerateError::DeploymentMismatch { .. } => (INVALID, "deployment_mismatch"),
        GenerateError::InsufficientBalance { .. } => (INVALID, "insufficient_balance"),
        GenerateError::Injected(error) => injected_details(error),
        GenerateError::Write(SessionWriteError::AccountEnded) => (INVALID, "account_reset"),
        GenerateError::Model(error) => model_details(error),
        GenerateError::Write(SessionWriteError::Internal(_)) | GenerateError::Internal(_) => {
            (API, "internal_error")
        }
    }
}

fn model_details(error: &ModelError) -> ErrorDetails {
    match error {
        ModelError::RateLimited { .. } => (LIMIT, "rate_limited"),
        ModelError::TimedOut => (API, "gateway_timeout"),
        ModelError::Refused { .. } => (INVALID, "invalid_request"),
        ModelError::Broken(_) => (API, "bad_gateway"),
        ModelError::Template { .. } | ModelError::Lost(_) => (API, "internal_error"),
    }
}

fn injected_details(error: &InjectedError) -> ErrorDetails {
    match error {
        InjectedError::Refused { status } => details_of_status(*status),
        InjectedError::AccountEnded => (INVALID, "account_reset"),
    }
}

/// An injected fault looks like the error that its status stands for.
fn details_of_status(status: u16) -> ErrorDetails {
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

fn code_of(fault: FieldErrorKind) -> &'static str {
    match fault {
        FieldErrorKind::Missing => "missing_required_field",
        FieldErrorKind::WrongType => "invalid_type",
        FieldErrorKind::BadValue => "invalid_value",
        FieldErrorKind::EmptyArray => "empty_array",
        FieldErrorKind::NotAllowed => "not_allowed",
    }
}

/// Gives failures their envelope.
pub(crate) fn rendered(style: ErrorStyle, response: Response) -> Response {
    ApiError::rendered(response, |failure| match style {
        ErrorStyle::OpenAi => open_ai(failure),
        ErrorStyle::FastApi => fast_api(failure),
    })
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    r#type: &'a str,
    message: String,
    param: Option<&'a str>,
    code: &'a str,
}

/// Envelope 1.
fn open_ai(failure: &ApiError) -> Response {
    let (r#type, code) = error_details(failure);
    let param = failure.field().map(|field| field.field.as_str());
    let param = param.filter(|path| !path.is_empty());
    let error = ErrorBody { r#type, message: failure.to_string(), param, code };
    (failure.status(), Json(Envelope { error })).into_response()
}

/// Envelope 2, and envelope 3 for what is wrong with the request's fields.
fn fast_api(failure: &ApiError) -> Response {
    let item = match (failure, failure.field()) {
        (_, Some(field)) => json!({
            "loc": location(field),
            "msg": match field.kind {
                FieldErrorKind::Missing => "field required",
                _ => field.message.as_str(),
            },
            "type": fast_api_type(field.kind),
        }),
        (ApiError::BrokenJson { .. }, None) => json!({
            "loc": ["body"],
            "msg": failure.to_string(),
            "type": "value_error.jsondecode",
        }),
        (_, None) => {
            let body = json!({ "detail": failure.to_string() });
            return (failure.status(), Json(body)).into_response();
        }
    };
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "detail": [item] }))).into_response()
}

fn fast_api_type(fault: FieldErrorKind) -> &'static str {
    match fault {
        FieldErrorKind::Missing => "value_error.missing",
        FieldErrorKind::WrongType => "type_error",
        FieldErrorKind::BadValue => "value_error",
        FieldErrorKind::EmptyArray => "value_error.list.min_items",
        FieldErrorKind::NotAllowed => "value_error.extra",
    }
}

/// `content[1].file_uri` as `["body", "content", 1, "file_uri"]`.
fn location(field: &FieldError) -> Vec<Value> {
    let place = match field.place {
        FieldLocation::Body => "body",
        FieldLocation::Query => "query",
        FieldLocation::Header => "header",
    };
    let mut steps = vec![Value::from(place)];
    for name in field.field.split('.').filter(|name| !name.is_empty()) {
        let mut brackets = name.split('[');
        steps.extend(brackets.next().filter(|name| !name.is_empty()).map(Value::from));
        for index in brackets {
            let index = index.trim_end_matches(']');
            steps.push(index.parse::<u64>().map_or_else(|_| Value::from(index), Value::from));
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::rules::template::RenderError;

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
            let error = ApiError::Generate(failure.into());
            assert_eq!(error_details(&error), (r#type, code));
            assert_eq!(error.status().as_u16(), status, "{code}");
            assert_eq!(error.to_string() == "internal error", internal, "{error}");
        }
    }
}
