//! The error envelopes of the Runner API (notes.md, "Errors").

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::{ErrorDetails, RunnerError};
use crate::app::faults::InjectedError;
use crate::app::generation::FirstMessageError;
use crate::domain::error::{FieldError, FieldErrorKind, FieldLocation};
use crate::domain::fault_rule::ErrorEnvelope;
use crate::http::apis::runner::ErrorStyle;
use crate::http::response::error::HttpError;
use crate::http::response::json::Json;

/// The response with `error` in the envelope that its fault sets, else in that of `style`.
pub(super) fn in_envelope(
    error: &RunnerError,
    details: &ErrorDetails,
    style: ErrorStyle,
) -> Response {
    match envelope(error, style) {
        ErrorEnvelope::OpenAi => open_ai(error, details),
        ErrorEnvelope::FastApi => fast_api(error, details),
        ErrorEnvelope::DetailObject => detail_object(error, details),
    }
}

fn envelope(error: &RunnerError, style: ErrorStyle) -> ErrorEnvelope {
    match (error, style) {
        (RunnerError::Injected(InjectedError::Refused { envelope: Some(envelope), .. }), _) => {
            *envelope
        }
        (_, ErrorStyle::OpenAi) => ErrorEnvelope::OpenAi,
        (_, ErrorStyle::FastApi) => ErrorEnvelope::FastApi,
    }
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
fn open_ai(error: &RunnerError, details: &ErrorDetails) -> Response {
    let ErrorDetails { status, r#type, code } = details;
    let param = match error {
        RunnerError::Http(HttpError::Field(wrong)) if !wrong.field.is_empty() => {
            Some(wrong.field.as_str())
        }
        RunnerError::Start(FirstMessageError::ExpiredTrigger(_)) => Some("trigger_id"),
        _ => None,
    };
    let error = ErrorBody { r#type, message: error.to_string(), param, code };
    (status.status, Json(Envelope { error })).into_response()
}

/// Envelope 3 for an invalid body or field, envelope 2 for all other errors.
fn fast_api(error: &RunnerError, details: &ErrorDetails) -> Response {
    let item = match error {
        RunnerError::Http(HttpError::Field(wrong)) => json!({
            "loc": location(wrong),
            "msg": match wrong.kind {
                FieldErrorKind::Missing => "field required",
                _ => wrong.message.as_str(),
            },
            "type": fast_api_type(wrong.kind),
        }),
        RunnerError::Http(broken @ HttpError::BrokenJson { .. }) => json!({
            "loc": ["body"],
            "msg": broken.to_string(),
            "type": "value_error.jsondecode",
        }),
        error => {
            let body = json!({ "detail": error.to_string() });
            return (details.status.status, Json(body)).into_response();
        }
    };
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "detail": [item] }))).into_response()
}

/// Envelope 4, which only faults use.
fn detail_object(error: &RunnerError, details: &ErrorDetails) -> Response {
    let ErrorDetails { status, r#type, code } = details;
    let detail = json!({ "message": error.to_string(), "code": code, "type": r#type });
    (status.status, Json(json!({ "detail": detail }))).into_response()
}

fn fast_api_type(kind: FieldErrorKind) -> &'static str {
    match kind {
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
