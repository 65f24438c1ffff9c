//! The outermost layer: every request's id, its line in the log and its entry in the journal. A
//! stream's line is written when it has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use chrono::{DateTime, Utc};
use http_body::Frame;

use super::metrics::name_of;
use super::metrics::{Metrics, OpenStream};
use super::request_log::Recording;
use crate::clock::Stopwatch;
use crate::http::context::RequestContext;
use crate::http::response::account_end::AccountEnd;
use crate::http::response::text_stream::IsStream;
use crate::http::secrets::Secrets;
use crate::ids::{AccountId, IdGenerator, RequestId};

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
pub struct AccessLog {
    /// Ids for requests that no account is known for.
    strangers: Arc<IdGenerator>,
    reset: ResetStyle,
    metrics: Metrics,
    secrets: Secrets,
}

impl AccessLog {
    /// An observer that draws ids from `seed`, counts in `metrics` and writes down no `secrets`.
    pub fn new(seed: u64, reset: ResetStyle, metrics: Metrics, secrets: Secrets) -> Self {
        let strangers = Arc::new(IdGenerator::new(seed, &AccountId::from("")));
        Self { strangers, reset, metrics, secrets }
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a request whose client left before its answer is logged as, as nginx does.
const CLIENT_LEFT: u16 = 499;

/// A request that is being answered. Its answer gets `x-request-id` and the limiter's verdict, and
/// the log one line: never a key or a body. The account's journal is told what the client is.
pub(crate) struct ObservedRequest<'a> {
    line: AccessLogLine<'a>,
    recording: Option<Recording>,
}

impl<'a> ObservedRequest<'a> {
    /// A request that came just now.
    pub(crate) fn begin(
        observer: &'a Arc<AccessLog>,
        scope: &RequestContext,
        request: &Request,
    ) -> Self {
        if let Some(id) = clients_own_id(request, &observer.secrets) {
            scope.set_id(id);
        }
        let facts = AccessLogEntry {
            stopwatch: Stopwatch::start(),
            method: request.method().clone(),
            scope: scope.clone(),
            status: CLIENT_LEFT,
            latency: None,
        };
        let recording = Recording::begin(request, scope, facts.stopwatch);
        Self { line: AccessLogLine { facts: Some(facts), observer }, recording }
    }

    /// Its answer, on its way out.
    pub(crate) fn answered(self, mut response: Response) -> Response {
        let Self { mut line, recording } = self;
        let Some(facts) = &mut line.facts else { return response };
        let latency = facts.stopwatch.elapsed();
        (facts.status, facts.latency) = (response.status().as_u16(), Some(latency));
        let AccessLog { strangers, reset, .. } = &**line.observer;
        add_headers(&facts.scope, strangers, *reset, &mut response);
        let is_stream = response.extensions_mut().remove::<IsStream>().is_some();
        if response.body().size_hint().exact().is_none() {
            response = line.goes_on_with(response, is_stream);
        }
        match recording {
            Some(recording) => recording.answered(response, latency),
            None => response,
        }
    }
}

/// What is known of one request.
struct AccessLogEntry {
    stopwatch: Stopwatch,
    method: Method,
    scope: RequestContext,
    status: u16,
    /// Until the answer's head was there.
    latency: Option<Duration>,
}

impl AccessLogEntry {
    fn latency(&self) -> Duration {
        self.latency.unwrap_or_else(|| self.stopwatch.elapsed())
    }

    fn count(&self, metrics: &Metrics) {
        let route = self.scope.route().unwrap_or("-");
        metrics.answered(&self.method, route, self.status, self.latency());
    }

    /// Writes the request's line, with what became of its stream if it had one.
    fn log(&self, strangers: &IdGenerator, stream: Option<&StreamSummary>) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            method = %name_of(&self.method),
            route = self.scope.route().unwrap_or("-"),
            status = self.status,
            latency_us = micros(self.latency()),
            duration_us = stream.map(|_| micros(self.stopwatch.elapsed())),
            chunks = stream.map(|stream| stream.chunks),
            bytes = stream.map(|stream| stream.bytes),
            end = stream.map(|stream| stream.end),
            fault = self.scope.trace().fault().map_or("-", |fault| fault.act.name()),
            account = self.scope.account().map_or("-", |account| account.id.as_str()),
            request_id = self.scope.id(strangers).as_str(),
        );
    }
}

/// One request's line in the log. It is written when it is dropped: the server drops what a client
/// has waited for, too, when that client leaves.
struct AccessLogLine<'a> {
    /// Nothing once a stream has taken them over, whose line is written at its end.
    facts: Option<AccessLogEntry>,
    observer: &'a Arc<AccessLog>,
}

impl AccessLogLine<'_> {
    /// Counts the answer and leaves the line to its body.
    fn goes_on_with(&mut self, response: Response, is_stream: bool) -> Response {
        let Some(facts) = self.facts.take() else { return response };
        let AccessLog { metrics, .. } = &**self.observer;
        facts.count(metrics);
        let open = is_stream.then(|| metrics.open_stream());
        let observer = Arc::clone(self.observer);
        let streamed = StreamSummary { chunks: 0, bytes: 0, end: "client_left" };
        let account_end = response.extensions().get::<AccountEnd>().cloned();
        response.map(|body| {
            Body::new(LoggedBody { body, facts, observer, streamed, account_end, _open: open })
        })
    }
}

impl Drop for AccessLogLine<'_> {
    fn drop(&mut self) {
        let Some(facts) = &self.facts else { return };
        let AccessLog { strangers, metrics, .. } = &**self.observer;
        facts.count(metrics);
        facts.log(strangers, None);
    }
}

/// What became of a stream.
struct StreamSummary {
    chunks: u64,
    bytes: u64,
    /// `whole`, `broken`, or `client_left`.
    end: &'static str,
}

/// The body of a streamed answer. Dropping it writes the request's line.
struct LoggedBody {
    body: Body,
    facts: AccessLogEntry,
    observer: Arc<AccessLog>,
    streamed: StreamSummary,
    account_end: Option<AccountEnd>,
    _open: Option<OpenStream>,
}

impl HttpBody for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        let streamed = &mut this.streamed;
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    streamed.chunks += 1;
                    streamed.bytes += u64::try_from(data.len()).unwrap_or(u64::MAX);
                }
                if this.body.is_end_stream() {
                    streamed.end = "whole";
                }
            }
            Some(Err(_)) => streamed.end = "broken",
            None => streamed.end = "whole",
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

impl Drop for LoggedBody {
    fn drop(&mut self) {
        let ended = self.account_end.as_ref().is_some_and(AccountEnd::has_come);
        // Nobody asks a stream that is not read how it went on.
        if ended && self.streamed.end == "client_left" {
            self.streamed.end = "broken";
        }
        self.facts.log(&self.observer.strangers, Some(&self.streamed));
    }
}

/// The client's own request id: 1–128 visible ASCII characters with no secret among them.
fn clients_own_id(request: &Request, secrets: &Secrets) -> Option<RequestId> {
    const LONGEST: usize = 128;
    let sent = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let visible = sent.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = visible && (1..=LONGEST).contains(&sent.len());
    (fits && !secrets.are_in(sent)).then(|| RequestId::from(sent))
}

fn add_headers(
    scope: &RequestContext,
    strangers: &IdGenerator,
    reset: ResetStyle,
    response: &mut Response,
) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(scope.id(strangers).as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    // On a clock of its own an account's answers are dated by it, so that a client can set the
    // limiter's times against it.
    if let Some(now) = scope.account().and_then(|account| account.clock.now_if_not_the_systems())
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
