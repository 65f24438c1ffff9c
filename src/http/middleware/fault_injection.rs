//! Injected faults (docs/control.md, "Faults").
//!
//! [`check_fault`] finds the fault of a request as soon as its account is known and its limits have
//! admitted it, before its body is read: delays and refusals happen there. [`apply_fault`] changes the
//! response.

mod body;

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use crate::app::accounts::AccountSession;
use crate::app::faults::{self, AttachedFaults, InjectedError};
use crate::domain::error::FieldError;
use crate::domain::fault_rule::{ConnectionDrop, Fault, FaultAction, FaultContext};
use crate::domain::{Api, Deployment};
use crate::http::context::RequestContext;
use crate::http::response::account_end::break_at_account_end;

/// Finds the fault of a request to `api`, and to `deployment` if there is one; applies its delay and its
/// refusal.
pub(crate) async fn check_fault<E>(
    parts: &Parts,
    api: Api,
    session: &AccountSession,
    deployment: Option<&Deployment>,
) -> Result<(), E>
where
    E: From<FieldError> + From<InjectedError>,
{
    let context = RequestContext::of(&parts.extensions);
    let route = context.taken_route();
    let (path, method) = (parts.uri.path(), parts.method.as_str());
    let request = FaultContext { api, route, path, method };
    let epoch = session.epoch();
    let fault = if let Some(requested) = &context.requested_fault {
        Some(requested.fault(request.streamed())?)
    } else {
        let attached = deployment.map_or(AttachedFaults { owner: "", faults: &[] }, |deployment| {
            AttachedFaults { owner: deployment.id.as_str(), faults: &deployment.faults }
        });
        epoch.faults.choose(&request, attached, &session.clock, epoch.ids.random())
    };
    let Some(fault) = fault else { return Ok(()) };
    Ok(faults::delay_or_refuse(fault, &session.clock, session.epoch().ended(), &context.trace)
        .await?)
}

/// Applies the request's fault to its response. A stream, with a fault or without, breaks off when its
/// account is reset or removed.
pub(crate) async fn apply_fault(response: Response, context: &RequestContext) -> Response {
    let response = match context.trace.fault() {
        None => response,
        Some(fault) => with_fault(response, fault, context).await,
    };
    break_at_account_end(response)
}

async fn with_fault(mut response: Response, fault: &Fault, context: &RequestContext) -> Response {
    let streamed = response.body().size_hint().exact().is_none();
    // Only answers are changed, not refusals for another reason.
    let answered = response.status().is_success();
    match &fault.action {
        FaultAction::DelayOnly => {}
        FaultAction::Refuse { status, retry_after, .. } => {
            let refused = response.status().as_u16() == *status;
            if let Some(seconds) = retry_after.filter(|_| refused) {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
        }
        FaultAction::Drop(ConnectionDrop::AfterCommit) if !answered => {}
        FaultAction::Drop(ConnectionDrop::AfterCommit) if streamed => {
            return response.map(body::without_end);
        }
        FaultAction::Drop(_) => context.connection.cut(),
        FaultAction::CorruptBody(_) if streamed || !answered => {}
        FaultAction::CorruptBody(how) => return body::corrupted(response, *how).await,
        FaultAction::SetContentType(value) => {
            if let (true, Ok(value)) = (answered, HeaderValue::from_str(value)) {
                response.headers_mut().insert(header::CONTENT_TYPE, value);
            }
        }
        FaultAction::Stream(action) => {
            if let (true, Some(account)) = (streamed && answered, context.account()) {
                let clock = Arc::clone(&account.clock);
                let trace = Arc::clone(&context.trace);
                return response
                    .map(|stream| body::with_stream_fault(stream, *action, clock, trace));
            }
        }
    }
    response
}
