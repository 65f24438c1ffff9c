//! A fault that has passed all checks, and the count of its requests.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{BodyCorruption, ConnectionDrop, ErrorEnvelope, FaultContext, FaultRule};

/// A checked rule.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledFault {
    /// The rule as it was written.
    pub rule: FaultRule,
    /// Its effect.
    pub fault: Arc<Fault>,
}

/// What happens to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The delay before the action.
    pub delay: Duration,
    /// The action.
    pub action: FaultAction,
}

/// What a fault does after its delay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultAction {
    /// Nothing: the fault is only a delay.
    DelayOnly,
    /// Refuses the request.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// The value of `Retry-After`, in seconds.
        retry_after: Option<u64>,
        /// The error envelope in the Runner API.
        envelope: Option<ErrorEnvelope>,
    },
    /// Drops the connection.
    Drop(ConnectionDrop),
    /// Corrupts the body.
    CorruptBody(BodyCorruption),
    /// Replaces the `Content-Type`.
    SetContentType(String),
    /// Changes the stream.
    Stream(StreamFault),
}

/// What happens to a stream. Words are counted as they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFault {
    /// Each word but the first waits this much longer.
    Pace(Duration),
    /// It breaks off after this many words.
    BreakAfter(u64),
    /// It ends cleanly after this many words.
    EndAfter(u64),
    /// It stalls after this many words.
    StallAfter(u64),
    /// This chunk is sent twice.
    Repeat(u64),
    /// Characters of several bytes are split.
    SplitCharacter,
}

/// How many requests a fault has had, in one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HitCount {
    /// When the fault was added, or first checked.
    pub since: Option<DateTime<Utc>>,
    /// Requests that its API, route and method matched.
    pub matched: u64,
    /// Requests that got its effect.
    pub fired: u64,
}

impl FaultAction {
    /// Whether it can change an answer that is streamed, or one that is not.
    pub fn applies_to(&self, streamed: bool) -> bool {
        match self {
            Self::DelayOnly | Self::Refuse { .. } | Self::Drop(_) | Self::SetContentType(_) => true,
            Self::CorruptBody(_) => !streamed,
            Self::Stream(_) => streamed,
        }
    }
}

impl CompiledFault {
    /// Counts a request, if it is matched, and returns whether the request should get the effect.
    ///
    /// `draw` returns the random number, from 0 to just below 1, of the nth matched request.
    pub fn count(
        &self,
        hits: &mut HitCount,
        request: &FaultContext<'_>,
        now: DateTime<Utc>,
        draw: impl FnOnce(u64) -> f64,
    ) -> bool {
        let when = &self.rule.when;
        let since = *hits.since.get_or_insert(now);
        if !when.matches(request) || !self.fault.action.applies_to(request.streamed()) {
            return false;
        }
        hits.matched += 1;
        self.rule.times.is_none_or(|times| hits.fired < times)
            && when.selects(hits.matched)
            && when.burst.is_none_or(|burst| burst.is_active(since, now))
            && when.probability.is_none_or(|probability| draw(hits.matched) < probability)
    }
}
