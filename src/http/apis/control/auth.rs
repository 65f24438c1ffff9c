//! Access to the control plane.
//!
//! On a loopback address it is open to programs on this machine. Web pages run on this machine too and
//! must not reach it: only a loopback `Host` is answered (a page that rebinds its own name sends that
//! name; a proxy may send a loopback `Host`, but names its client), changes are accepted only as
//! `application/json` (which needs a preflight from a page), and no preflight is answered.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequest as _, Request};
use axum::http::Method;

use super::body::{NoFields, OptionalBody};
use super::error::ControlError;
use crate::app::auth::KeyError;
use crate::domain::error::{FieldError, FieldErrorKind, FieldLocation};
use crate::http::context::RequestContext;
use crate::http::extract::is_json;
use crate::http::host::{is_from_elsewhere, is_to_this_machine};
use crate::http::large_bodies::LargeBodies;
use crate::http::response::error::HttpError;
use crate::http::response::plain::bearer;

/// Who may use the control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlAccess {
    /// Programs on this machine.
    ThisMachine,
    /// Clients that send this token.
    Token(Arc<str>),
    /// Every client that reaches the server.
    Anyone,
    /// Nobody.
    Nobody,
}

impl ControlAccess {
    /// The admin token, where access needs one.
    pub fn token(&self) -> Option<&Arc<str>> {
        match self {
            Self::Token(token) => Some(token),
            Self::ThisMachine | Self::Anyone | Self::Nobody => None,
        }
    }
}

/// The routes whose handlers read parameters, with their methods.
const WITH_PARAMETERS: [(Method, &str); 7] = [
    (Method::GET, "/_mynah/accounts/{id}/snapshot"),
    (Method::PUT, "/_mynah/accounts/{id}/snapshot"),
    (Method::POST, "/_mynah/accounts/{id}/replies"),
    (Method::POST, "/_mynah/accounts/{id}/replies/queue"),
    (Method::GET, "/_mynah/accounts/{id}/requests"),
    (Method::GET, "/_mynah/accounts/{id}/requests/wait"),
    (Method::GET, "/_mynah/accounts/{id}/requests/stream"),
];

/// Refuses requests without access, and those with parts that no handler would read.
pub(crate) async fn guard(
    access: &ControlAccess,
    large: &LargeBodies,
    request: Request,
) -> Result<Request, ControlError> {
    check_access(access, &request)?;
    check_parts(&request)?;
    without_body(request, large).await
}

fn check_access(access: &ControlAccess, request: &Request) -> Result<(), ControlError> {
    let headers = request.headers();
    match access {
        ControlAccess::ThisMachine if !is_to_this_machine(request.uri(), headers) => {
            Err(ControlError::Closed)
        }
        ControlAccess::ThisMachine if is_from_elsewhere(headers) => {
            Err(ControlError::FromElsewhere)
        }
        ControlAccess::ThisMachine | ControlAccess::Anyone => Ok(()),
        ControlAccess::Nobody => Err(ControlError::Closed),
        ControlAccess::Token(token) => match bearer(headers) {
            Some(sent) if are_equal(sent, token) => Ok(()),
            Some(_) => Err(KeyError::Unknown.into()),
            None => Err(KeyError::Missing.into()),
        },
    }
}

fn takes_body(method: &Method) -> bool {
    ![Method::GET, Method::HEAD, Method::DELETE].contains(method)
}

/// `request` without its body, if its method takes none. The body must be an object without fields: one
/// that was meant to restrict a `DELETE` would be ignored, and more be deleted.
async fn without_body(request: Request, large: &LargeBodies) -> Result<Request, ControlError> {
    if takes_body(request.method()) || request.body().is_end_stream() {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let read = Request::from_parts(parts.clone(), body);
    let OptionalBody(NoFields {}) = OptionalBody::from_request(read, large).await?;
    Ok(Request::from_parts(parts, Body::empty()))
}

/// Refuses bodies that are not JSON, and parameters that no handler reads.
fn check_parts(request: &Request) -> Result<(), ControlError> {
    let method = request.method();
    if takes_body(method) && !is_json(request.headers()) {
        return Err(HttpError::NotJson.into());
    }
    let context = RequestContext::of(request.extensions());
    let takes_parameters =
        WITH_PARAMETERS.iter().any(|(its, route)| its == method && context.route == Some(route));
    let query = request.uri().query().unwrap_or_default();
    match form_urlencoded::parse(query.as_bytes()).next() {
        Some((name, _)) if !takes_parameters => {
            let message = format!("there is no parameter {name}");
            let field = FieldError::new(name, FieldErrorKind::NotAllowed, message);
            Err(field.in_the(FieldLocation::Query).into())
        }
        Some(_) | None => Ok(()),
    }
}

/// Compares in constant time.
fn are_equal(sent: &str, token: &str) -> bool {
    let differences = sent.bytes().zip(token.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    sent.len() == token.len() && differences == 0
}
