//! Faults on the wire (docs/control.md, "Faults").
//!
//! A request [`meet`]s its fault as soon as its account is known and its limits have let it
//! through, before its body is read: delays and refusals happen there. What befalls the answer
//! happens in [`befall`], around both rooms. [`Line`] is how a connection is dropped
//! (`app/connections`).

mod body;
mod demand;

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use self::demand::RequestedFault;
use crate::app::accounts::AccountSession;
use crate::app::faults::{self, AttachedFaults};
use crate::domain::fault_rule::{ConnectionDrop, Fault, FaultAction, FaultContext};
use crate::domain::{Api, Deployment};
use crate::http::context::RequestContext;
use crate::http::response::account_end::breaking_off;
use crate::http::response::failure::ApiError;

/// Whether a request may ask for its own fault in the header `x-mynah-fault`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultHeader {
    /// It may.
    Obeyed,
    /// The header means nothing.
    Ignored,
}

/// Lets the request of `visit`, and to the deployment if there is one, meet its fault: waits, and
/// refuses.
pub(crate) async fn check_fault(
    parts: &Parts,
    api: Api,
    session: &AccountSession,
    deployment: Option<&Deployment>,
) -> Result<(), ApiError> {
    let scope = RequestContext::of(&parts.extensions);
    let route = scope.route().unwrap_or_default();
    let (path, method) = (parts.uri.path(), parts.method.as_str());
    let asked = FaultContext { api, route, path, method };
    let epoch = session.epoch();
    let fault = if let Some(demand) = parts.extensions.get::<RequestedFault>() {
        Some(demand.fault(asked.streamed())?)
    } else {
        let carried = deployment.map_or(AttachedFaults { by: "", rules: &[] }, |deployment| {
            AttachedFaults { by: deployment.id.as_str(), rules: &deployment.faults }
        });
        epoch.faults.met(&asked, carried, &session.clock, epoch.ids.draw())
    };
    let Some(fault) = fault else { return Ok(()) };
    Ok(faults::begin(fault, session, scope.trace()).await?)
}

/// Sees whether a request asks for its own fault.
pub(crate) fn ask(header: FaultHeader, request: &mut Request) {
    if header == FaultHeader::Obeyed
        && let Some(demand) = RequestedFault::of(request.headers())
    {
        request.extensions_mut().insert(demand);
    }
}

/// Around both rooms: does to an answer what the request's fault says. A stream, however it is done
/// to, breaks off when its account ends.
pub(crate) async fn apply_fault(response: Response, scope: &RequestContext) -> Response {
    let response = match scope.trace().fault() {
        None => response,
        Some(fault) => done_to(response, fault, scope).await,
    };
    breaking_off(response)
}

async fn done_to(mut response: Response, fault: &Fault, scope: &RequestContext) -> Response {
    let streamed = response.body().size_hint().exact().is_none();
    // What is refused for another reason was not answered: there is nothing to spoil.
    let answered = response.status().is_success();
    match &fault.act {
        FaultAction::Wait => {}
        FaultAction::Refuse { status, retry_after } => {
            let refused = response.status().as_u16() == *status;
            if let Some(seconds) = retry_after.filter(|_| refused) {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
        }
        FaultAction::Drop(ConnectionDrop::AfterCommit) if !answered => {}
        FaultAction::Drop(ConnectionDrop::AfterCommit) if streamed => {
            return response.map(body::without_its_end);
        }
        FaultAction::Drop(_) => scope.connection().cut(),
        FaultAction::Spoil(_) if streamed || !answered => {}
        FaultAction::Spoil(how) => return body::corrupted(response, *how).await,
        FaultAction::Mistype(sent) => {
            if let (true, Ok(sent)) = (answered, HeaderValue::from_str(sent)) {
                response.headers_mut().insert(header::CONTENT_TYPE, sent);
            }
        }
        FaultAction::Stream(act) => {
            if let (true, Some(account)) = (streamed && answered, scope.account()) {
                let clock = Arc::clone(&account.clock);
                let notes = Arc::clone(scope.trace());
                return response.map(|words| body::interfered(words, *act, clock, notes));
            }
        }
    }
    response
}
