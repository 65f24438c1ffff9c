//! Faults: conditions on requests, and effects.
//!
//! [`FaultRule`] is a fault as fixtures (TOML) and the control plane (JSON) write it; a
//! [`CompiledFault`] has passed all checks. `app::faults` counts requests and chooses the fault;
//! `http::middleware::fault_injection` applies it.

mod check;
mod compiled;
mod conditions;
mod effect;
mod routes;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::compiled::{CompiledFault, Fault, FaultAction, HitCount, StreamFault};
pub use self::conditions::FaultContext;
pub use self::routes::{FaultScope, Route, RouteTable};
use super::api::Api;

/// A fault: requests that meet its conditions get its effect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fault")]
pub struct FaultRule {
    /// Which requests get the effect; without conditions, all.
    #[serde(default)]
    pub when: FaultConditions,
    /// The most requests that get the effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub times: Option<u64>,
    /// The effect.
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
    /// The route, such as `/v1/runner/{deployment_id}`. A value in place of a parameter must be equal to
    /// that of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The request of this number, counted from 1 among those for which the conditions above hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub nth: Option<u64>,
    /// Every request whose number is a multiple of this; with `nth`, counted from that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub every: Option<u64>,
    /// The probability, from 0 to 1, drawn from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: Option<f64>,
    /// Only at these times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Burst>,
}

/// Periods on the account's clock; the first begins when the fault is added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// Seconds from the beginning of a period to the beginning of the next.
    #[schemars(range(min = 1))]
    pub every: u64,
    /// Seconds that each period lasts.
    #[schemars(range(min = 1))]
    pub r#for: u64,
}

/// What happens to a request: one effect, a delay, or one effect after a delay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "dependentRequired" = {
    "retry_after": ["status"], "envelope": ["status"]
}))]
pub struct Effect {
    /// Waits this many milliseconds before the request is handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub delay_ms: Option<u64>,
    /// Refuses with this status, in the API's envelope; stores and charges nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 400, max = 599))]
    pub status: Option<u64>,
    /// The seconds in the `Retry-After` header of that refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The error envelope of that refusal in the Runner API, instead of the server's or the account's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<ErrorEnvelope>,
    /// Drops the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<ConnectionDrop>,
    /// Corrupts the body of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyCorruption>,
    /// Sends this `Content-Type` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Waits this many milliseconds more before each word of a stream but the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub pace_ms: Option<u64>,
    /// Breaks a stream off after this many words: the connection ends before the stream does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_after: Option<u64>,
    /// Ends a stream cleanly after this many words, although there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_after: Option<u64>,
    /// Stalls a stream after this many words, for an hour of the account's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall_after: Option<u64>,
    /// Sends this chunk of a stream, counted from 1, twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub repeat_chunk: Option<u64>,
    /// `true`: splits each chunk of a stream inside its first character of several bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("const" = true))]
    pub split_character: Option<bool>,
}

/// The error envelopes in the Runner API's documents.
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
    /// Before the request is handled: nothing is stored or charged.
    BeforeAnswer,
    /// After the answer is stored and charged.
    AfterCommit,
}

/// How the body of a response is corrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BodyCorruption {
    /// It is empty.
    Empty,
    /// Its second half is missing.
    Truncated,
    /// It is not JSON, but has the right length.
    Malformed,
}
