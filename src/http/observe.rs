//! The outermost layer: every request's id, its line in the log and its entry in the journal.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use chrono::{DateTime, Utc};

use super::journal::Recording;
use super::metrics::Metrics;
use super::scope::Scope;
use super::stream::IsStream;
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
    metrics: Metrics,
}

impl Observer {
    /// An observer that draws ids from `seed`, and counts in `metrics`.
    pub fn new(seed: u64, reset: ResetStyle, metrics: Metrics) -> Self {
        Self { strangers: Arc::new(Minter::new(seed, &AccountId::from(""))), reset, metrics }
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a request whose client left before its answer is logged as, as nginx does.
const CLIENT_LEFT: u16 = 499;

/// A request that is being answered. Its answer gets `x-request-id` and the limiter's verdict, and
/// the log one line: never a key or a body. The account's journal is told what the client is.
pub(super) struct Observed<'a> {
    line: Line<'a>,
    recording: Option<Recording>,
}

impl<'a> Observed<'a> {
    /// A request that came just now.
    pub(super) fn begin(observer: &'a Observer, scope: &Scope, request: &Request) -> Self {
        if let Some(id) = clients_own_id(request) {
            scope.named(id);
        }
        let line = Line {
            stopwatch: Stopwatch::start(),
            method: request.method().clone(),
            scope: scope.clone(),
            observer,
            status: CLIENT_LEFT,
            latency: None,
        };
        let recording = Recording::begin(request, scope, line.stopwatch);
        Self { line, recording }
    }

    /// Its answer, on its way out.
    pub(super) fn answered(self, mut response: Response) -> Response {
        let Self { mut line, recording } = self;
        let latency = line.stopwatch.elapsed();
        (line.status, line.latency) = (response.status().as_u16(), Some(latency));
        let Observer { strangers, reset, metrics } = line.observer;
        add_headers(&line.scope, strangers, *reset, &mut response);
        if response.extensions_mut().remove::<IsStream>().is_some() {
            response = response.map(|stream| metrics.while_open(stream));
        }
        match recording {
            Some(recording) => recording.answered(response, latency),
            None => response,
        }
    }
}

/// One request's line in the log. It is written when it is dropped: the server drops what a client
/// has waited for, too, when that client leaves.
struct Line<'a> {
    stopwatch: Stopwatch,
    method: Method,
    scope: Scope,
    observer: &'a Observer,
    status: u16,
    /// Until the answer's head was there.
    latency: Option<Duration>,
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let latency = self.latency.unwrap_or_else(|| self.stopwatch.elapsed());
        let route = self.scope.route().unwrap_or("-");
        let Observer { strangers, metrics, .. } = self.observer;
        metrics.answered(&self.method, route, self.status, latency);
        tracing::info!(
            method = %self.method,
            route,
            status = self.status,
            latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX),
            fault = self.scope.notes().fault().map_or("-", |fault| fault.act.name()),
            account = self.scope.world().map_or("-", |world| world.id.as_str()),
            request_id = self.scope.id(strangers).as_str(),
        );
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
