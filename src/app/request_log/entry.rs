//! The record of one request: bytes as they arrived, copied so that no larger buffer is kept alive, and
//! bounded, so that the size of a log is known.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::trace::{RequestTrace, RunRecord, ShownPrompt};
use crate::app::rate_limit::RateLimitVerdict;
use crate::domain::Credits;
use crate::domain::fault_rule::Fault;
use crate::ids::RequestId;

/// The most bytes kept of a body: more than tests look at, and little for a thousand entries.
const LONGEST_TEXT: usize = 64 * 1024;

/// A request, its response, and why it was so.
#[derive(Debug)]
pub struct Entry {
    /// The number, from 1, given by the log.
    pub(super) number: u64,
    /// When the request arrived, on the account's clock.
    pub arrived_at: DateTime<Utc>,
    /// Its id.
    pub id: RequestId,
    /// The request.
    pub request: LoggedRequest,
    /// The response; `None` if the client left before.
    pub answer: Option<LoggedResponse>,
    /// How the response ended.
    pub end: ResponseEnd,
    /// The prompt that a model was shown.
    pub shown: Option<ShownPrompt>,
    /// The reply rule that answered.
    pub rule: Option<Arc<str>>,
    /// Why the model gave no reply.
    pub failure: Option<String>,
    /// What it did in an agent run.
    pub run: Option<RunRecord>,
    /// The charge.
    pub charge: Option<Credits>,
    /// The fault that was injected.
    pub fault: Option<Arc<Fault>>,
    /// The decision of the rate limiter.
    pub rate_limit: Option<RateLimitVerdict>,
    /// Durations.
    pub timing: Timing,
    /// The size in bytes.
    weight: usize,
}

/// A request as it arrived.
#[derive(Debug)]
pub struct LoggedRequest {
    /// `POST`.
    pub method: Cow<'static, str>,
    /// Path and query.
    pub target: Box<str>,
    /// The route: `/v1/runner/{deployment_id}`.
    pub route: Option<&'static str>,
    /// The headers, including keys.
    pub headers: HeaderLines,
    /// The body; `None` if the response did not wait for it.
    pub body: Option<BodyExcerpt>,
}

/// A response as it was sent.
#[derive(Debug)]
pub struct LoggedResponse {
    /// Its status.
    pub status: u16,
    /// The headers, except those that the connection adds.
    pub headers: HeaderLines,
    /// The body, as far as it was sent.
    pub body: BodyExcerpt,
    /// The words of a stream, as far as they were sent and kept.
    pub words: Option<Vec<Word>>,
}

/// A word of a stream: its end in the body, and its time.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// Its end in the kept body, in bytes.
    pub end: usize,
    /// The time since the request arrived.
    pub at: Duration,
}

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseEnd {
    /// It was sent completely.
    Complete,
    /// The server broke it off.
    Broken,
    /// The client left.
    ClientLeft,
}

/// The durations of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timing {
    /// Until the response ended.
    pub total: Duration,
    /// Until the head of the response was ready.
    pub head: Option<Duration>,
    /// The part that was delayed on purpose: by the pace or by a fault.
    pub delayed: Duration,
    /// The part that was spent waiting for the client to read.
    pub client: Duration,
}

impl Timing {
    /// Mynah's own time.
    pub fn own(&self) -> Duration {
        self.total.saturating_sub(self.delayed).saturating_sub(self.client)
    }
}

impl Entry {
    /// An entry without the facts of the use cases, which `trace` adds.
    pub fn new(
        request: LoggedRequest,
        arrived_at: DateTime<Utc>,
        id: RequestId,
        trace: &RequestTrace,
    ) -> Self {
        Self {
            number: 0,
            arrived_at,
            id,
            request,
            answer: None,
            end: ResponseEnd::ClientLeft,
            shown: trace.shown().cloned(),
            rule: trace.rule().cloned(),
            failure: trace.failure().map(str::to_owned),
            run: trace.run().cloned(),
            charge: trace.charge(),
            fault: trace.fault().cloned(),
            rate_limit: None,
            timing: Timing { delayed: trace.delayed(), ..Timing::default() },
            weight: 0,
        }
    }

    /// The number, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.request.target.split_once('?').map_or(&*self.request.target, |(path, _)| path)
    }

    /// The query, without the `?`.
    pub fn query(&self) -> Option<&str> {
        self.request.target.split_once('?').map(|(_, query)| query)
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// The entry with its size computed.
    pub(super) fn weighed(mut self) -> Self {
        let prompt_weight = self.shown.as_ref().map_or(0, ShownPrompt::weight);
        if let Some(answer) = &mut self.answer {
            answer.body.bytes.shrink_to_fit();
            answer.words.as_mut().map(Vec::shrink_to_fit);
        }
        let LoggedRequest { target, headers, body, .. } = &self.request;
        let request =
            target.len() + headers.0.len() + body.as_ref().map_or(0, |body| body.bytes.len());
        let answer = self.answer.as_ref().map_or(0, |answer| {
            let words = answer.words.as_ref().map_or(0, Vec::len);
            answer.headers.0.len() + answer.body.bytes.len() + words * size_of::<Word>()
        });
        self.weight = size_of::<Self>()
            + self.id.as_str().len()
            + request
            + answer
            + prompt_weight
            + self.run.as_ref().map_or(0, RunRecord::weight);
        self
    }
}

/// The header lines of a message in one buffer.
#[derive(Debug)]
pub struct HeaderLines(Box<[u8]>);

impl HeaderLines {
    /// The lines of `headers`: names and values. A value has no line breaks.
    pub fn new<'h, I>(headers: impl Fn() -> I) -> Self
    where
        I: Iterator<Item = (&'h str, &'h [u8])>,
    {
        let length = headers().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut lines = Vec::with_capacity(length);
        for (name, value) in headers() {
            lines.extend_from_slice(name.as_bytes());
            lines.push(b':');
            lines.extend_from_slice(value);
            lines.push(b'\n');
        }
        Self(lines.into_boxed_slice())
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (String, String)> {
        self.0.split(|byte| *byte == b'\n').filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = (line.split_at(colon).0, line.split_at(colon + 1).1);
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            Some((text(name), text(value)))
        })
    }
}

/// The beginning of a body, and the length of all of it.
#[derive(Debug, Default)]
pub struct BodyExcerpt {
    bytes: Vec<u8>,
    /// The length of the whole body in bytes.
    length: usize,
}

impl BodyExcerpt {
    /// The kept part of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut text = Self::default();
        text.push(bytes);
        text
    }

    /// Appends a further part of the body.
    pub fn push(&mut self, more: &[u8]) {
        let room = LONGEST_TEXT - self.bytes.len();
        // Most bodies come in one chunk: reserve exactly.
        if self.bytes.is_empty() {
            self.bytes.reserve_exact(more.len().min(room));
        }
        self.bytes.extend_from_slice(more.get(..room).unwrap_or(more));
        self.length += more.len();
    }

    /// The kept part.
    pub fn kept(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// The kept part between two positions.
    pub fn between(&self, start: usize, end: usize) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes.get(start..end).unwrap_or_default())
    }

    /// The number of kept bytes.
    pub fn kept_length(&self) -> usize {
        self.bytes.len()
    }

    /// The length of the whole body in bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether a part of the body is not kept.
    pub fn is_cut(&self) -> bool {
        self.bytes.len() < self.length
    }
}
