//! The line of a request in the access log: never a key or a body.

use std::time::Duration;

use axum::http::Method;

use super::metrics::name_of;
use crate::app::request_log::ResponseEnd;
use crate::http::context::RequestContext;

/// The status of a request whose client left before its answer, as in nginx.
pub(super) const CLIENT_LEFT: u16 = 499;

/// What the line says besides what the context knows.
pub(super) struct AccessLogLine<'e> {
    pub(super) method: &'e Method,
    pub(super) status: u16,
    /// Until the head of the answer.
    pub(super) latency: Duration,
    /// Until the end of the answer, for a body whose length was not known before.
    pub(super) stream: Option<(&'e StreamSummary, Duration)>,
}

/// A body whose length was not known before.
#[derive(Debug, Default)]
pub(super) struct StreamSummary {
    pub(super) chunks: u64,
    pub(super) bytes: u64,
}

/// Writes the line. `end` is that of the answer's body.
pub(super) fn write_line(context: &RequestContext, line: &AccessLogLine<'_>, end: ResponseEnd) {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let end = match end {
        ResponseEnd::Complete => "whole",
        ResponseEnd::Broken => "broken",
        ResponseEnd::ClientLeft => "client_left",
    };
    tracing::info!(
        method = %name_of(line.method),
        route = context.route.unwrap_or("-"),
        status = line.status,
        latency_us = micros(line.latency),
        duration_us = line.stream.map(|(_, total)| micros(total)),
        chunks = line.stream.map(|(stream, _)| stream.chunks),
        bytes = line.stream.map(|(stream, _)| stream.bytes),
        end = line.stream.map(|_| end),
        fault = context.trace.fault().map_or("-", |fault| fault.action.name()),
        account = context.account().map_or("-", |account| account.id.as_str()),
        request_id = context.id().as_str(),
    );
}
