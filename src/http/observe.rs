//! The outermost layer: every request's id and its line in the log.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::scope::Scope;
use crate::clock::Stopwatch;
use crate::ids::{Minter, RequestId};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers with `x-request-id` and the limiter's verdict, and writes one line a request: never a
/// key or a body.
pub(super) async fn observe(
    State(strangers): State<Arc<Minter>>,
    mut request: Request,
    next: Next,
) -> Response {
    let stopwatch = Stopwatch::start();
    let scope = Scope::new(clients_own_id(&request));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(scope.clone());
    let mut response = next.run(request).await;
    add_headers(&scope, &strangers, &mut response);
    tracing::info!(
        %method,
        route = route.as_ref().map_or("-", MatchedPath::as_str),
        status = response.status().as_u16(),
        latency_us = u64::try_from(stopwatch.elapsed().as_micros()).unwrap_or(u64::MAX),
        account = scope.account().map_or("-", |account| account.as_str()),
        request_id = scope.id(&strangers).as_str(),
    );
    response
}

/// The client's own request id: 1–128 visible ASCII characters.
fn clients_own_id(request: &Request) -> Option<RequestId> {
    const LONGEST: usize = 128;
    let sent = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let visible = sent.bytes().all(|byte| byte.is_ascii_graphic());
    (visible && (1..=LONGEST).contains(&sent.len())).then(|| RequestId::from(sent))
}

fn add_headers(scope: &Scope, strangers: &Minter, response: &mut Response) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(scope.id(strangers).as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(verdict) = scope.verdict() {
        headers.insert("x-ratelimit-limit", verdict.limit.into());
        headers.insert("x-ratelimit-remaining", verdict.remaining.into());
        headers.insert("x-ratelimit-reset", verdict.window_ends.into());
        if !verdict.admitted {
            headers.insert(header::RETRY_AFTER, verdict.seconds_left.into());
        }
    }
}
