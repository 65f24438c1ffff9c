//! Who may use the control plane.
//!
//! On a loopback address it is open to programs on this machine. Web pages run on this machine,
//! too, and must stay out: so only a loopback `Host` is answered (a page that rebinds its own name
//! sends that name), changes are taken only as `application/json` (a page cannot send that without
//! asking first), and no CORS header ever answers its question.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::domain::Error;
use crate::http::extract::is_json;
use crate::http::failure::Failure;
use crate::http::plain::bearer;

/// Who may use the control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Programs on this machine.
    ThisMachine,
    /// Whoever sends this token.
    Token(Arc<str>),
    /// Whoever reaches the server.
    Anyone,
    /// Nobody.
    Nobody,
}

/// Lets in who may.
pub(super) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let allowed = match &access {
        Access::Anyone => Ok(()),
        Access::ThisMachine if is_loopback(headers) => Ok(()),
        Access::ThisMachine | Access::Nobody => Err(Error::ControlClosed),
        Access::Token(token) => match bearer(headers) {
            Some(sent) if same(sent, token) => Ok(()),
            Some(_) => Err(Error::UnknownKey),
            None => Err(Error::MissingKey),
        },
    };
    if let Err(refusal) = allowed {
        return Failure::Refused(refusal).into_response();
    }
    let changes = ![Method::GET, Method::HEAD, Method::DELETE].contains(request.method());
    if changes && !is_json(headers) {
        return Failure::NotJson.into_response();
    }
    next.run(request).await
}

/// Whether `Host` names this machine and nothing else.
fn is_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<axum::http::uri::Authority>().ok());
    authority.is_some_and(|authority| {
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// Compares in a time that does not tell how much was right.
fn same(sent: &str, token: &str) -> bool {
    let differences = sent.bytes().zip(token.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    sent.len() == token.len() && differences == 0
}
