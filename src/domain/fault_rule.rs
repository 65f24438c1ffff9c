//! Faults: conditions on requests, and effects.
//!
//! [`FaultRule`] is a fault as fixtures (TOML) and the control plane (JSON) write it; a
//! [`CompiledFault`] was checked. `app::faults` counts requests and chooses the fault;
//! `http::middleware::fault_injection` applies it.

mod check;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::routes::{Carrier, Route, RouteTable};
use super::api::Api;
use super::path::decoded;

/// A fault: requests that meet its conditions meet its effect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fault")]
pub struct FaultRule {
    /// Which requests; without conditions, every one.
    #[serde(default)]
    pub when: FaultConditions,
    /// How often at most; then requests succeed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub times: Option<u64>,
    /// What becomes of them.
    pub effect: Effect,
}

/// Conditions, all of which must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FaultWhen")]
pub struct FaultConditions {
    /// The API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// The route, `/v1/runner/{deployment_id}`; what stands in place of an open part must be so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The first request that meets it, counted from 1 among those that the above lets through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub nth: Option<u64>,
    /// Every so many requests, from `nth` on if that is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub every: Option<u64>,
    /// How likely, from 0 to 1, drawn from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: Option<f64>,
    /// At times only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Burst>,
}

/// Times that come again and again on the account's clock, the first as soon as the rule is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// From the beginning of one to the beginning of the next, in seconds.
    #[schemars(range(min = 1))]
    pub every: u64,
    /// How long each lasts, in seconds.
    #[schemars(range(min = 1))]
    pub r#for: u64,
}

/// What becomes of a request: one of these, a delay alone, or one of these after a delay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "dependentRequired" = {
    "retry_after": ["status"], "envelope": ["status"]
}))]
pub struct Effect {
    /// Waits so many milliseconds before the request is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub delay_ms: Option<u64>,
    /// Refuses with this status, in the API's envelope; stores and charges nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 400, max = 599))]
    pub status: Option<u64>,
    /// The seconds that `Retry-After` tells with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The envelope of the error in the Runner API, instead of the server's or the account's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<ErrorEnvelope>,
    /// Drops the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<ConnectionDrop>,
    /// Spoils the answer's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyCorruption>,
    /// Says that the body is of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Waits so many milliseconds more before each further word of a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub pace_ms: Option<u64>,
    /// Breaks a stream off after so many words: the connection ends without the stream's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_after: Option<u64>,
    /// Ends a stream cleanly after so many words, though there were more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_after: Option<u64>,
    /// Lets a stream stall after so many words, for an hour of the account's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall_after: Option<u64>,
    /// Sends this chunk of a stream, counted from 1, twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub repeat_chunk: Option<u64>,
    /// `true`: cuts each chunk of a stream that has one inside its first longer character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("const" = true))]
    pub split_character: Option<bool>,
}

/// The forms of errors in the Runner API's published material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorEnvelope {
    /// `{"error": {"type", "message", "param", "code"}}`.
    #[serde(rename = "openai")]
    OpenAi,
    /// `{"detail": "…"}`.
    #[serde(rename = "fastapi")]
    FastApi,
    /// `{"detail": {"message", "code", "type"}}`.
    DetailObject,
}

/// When a connection is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionDrop {
    /// Before the request is looked at: nothing is stored or charged.
    BeforeAnswer,
    /// When the answer is stored and charged for.
    AfterCommit,
}

/// How an answer's body is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BodyCorruption {
    /// There is none.
    Empty,
    /// Its second half is missing.
    Truncated,
    /// It is no JSON, though as long as it should be.
    Malformed,
}

/// A rule that was checked, ready to be met.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledFault {
    /// The rule as it was written.
    pub rule: FaultRule,
    /// Its effect.
    pub fault: Arc<Fault>,
}

/// What becomes of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How long it waits first.
    pub delay: Duration,
    /// What becomes of it then.
    pub act: FaultAction,
}

/// What a fault does, the delay aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultAction {
    /// Nothing: the delay was all.
    Wait,
    /// It is refused.
    Refuse {
        /// With this status.
        status: u16,
        /// What `Retry-After` tells, in seconds.
        retry_after: Option<u64>,
        /// In this envelope, in the Runner API.
        envelope: Option<ErrorEnvelope>,
    },
    /// The connection is dropped.
    Drop(ConnectionDrop),
    /// The body is spoilt.
    Spoil(BodyCorruption),
    /// The body is said to be of this type.
    Mistype(String),
    /// The stream is interfered with.
    Stream(StreamFault),
}

/// What becomes of a stream. Words are counted as they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFault {
    /// Each further word waits so much longer.
    Pace(Duration),
    /// It breaks off.
    BreakAfter(u64),
    /// It ends as if it were complete.
    EndAfter(u64),
    /// It stalls.
    StallAfter(u64),
    /// This chunk comes twice.
    Repeat(u64),
    /// Characters are cut in two.
    SplitCharacter,
}

/// A request as conditions see it.
#[derive(Debug, Clone, Copy)]
pub struct FaultContext<'a> {
    /// The API it came through.
    pub api: Api,
    /// Its route, with `{…}` for what is open.
    pub route: &'a str,
    /// Its path, of which only the end is looked at.
    pub path: &'a str,
    /// Its method.
    pub method: &'a str,
}

/// How often requests have met a rule, in one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HitCount {
    /// Since when the rule is there.
    pub since: Option<DateTime<Utc>>,
    /// How many requests it was for, whether or not it was their turn.
    pub matched: u64,
    /// How many met its effect.
    pub fired: u64,
}

impl FaultAction {
    /// Whether it can befall an answer that is streamed, or else one in one piece.
    pub fn befalls(&self, streamed: bool) -> bool {
        match self {
            Self::Wait | Self::Refuse { .. } | Self::Drop(_) | Self::Mistype(_) => true,
            Self::Spoil(_) => !streamed,
            Self::Stream(_) => streamed,
        }
    }
}

impl FaultContext<'_> {
    /// Whether the answer, if there is one, is streamed.
    pub fn streamed(&self) -> bool {
        is_streamed(self.route)
    }

    /// Whether `wanted` is this request's route: part by part the same, where an open part may
    /// stand as it does in the path instead.
    fn is_at(&self, wanted: &str) -> bool {
        let count = |text: &str| text.split('/').count();
        let parts = self.route.rsplit('/').zip(wanted.rsplit('/'));
        // Routers cut prefixes off the path, so it is read from its end; prefixes are never open.
        let mut path = self.path.rsplit('/');
        count(self.route) == count(wanted)
            && parts.into_iter().all(|(part, wanted)| {
                let actual = path.next();
                part == wanted
                    || is_open(part)
                        && (is_open(wanted)
                            || actual.is_some_and(|actual| decoded(actual) == decoded(wanted)))
            })
    }
}

fn is_open(part: &str) -> bool {
    part.starts_with('{') && part.ends_with('}')
}

fn is_streamed(route: &str) -> bool {
    route.ends_with("/stream")
}

impl FaultConditions {
    /// Whether requests like `asked` are counted.
    fn concerns(&self, asked: &FaultContext<'_>) -> bool {
        self.api.is_none_or(|api| api == asked.api)
            && self.method.as_deref().is_none_or(|method| method == asked.method)
            && self.route.as_deref().is_none_or(|route| asked.is_at(route))
    }

    /// Whether it is the turn of the request that is number `number` of those.
    fn is_turn_of(&self, number: u64) -> bool {
        match (self.nth, self.every) {
            (None, None) => true,
            (Some(nth), None) => number == nth,
            (None, Some(every)) => number.is_multiple_of(every),
            (Some(nth), Some(every)) => {
                number.checked_sub(nth).is_some_and(|later| later.is_multiple_of(every))
            }
        }
    }
}

impl Burst {
    fn is_on(self, since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let [every, lasting] = [self.every, self.r#for].map(|seconds| {
            let most = i64::MAX / 1000;
            i64::try_from(seconds).unwrap_or(most).min(most) * 1000
        });
        (now - since).num_milliseconds().rem_euclid(every.max(1)) < lasting
    }
}

impl CompiledFault {
    /// Counts a request, if the rule is for such; tells whether it meets the effect.
    ///
    /// `chance` gives the draw, from 0 to just below 1, that stands for the request of a number.
    pub fn count(
        &self,
        tally: &mut HitCount,
        asked: &FaultContext<'_>,
        now: DateTime<Utc>,
        chance: impl FnOnce(u64) -> f64,
    ) -> bool {
        let when = &self.rule.when;
        let since = *tally.since.get_or_insert(now);
        if !when.concerns(asked) || !self.fault.act.befalls(asked.streamed()) {
            return false;
        }
        tally.matched += 1;
        self.rule.times.is_none_or(|times| tally.fired < times)
            && when.is_turn_of(tally.matched)
            && when.burst.is_none_or(|burst| burst.is_on(since, now))
            && when.probability.is_none_or(|likely| chance(tally.matched) < likely)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<'a>(route: &'a str, path: &'a str) -> FaultContext<'a> {
        FaultContext { api: Api::Runner, route, path, method: "POST" }
    }

    #[test]
    fn a_route_is_met_as_a_pattern_or_with_its_open_parts_filled() {
        let stream = asked("/v1/runner/{deployment_id}/stream", "/A/stream");
        for (wanted, met) in [
            ("/v1/runner/{deployment_id}/stream", true),
            ("/v1/runner/{id}/stream", true),
            ("/v1/runner/A/stream", true),
            ("/v1/runner/%41/stream", true),
            ("/v1/runner/B/stream", false),
            ("/v1/runner/{id}", false),
            ("/api/v1/{id}/stream", false),
        ] {
            assert_eq!(stream.is_at(wanted), met, "{wanted}");
        }
        let encoded = asked("/v1/runner/{deployment_id}", "/v1/runner/MY%5fID");
        assert!(encoded.is_at("/v1/runner/MY_ID") && encoded.is_at("/v1/runner/MY%5FID"));
        let list = asked("/v1/runner/conversations", "/conversations");
        assert!(!list.is_at("/v1/runner/{deployment_id}"));
    }

    #[test]
    fn nth_and_every_take_their_turns() {
        let turns = |nth, every| {
            let when = FaultConditions { nth, every, ..FaultConditions::default() };
            (1..=8).filter(|number| when.is_turn_of(*number)).collect::<Vec<u64>>()
        };
        assert_eq!(turns(None, None), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(turns(Some(3), None), [3]);
        assert_eq!(turns(None, Some(3)), [3, 6]);
        assert_eq!(turns(Some(3), Some(2)), [3, 5, 7]);
    }

    #[test]
    fn bursts_come_again_on_either_side_of_their_beginning() {
        let at = |seconds: i64| DateTime::from_timestamp(1_700_000_007 + seconds, 0).unwrap();
        let burst = Burst { every: 30, r#for: 5 };
        for (second, on) in [(0, true), (4, true), (5, false), (29, false), (30, true), (-1, false)]
        {
            assert_eq!(burst.is_on(at(0), at(second)), on, "{second}");
        }
        assert!(Burst { every: u64::MAX, r#for: 1 }.is_on(at(0), at(0)));
    }
}
