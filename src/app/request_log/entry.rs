//! What is kept of one request: bytes as they came, copied so that no larger buffer is held, and
//! bounded, so that it can be told what a journal weighs.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::notes::{RequestTrace, ShownPrompt};
use crate::app::rate_limit::RateLimitVerdict;
use crate::domain::fault_rule::Fault;
use crate::domain::Credits;
use crate::ids::RequestId;

/// The most bytes kept of a body: beyond what tests look at, and a thousand of them are no burden.
const LONGEST_TEXT: usize = 64 * 1024;

/// A request, what became of it, and why.
#[derive(Debug)]
pub struct Entry {
    /// Its place in the journal, from 1. The journal gives it.
    pub(super) number: u64,
    /// When its account was known, on the account's clock.
    pub came: DateTime<Utc>,
    /// Its id.
    pub id: RequestId,
    /// What was sent.
    pub request: LoggedRequest,
    /// What was answered; nothing when the client went away before.
    pub answer: Option<LoggedResponse>,
    /// How it ended.
    pub end: ResponseEnd,
    /// What the model was shown, if one was asked.
    pub shown: Option<ShownPrompt>,
    /// The rule that answered.
    pub rule: Option<Arc<str>>,
    /// Why no answer was made, where one was asked for and failed.
    pub failure: Option<String>,
    /// What was charged.
    pub charge: Option<Credits>,
    /// The fault that it met.
    pub fault: Option<Arc<Fault>>,
    /// What the limiter said, if it was asked.
    pub verdict: Option<RateLimitVerdict>,
    /// How long it took.
    pub took: Timing,
    /// In bytes.
    weight: usize,
}

/// A request as it was sent.
#[derive(Debug)]
pub struct LoggedRequest {
    /// `POST`.
    pub method: Cow<'static, str>,
    /// Path and query.
    pub target: Box<str>,
    /// The route that it took: `/v1/runner/{deployment_id}`.
    pub route: Option<&'static str>,
    /// Its headers, with keys and all.
    pub headers: HeaderLines,
    /// Its body; nothing when it was answered before that was read.
    pub body: Option<BodyExcerpt>,
}

/// An answer as it was given.
#[derive(Debug)]
pub struct LoggedResponse {
    /// Its status.
    pub status: u16,
    /// Its headers, apart from what the connection adds.
    pub headers: HeaderLines,
    /// Its body, as far as it was given.
    pub body: BodyExcerpt,
    /// The words of a stream, as far as they were given and kept.
    pub words: Option<Vec<Word>>,
}

/// A word of a stream: where it ends in the body, and when it was given.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// Where it ends in the body that is kept, in bytes.
    pub end: usize,
    /// How long after the request came.
    pub at: Duration,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseEnd {
    /// It was given to its end.
    Complete,
    /// It broke off.
    Broken,
    /// The client went away.
    HungUp,
}

/// How long a request took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timing {
    /// Until the answer ended.
    pub total: Duration,
    /// Until the answer's head was there.
    pub head: Option<Duration>,
    /// Of this, what the answer was held back on purpose: by its pace or by a fault.
    pub delayed: Duration,
    /// Of this, what was spent waiting until the client took what was there.
    pub client: Duration,
}

impl Timing {
    /// Mynah's own time.
    pub fn own(&self) -> Duration {
        self.total.saturating_sub(self.delayed).saturating_sub(self.client)
    }
}

impl Entry {
    /// What became of `request`, as far as it is known without the services' `notes`.
    pub fn new(
        request: LoggedRequest,
        came: DateTime<Utc>,
        id: RequestId,
        notes: &RequestTrace,
    ) -> Self {
        Self {
            number: 0,
            came,
            id,
            request,
            answer: None,
            end: ResponseEnd::HungUp,
            shown: notes.shown().cloned(),
            rule: notes.rule().cloned(),
            failure: notes.failure().map(str::to_owned),
            charge: notes.charge(),
            fault: notes.fault().cloned(),
            verdict: None,
            took: Timing { delayed: notes.delayed(), ..Timing::default() },
            weight: 0,
        }
    }

    /// Its place in the journal, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The path that was asked for.
    pub fn path(&self) -> &str {
        self.request.target.split_once('?').map_or(&*self.request.target, |(path, _)| path)
    }

    /// What stands behind the `?`.
    pub fn query(&self) -> Option<&str> {
        self.request.target.split_once('?').map(|(_, query)| query)
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// The entry with its weight known.
    pub(super) fn weighed(mut self) -> Self {
        let prompt_weight = self.shown.as_ref().map_or(0, ShownPrompt::weight);
        if let Some(given) = &mut self.answer {
            given.body.bytes.shrink_to_fit();
            given.words.as_mut().map(Vec::shrink_to_fit);
        }
        let LoggedRequest { target, headers, body, .. } = &self.request;
        let sent =
            target.len() + headers.0.len() + body.as_ref().map_or(0, |body| body.bytes.len());
        let given = self.answer.as_ref().map_or(0, |given| {
            let words = given.words.as_ref().map_or(0, Vec::len);
            given.headers.0.len() + given.body.bytes.len() + words * size_of::<Word>()
        });
        self.weight = size_of::<Self>() + self.id.as_str().len() + sent + given + prompt_weight;
        self
    }
}

/// The header lines of a message, in one piece.
#[derive(Debug)]
pub struct HeaderLines(Box<[u8]>);

impl HeaderLines {
    /// The lines of `headers`: names and values. A value holds no line end.
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
            let (name, value) = line.split_at(colon);
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            Some((text(name), text(value.get(1..).unwrap_or_default())))
        })
    }
}

/// The beginning of a body.
#[derive(Debug, Default)]
pub struct BodyExcerpt {
    bytes: Vec<u8>,
    /// How long all of it is, in bytes.
    length: usize,
}

impl BodyExcerpt {
    /// As much of `bytes` as is kept.
    pub fn of(bytes: &[u8]) -> Self {
        let mut text = Self::default();
        text.push(bytes);
        text
    }

    /// More of it.
    pub fn push(&mut self, more: &[u8]) {
        let room = LONGEST_TEXT - self.bytes.len();
        // A client's first bytes are its last in most bodies: there is nothing to grow for.
        if self.bytes.is_empty() {
            self.bytes.reserve_exact(more.len().min(room));
        }
        self.bytes.extend_from_slice(more.get(..room).unwrap_or(more));
        self.length += more.len();
    }

    /// What is kept of it.
    pub fn kept(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// What is kept of it between two places.
    pub fn between(&self, start: usize, end: usize) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes.get(start..end).unwrap_or_default())
    }

    /// How many bytes of it are kept.
    pub fn kept_length(&self) -> usize {
        self.bytes.len()
    }

    /// How long all of it is, in bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether not all of it is kept.
    pub fn is_cut(&self) -> bool {
        self.bytes.len() < self.length
    }
}
