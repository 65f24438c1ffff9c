//! Who calls the Characters API: `Authorization: Bearer …`, and the plan's limit.
//!
//! The limit's headers stand on every answer to a known key, whatever becomes of the request, so
//! requests are counted before any handler is asked; handlers ask for the [`Account`] that was
//! found.

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;

use crate::app::Authenticator;
use crate::app::accounts::AccountSession;
use crate::domain::{Api, Error};
use crate::http::context::RequestContext;
use crate::http::middleware::fault_injection;
use crate::http::response::failure::ApiError;
use crate::http::response::plain::bearer;

/// The account of the key, once its faults are met. Checked before the body is read.
pub(crate) struct CharactersAccount(pub(super) AccountSession);

/// What was found out about the key.
#[derive(Clone)]
enum KeyLookup {
    Account(AccountSession),
    NoKey,
    UnknownKey,
}

/// Finds the account, counts the request against its limit, and refuses what goes beyond.
pub(crate) fn count(access: &Authenticator, request: &mut Request) -> Result<(), ApiError> {
    let scope = RequestContext::of(request.extensions());
    let found = match access.account(bearer(request.headers())) {
        Ok(account) => {
            scope.bind_account(&account);
            let session = AccountSession::new(account, scope.trace());
            if let Some(verdict) = session.admit(Api::Characters) {
                scope.set_rate_limit(verdict);
                verdict.outcome()?;
            }
            KeyLookup::Account(session)
        }
        Err(Error::MissingKey) => KeyLookup::NoKey,
        Err(_) => KeyLookup::UnknownKey,
    };
    request.extensions_mut().insert(found);
    Ok(())
}

impl<S: Sync> FromRequestParts<S> for CharactersAccount {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.extensions.get::<KeyLookup>() {
            Some(KeyLookup::Account(session)) => {
                let session = session.clone();
                fault_injection::check_fault(parts, Api::Characters, &session, None).await?;
                Ok(Self(session))
            }
            Some(KeyLookup::UnknownKey) => Err(Error::UnknownKey.into()),
            Some(KeyLookup::NoKey) | None => Err(Error::MissingKey.into()),
        }
    }
}
