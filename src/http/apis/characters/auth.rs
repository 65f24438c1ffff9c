//! Access to the Characters API: `Authorization: Bearer …`.
//!
//! The limit's headers are on every answer to a known key, so the pipeline counts requests before it
//! calls a handler. Handlers take the [`CharactersAccount`].

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::error::CharactersError;
use crate::app::accounts::AccountSession;
use crate::domain::Api;
use crate::http::context::RequestContext;
use crate::http::middleware::fault_injection::check_fault;
use crate::http::response::plain::bearer;

/// The account of the key, after the request's fault was found. Checked before the body is read.
pub(crate) struct CharactersAccount(pub(super) AccountSession);

/// The key that a request carries.
pub(crate) fn key(headers: &HeaderMap) -> Option<&str> {
    bearer(headers)
}

impl<S: Sync> FromRequestParts<S> for CharactersAccount {
    type Rejection = CharactersError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CharactersError> {
        let session = RequestContext::of(&parts.extensions).authentication.session()?.clone();
        check_fault::<CharactersError>(parts, Api::Characters, &session, None).await?;
        Ok(Self(session))
    }
}
