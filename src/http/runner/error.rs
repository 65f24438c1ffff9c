//! From reasons to statuses, types and codes, and the envelopes they travel in (notes.md,
//! "Errors").

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::ErrorStyle;
use crate::domain::Error as Refusal;
use crate::domain::error::{Fault, FieldError, Place};
use crate::http::extract::Json;
use crate::http::failure::Failure;

const INVALID: &str = "invalid_request_error";
const AUTH: &str = "auth_error";
const LIMIT: &str = "rate_limit_error";
const API: &str = "api_error";

/// What envelope 1 says, and with which status.
struct Told {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    field: Option<FieldError>,
}

impl Told {
    fn new(status: StatusCode, kind: &'static str, code: &'static str) -> Self {
        Self { status, kind, code: Some(code), field: None }
    }
}

fn told(failure: &Failure) -> Told {
    use StatusCode as Status;
    match failure {
        Failure::Refused(refusal) => told_refusal(refusal),
        Failure::BrokenJson { .. } => Told::new(Status::BAD_REQUEST, INVALID, "invalid_json"),
        Failure::NotJson => {
            Told::new(Status::UNSUPPORTED_MEDIA_TYPE, INVALID, "unsupported_media_type")
        }
        Failure::TooLarge { .. } => {
            Told::new(Status::PAYLOAD_TOO_LARGE, INVALID, "request_too_large")
        }
        Failure::BodyTooSlow => Told::new(Status::REQUEST_TIMEOUT, INVALID, "request_timeout"),
        Failure::BodyBroken => Told::new(Status::BAD_REQUEST, INVALID, "incomplete_body"),
        Failure::NoSuchPath => Told::new(Status::NOT_FOUND, INVALID, "not_found"),
        Failure::WrongMethod => {
            Told::new(Status::METHOD_NOT_ALLOWED, INVALID, "method_not_allowed")
        }
        Failure::Panicked => Told::new(Status::INTERNAL_SERVER_ERROR, API, "internal_error"),
    }
}

fn told_refusal(refusal: &Refusal) -> Told {
    use StatusCode as Status;
    match refusal {
        Refusal::Field(field) => Told {
            field: Some(field.clone()),
            ..Told::new(Status::BAD_REQUEST, INVALID, code_of(field.fault))
        },
        Refusal::MissingKey => Told::new(Status::UNAUTHORIZED, AUTH, "missing_api_key"),
        Refusal::UnknownKey => Told::new(Status::UNAUTHORIZED, AUTH, "invalid_api_key"),
        Refusal::ForbiddenDeployment(_) => {
            Told::new(Status::FORBIDDEN, AUTH, "deployment_forbidden")
        }
        Refusal::OriginNotAllowed(_) => Told::new(Status::FORBIDDEN, AUTH, "origin_not_allowed"),
        Refusal::UnknownDeployment(_) => {
            Told::new(Status::NOT_FOUND, INVALID, "deployment_not_found")
        }
        Refusal::UnknownConversation(_) => {
            Told::new(Status::NOT_FOUND, INVALID, "conversation_not_found")
        }
        // The other rooms' reasons, which nothing here gives.
        Refusal::ControlClosed => Told::new(Status::FORBIDDEN, AUTH, "forbidden"),
        Refusal::UnknownLlm(_)
        | Refusal::UnknownSdModel(_)
        | Refusal::UnknownAgent(_)
        | Refusal::UnknownPicture(_)
        | Refusal::UnknownAccount(_)
        | Refusal::UnknownRule(_)
        | Refusal::UnknownFault(_) => Told::new(Status::NOT_FOUND, INVALID, "not_found"),
        Refusal::InsufficientBalance { .. } => {
            Told::new(Status::PAYMENT_REQUIRED, INVALID, "insufficient_balance")
        }
        Refusal::WorldEnded | Refusal::FixtureAccount(_) => {
            Told::new(Status::CONFLICT, INVALID, "account_reset")
        }
        Refusal::DeploymentMismatch { .. } => {
            Told::new(Status::CONFLICT, INVALID, "deployment_mismatch")
        }
        Refusal::RateLimited { .. } => Told::new(Status::TOO_MANY_REQUESTS, LIMIT, "rate_limited"),
        Refusal::Internal(_) => Told::new(Status::INTERNAL_SERVER_ERROR, API, "internal_error"),
        Refusal::Injected { status } => told_injected(*status),
    }
}

/// A fault looks like the failure that its status stands for.
fn told_injected(status: u16) -> Told {
    let (kind, code) = match status {
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
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Told::new(status, kind, code)
}

fn code_of(fault: Fault) -> &'static str {
    match fault {
        Fault::Missing => "missing_required_field",
        Fault::WrongType => "invalid_type",
        Fault::BadValue => "invalid_value",
        Fault::EmptyArray => "empty_array",
        Fault::NotAllowed => "not_allowed",
    }
}

/// The room's outermost layer: gives failures their envelope.
pub(super) async fn render(
    State(style): State<ErrorStyle>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let Some(failure) = Failure::taken_from(&mut response) else {
        return response;
    };
    failure.log();
    let told = told(&failure);
    let mut rendered = match style {
        ErrorStyle::OpenAi => open_ai(&told, &failure),
        ErrorStyle::FastApi => fast_api(&told, &failure),
    };
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        rendered.headers_mut().insert(header::ALLOW, allow);
    }
    rendered
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
    code: Option<&'a str>,
}

/// Envelope 1.
fn open_ai(told: &Told, failure: &Failure) -> Response {
    let param = told.field.as_ref().map(|field| field.field.as_str());
    let error = ErrorBody {
        r#type: told.kind,
        message: failure.to_string(),
        param: param.filter(|path| !path.is_empty()),
        code: told.code,
    };
    (told.status, Json(Envelope { error })).into_response()
}

/// Envelope 2, and envelope 3 for what is wrong with the request's fields.
fn fast_api(told: &Told, failure: &Failure) -> Response {
    let item = match (failure, &told.field) {
        (_, Some(field)) => json!({
            "loc": location(field),
            "msg": if field.fault == Fault::Missing { "field required" } else { &field.message },
            "type": fast_api_type(field.fault),
        }),
        (Failure::BrokenJson { .. }, None) => json!({
            "loc": ["body"],
            "msg": failure.to_string(),
            "type": "value_error.jsondecode",
        }),
        (_, None) => {
            let body = json!({ "detail": failure.to_string() });
            return (told.status, Json(body)).into_response();
        }
    };
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "detail": [item] }))).into_response()
}

fn fast_api_type(fault: Fault) -> &'static str {
    match fault {
        Fault::Missing => "value_error.missing",
        Fault::WrongType => "type_error",
        Fault::BadValue => "value_error",
        Fault::EmptyArray => "value_error.list.min_items",
        Fault::NotAllowed => "value_error.extra",
    }
}

/// `content[1].file_uri` as `["body", "content", 1, "file_uri"]`.
fn location(field: &FieldError) -> Vec<Value> {
    let place = match field.place {
        Place::Body => "body",
        Place::Query => "query",
        Place::Header => "header",
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
