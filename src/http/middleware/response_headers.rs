//! Headers of every response: the request's id, the account's date and the limit of its plan.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use chrono::{DateTime, Utc};

use crate::http::context::RequestContext;
use crate::http::secrets::Secrets;
use crate::ids::RequestId;

/// The content of `X-RateLimit-Reset`, which the API documents leave open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetStyle {
    /// The Unix time, in seconds, at which the window ends.
    Unix,
    /// The seconds until the window ends.
    Delta,
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id that the client sent: 1–128 visible ASCII characters with no secret among them.
pub(crate) fn client_id(headers: &HeaderMap, secrets: &Secrets) -> Option<RequestId> {
    const LONGEST: usize = 128;
    let sent = headers.get(REQUEST_ID)?.to_str().ok()?;
    let visible = sent.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = visible && (1..=LONGEST).contains(&sent.len());
    (fits && !secrets.are_in(sent)).then(|| RequestId::from(sent))
}

pub(super) fn add_headers(context: &RequestContext, reset: ResetStyle, response: &mut Response) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(context.id().as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    // An account with its own clock dates its answers by it, so that clients can compare the limit's
    // times with it.
    if let Some(now) = context.account().and_then(|account| account.clock.now_if_not_the_systems())
        && let Ok(date) = HeaderValue::from_str(&http_date(now))
    {
        headers.insert(header::DATE, date);
    }
    if let Some(verdict) = context.rate_limit() {
        headers.insert("x-ratelimit-limit", verdict.limit.into());
        headers.insert("x-ratelimit-remaining", verdict.remaining.into());
        let reset = match reset {
            ResetStyle::Unix => verdict.window_ends.into(),
            ResetStyle::Delta => verdict.seconds_left.into(),
        };
        headers.insert("x-ratelimit-reset", reset);
        if !verdict.admitted {
            headers.insert(header::RETRY_AFTER, verdict.seconds_left.into());
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
