//! The limit of an account's plan.

use crate::app::accounts::AccountSession;
use crate::domain::Api;
use crate::http::context::RequestContext;
use crate::http::response::error::HttpError;

/// Counts the request against the limit that the account's plan has for `api`, if it has one, and
/// refuses a request beyond the limit. The verdict goes into the response's headers.
pub(crate) fn check_rate_limit(
    context: &RequestContext,
    api: Api,
    session: &AccountSession,
) -> Result<(), HttpError> {
    let Some(verdict) = session.admit(api) else { return Ok(()) };
    context.set_rate_limit(verdict);
    Ok(verdict.outcome()?)
}
