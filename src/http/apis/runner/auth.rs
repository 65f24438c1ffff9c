//! Who calls the Runner API: `x-api-key`, or the origin of a web page (notes.md,
//! "Authentication"). Checked before the body is read.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};

use crate::app::accounts::AccountSession;
use crate::app::auth::ConversationReader;
use crate::app::{AccountState, Authenticator, Caller};
use crate::domain::{Api, Deployment};
use crate::http::context::RequestContext;
use crate::http::extract::segment;
use crate::http::middleware::fault_injection;
use crate::http::response::failure::ApiError;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The caller of the deployment in the path.
pub(crate) struct DeploymentAccess(pub(super) Caller);

/// The account of the key.
pub(crate) struct RunnerAccount(pub(super) Arc<AccountState>);

/// Someone who wants to read a conversation, with a key or without.
pub(crate) struct ReadAccess(pub(super) ConversationReader);

/// Whose key was sent, if it is a known one: even a refused request is that account's.
pub(crate) fn attribute(access: &Authenticator, request: &Request) {
    if let Ok(account) = access.account(key(request.headers())) {
        RequestContext::of(request.extensions()).bind_account(&account);
    }
}

impl<S: Send + Sync> FromRequestParts<S> for DeploymentAccess
where
    Authenticator: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let id = segment(parts, state, "deployment_id").await;
        let headers = &parts.headers;
        let (access, scope) =
            (Authenticator::from_ref(state), RequestContext::of(&parts.extensions));
        let caller = access.caller(&id, key(headers), origin(headers), scope.trace())?;
        admit(parts, &caller.session, Some(&caller.deployment)).await?;
        Ok(Self(caller))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RunnerAccount
where
    Authenticator: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let account = Authenticator::from_ref(state).account(key(&parts.headers))?;
        let session = AccountSession::new(
            Arc::clone(&account),
            RequestContext::of(&parts.extensions).trace(),
        );
        admit(parts, &session, None).await?;
        Ok(Self(account))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ReadAccess
where
    Authenticator: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let headers = &parts.headers;
        let reader = Authenticator::from_ref(state).reader(key(headers), origin(headers));
        if let Some(account) = &reader.account {
            let session = AccountSession::new(
                Arc::clone(account),
                RequestContext::of(&parts.extensions).trace(),
            );
            admit(parts, &session, None).await?;
        }
        Ok(Self(reader))
    }
}

/// The request is that of `visit`'s account, counts against its limit where its plan has one, and meets its faults.
async fn admit(
    parts: &Parts,
    session: &AccountSession,
    deployment: Option<&Deployment>,
) -> Result<(), ApiError> {
    let scope = RequestContext::of(&parts.extensions);
    scope.bind_account(&session.account());
    if let Some(verdict) = session.admit(Api::Runner) {
        scope.set_rate_limit(verdict);
        verdict.outcome()?;
    }
    fault_injection::check_fault(parts, Api::Runner, session, deployment).await
}

fn key(headers: &HeaderMap) -> Option<&str> {
    // A key that is no text is a key all the same, and an unknown one.
    headers.get(API_KEY).map(|key| key.to_str().unwrap_or_default())
}

/// `Origin`, else `Referer`.
fn origin(headers: &HeaderMap) -> Option<&str> {
    let sent = headers.get(header::ORIGIN).or_else(|| headers.get(header::REFERER))?;
    sent.to_str().ok()
}
