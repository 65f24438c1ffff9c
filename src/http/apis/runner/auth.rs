//! Access to the Runner API: `x-api-key`, or the origin of a web page (notes.md, "Authentication").
//! Checked before the body is read.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};

use super::error::RunnerError;
use crate::app::accounts::AccountSession;
use crate::app::auth::ConversationReader;
use crate::app::{Authenticator, Caller};
use crate::domain::{Api, Deployment};
use crate::http::context::RequestContext;
use crate::http::extract::segment;
use crate::http::middleware::fault_injection::check_fault;
use crate::http::middleware::rate_limit::check_rate_limit;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The caller of the deployment in the path.
pub(crate) struct DeploymentAccess(pub(super) Caller);

/// The account of the key.
pub(crate) struct RunnerAccount(pub(super) AccountSession);

/// A reader of a conversation, with a key or without.
pub(crate) struct ReadAccess(pub(super) ConversationReader);

/// The key that a request carries. One that is not text is an unknown key.
pub(crate) fn key(headers: &HeaderMap) -> Option<&str> {
    headers.get(API_KEY).map(|key| key.to_str().unwrap_or_default())
}

impl<S: Send + Sync> FromRequestParts<S> for DeploymentAccess
where
    Authenticator: FromRef<S>,
{
    type Rejection = RunnerError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RunnerError> {
        let id = segment(parts, "deployment_id");
        let RequestContext { authentication, trace, .. } = &**RequestContext::of(&parts.extensions);
        let authenticator = Authenticator::from_ref(state);
        let caller = authenticator.caller(&id, authentication, origin(&parts.headers), trace)?;
        admit(parts, &caller.session, Some(&caller.deployment)).await?;
        Ok(Self(caller))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RunnerAccount {
    type Rejection = RunnerError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, RunnerError> {
        let session = RequestContext::of(&parts.extensions).authentication.session()?.clone();
        admit(parts, &session, None).await?;
        Ok(Self(session))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ReadAccess
where
    Authenticator: FromRef<S>,
{
    type Rejection = RunnerError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RunnerError> {
        let authentication = &RequestContext::of(&parts.extensions).authentication;
        let authenticator = Authenticator::from_ref(state);
        let reader = authenticator.reader(authentication, origin(&parts.headers));
        if let Ok(session) = authentication.session() {
            admit(parts, session, None).await?;
        }
        Ok(Self(reader))
    }
}

/// Attributes the request to the account, counts it against the limit and finds its fault.
async fn admit(
    parts: &Parts,
    session: &AccountSession,
    deployment: Option<&Deployment>,
) -> Result<(), RunnerError> {
    let context = RequestContext::of(&parts.extensions);
    context.bind_account(&session.account());
    check_rate_limit(context, Api::Runner, session)?;
    check_fault(parts, Api::Runner, session, deployment).await
}

/// `Origin`, else `Referer`.
fn origin(headers: &HeaderMap) -> Option<&str> {
    let sent = headers.get(header::ORIGIN).or_else(|| headers.get(header::REFERER))?;
    sent.to_str().ok()
}
