//! The outermost layer: every request's id, its line in the log and its entry in the journal.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, Utc};

use super::journal::Recording;
use super::scope::Scope;
use crate::clock::Stopwatch;
use crate::ids::{AccountId, Minter, RequestId};

/// What `X-RateLimit-Reset` tells: the documents do not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetStyle {
    /// The Unix time, in seconds, at which the window ends.
    Unix,
    /// The seconds until the window ends.
    Delta,
}

/// What the layer needs.
#[derive(Debug, Clone)]
pub struct Observer {
    /// Ids for requests that no account is known for.
    strangers: Arc<Minter>,
    reset: ResetStyle,
}

impl Observer {
    /// An observer that draws ids from `seed`.
    pub fn new(seed: u64, reset: ResetStyle) -> Self {
        Self { strangers: Arc::new(Minter::new(seed, &AccountId::from(""))), reset }
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers with `x-request-id` and the limiter's verdict, and writes one line a request: never a
/// key or a body. The account's journal is told what the client is.
pub(super) async fn observe(
    State(observer): State<Observer>,
    mut request: Request,
    next: Next,
) -> Response {
    let stopwatch = Stopwatch::start();
    let scope = Scope::new(clients_own_id(&request));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(scope.clone());
    let recording = Recording::begin(&request, &scope, stopwatch);
    let mut response = next.run(request).await;
    let strangers = &observer.strangers;
    add_headers(&scope, strangers, observer.reset, &mut response);
    tracing::info!(
        %method,
        route = route.as_ref().map_or("-", MatchedPath::as_str),
        status = response.status().as_u16(),
        latency_us = u64::try_from(stopwatch.elapsed().as_micros()).unwrap_or(u64::MAX),
        account = scope.world().map_or("-", |world| world.id.as_str()),
        request_id = scope.id(strangers).as_str(),
    );
    match recording {
        Some(recording) => recording.answered(response),
        None => response,
    }
}

/// The client's own request id: 1–128 visible ASCII characters.
fn clients_own_id(request: &Request) -> Option<RequestId> {
    const LONGEST: usize = 128;
    let sent = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let visible = sent.bytes().all(|byte| byte.is_ascii_graphic());
    (visible && (1..=LONGEST).contains(&sent.len())).then(|| RequestId::from(sent))
}

fn add_headers(scope: &Scope, strangers: &Minter, reset: ResetStyle, response: &mut Response) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(scope.id(strangers).as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    // On a clock of its own an account's answers are dated by it, so that a client can set the
    // limiter's times against it.
    if let Some(now) = scope.world().and_then(|world| world.clock.now_if_not_the_systems())
        && let Ok(date) = HeaderValue::from_str(&http_date(now))
    {
        headers.insert(header::DATE, date);
    }
    if let Some(verdict) = scope.verdict() {
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
