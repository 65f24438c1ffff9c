//! Records a request and its response: in the metrics when the head of the response is ready; in the
//! access log and the request log when its body has ended.
//!
//! The body of the response contains an [`Exchange`], which is dropped at its end, at a fault, or when the
//! client leaves. The logs are written then, before the client has the end of its response, so a client
//! that has its response finds the entry.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use http_body::Frame;

use super::access_log::{self, AccessLogLine, CLIENT_LEFT, StreamSummary};
use super::metrics::{Metrics, OpenStream};
use super::request_log;
use super::response_headers::{ResetStyle, add_headers};
use crate::app::request_log::{LoggedRequest, LoggedResponse, ResponseEnd, Timing};
use crate::http::context::RequestContext;
use crate::http::response::account_end::AccountEnd;
use crate::http::response::text_stream::IsStream;

/// The options and counters with which exchanges are recorded.
#[derive(Debug, Clone)]
pub struct ExchangeLog {
    reset: ResetStyle,
    metrics: Metrics,
}

impl ExchangeLog {
    /// Counts in `metrics`.
    pub fn new(reset: ResetStyle, metrics: Metrics) -> Self {
        Self { reset, metrics }
    }
}

/// A request that is being answered. Dropping it records it.
pub(crate) struct Exchange {
    log: Arc<ExchangeLog>,
    context: Arc<RequestContext>,
    method: Method,
    /// `None` for the control plane, and after it was recorded.
    request: Option<LoggedRequest>,
    /// The status, and the time until the head of the response.
    head: Option<(u16, Duration)>,
    /// `None` if no request log keeps it.
    response: Option<LoggedResponse>,
    /// For a body whose length was not known before.
    stream: Option<OpenedStream>,
    end: ResponseEnd,
    /// Until the last data of the body, if it was sent.
    total: Option<Duration>,
    /// The time spent waiting for the client to take data.
    client: Duration,
}

struct OpenedStream {
    summary: StreamSummary,
    /// Counts the stream as open. Only text streams are counted.
    _open: Option<OpenStream>,
}

impl Exchange {
    pub(crate) fn begin(
        log: &Arc<ExchangeLog>,
        context: &Arc<RequestContext>,
        request: &Request,
    ) -> Self {
        Self {
            log: Arc::clone(log),
            context: Arc::clone(context),
            method: request.method().clone(),
            request: request_log::logged_request(request, context),
            head: None,
            response: None,
            stream: None,
            end: ResponseEnd::ClientLeft,
            total: None,
            client: Duration::ZERO,
        }
    }

    /// Adds the headers of every response, and moves into the response's body.
    pub(crate) fn answered(mut self, mut response: Response) -> Response {
        let latency = self.context.received.elapsed();
        let status = response.status().as_u16();
        self.head = Some((status, latency));
        self.count(status, latency);
        add_headers(&self.context, self.log.reset, &mut response);
        let is_text_stream = response.extensions_mut().remove::<IsStream>().is_some();
        if response.body().size_hint().exact().is_none() {
            self.stream = Some(OpenedStream {
                summary: StreamSummary::default(),
                _open: is_text_stream.then(|| self.log.metrics.open_stream()),
            });
        }
        if self.request.is_some() && self.context.binding().is_some() {
            self.response = Some(request_log::logged_response(&response));
        }
        // The connection does not read the body of an answer to HEAD.
        if response.body().is_end_stream() || self.method == Method::HEAD {
            self.end = ResponseEnd::Complete;
            return response;
        }
        if self.stream.is_none() && self.response.is_none() {
            return response;
        }
        let account_end = response.extensions().get::<AccountEnd>().cloned();
        response.map(|body| {
            let (body, exchange) = (Some(body), Some(self));
            Body::new(LoggedBody { body, exchange, handed_over: None, account_end })
        })
    }

    fn count(&self, status: u16, latency: Duration) {
        let route = self.context.route.unwrap_or("-");
        self.log.metrics.answered(&self.method, route, status, latency);
    }

    fn add_data(&mut self, data: &Bytes, at: Duration) {
        if let Some(stream) = &mut self.stream {
            stream.summary.chunks += 1;
            stream.summary.bytes += u64::try_from(data.len()).unwrap_or(u64::MAX);
        }
        if let Some(response) = &mut self.response {
            request_log::add_data(response, data, at);
        }
    }
}

impl Drop for Exchange {
    /// Also called if the client leaves before its response: the server then drops the request.
    fn drop(&mut self) {
        let elapsed = self.context.received.elapsed();
        let (status, latency) = self.head.unwrap_or_else(|| {
            self.count(CLIENT_LEFT, elapsed);
            (CLIENT_LEFT, elapsed)
        });
        let stream = self.stream.as_ref().map(|stream| (&stream.summary, elapsed));
        let line = AccessLogLine { method: &self.method, status, latency, stream };
        access_log::write_line(&self.context, &line, self.end);
        if let Some(request) = self.request.take() {
            let timing = Timing {
                total: self.total.unwrap_or(elapsed),
                head: self.head.map(|(_, latency)| latency),
                client: self.client,
                delayed: Duration::ZERO,
            };
            let response = self.response.take();
            request_log::add_entry(&self.context, request, response, self.end, timing);
        }
    }
}

/// The body of a response on its way to the client.
struct LoggedBody {
    /// `None` after it was dropped.
    body: Option<Body>,
    /// `None` after it was recorded.
    exchange: Option<Exchange>,
    /// When the client was given data that it has not taken yet.
    handed_over: Option<Duration>,
    /// For a stream.
    account_end: Option<AccountEnd>,
}

impl LoggedBody {
    fn end(&mut self, end: ResponseEnd) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.end = end;
        }
    }
}

impl HttpBody for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if let (Some(since), Some(exchange)) = (this.handed_over.take(), &mut this.exchange) {
            exchange.client += exchange.context.received.elapsed().saturating_sub(since);
        }
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        let is_over = body.is_end_stream();
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(data), Some(exchange)) = (frame.data_ref(), &mut this.exchange) {
                    let at = exchange.context.received.elapsed();
                    exchange.add_data(data, at);
                    exchange.total = is_over.then_some(at);
                    this.handed_over = Some(at);
                }
                if is_over {
                    this.end(ResponseEnd::Complete);
                }
            }
            Some(Err(_)) => this.end(ResponseEnd::Broken),
            None => this.end(ResponseEnd::Complete),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.as_ref().map_or_else(|| http_body::SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for LoggedBody {
    fn drop(&mut self) {
        // The body first, so that a wait in the middle of it is counted.
        self.body = None;
        if self.account_end.as_ref().is_some_and(AccountEnd::has_ended) {
            self.end(ResponseEnd::Broken);
        }
    }
}

#[cfg(test)]
mod tests;
