//! The JSON of entries.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::keys::BlankedKeys;
use crate::app::rate_limit::RateLimitVerdict;
use crate::app::request_log::{
    BodyExcerpt, Entry, LoggedResponse, ResponseEnd, ShownPrompt, Timing,
};
use crate::clock::rfc3339;
use crate::domain::conversation::Turn;
use crate::domain::{BackendName, OutputMode, Part, Prompt};

/// A request, what became of it, and why.
#[derive(Serialize)]
pub(super) struct EntryAnswer {
    number: u64,
    /// When it came, on the account's clock.
    time: String,
    request_id: String,
    method: String,
    path: String,
    query: Option<String>,
    route: Option<&'static str>,
    headers: Map<String, Value>,
    #[serde(flatten)]
    body: BodyAnswer,
    /// `null` when the client went away before.
    answer: Option<GivenAnswer>,
    end: &'static str,
    /// What the model was shown and who answered; `null` when none was asked.
    model: Option<ModelAnswer>,
    limit: Option<LimitAnswer>,
    charge: Option<String>,
    fault: Option<FaultAnswer>,
    timing: TimingAnswer,
}

/// A body: an object where it is one in JSON, else its text.
#[derive(Serialize)]
struct BodyAnswer {
    body: Value,
    body_bytes: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    body_cut: bool,
}

#[derive(Serialize)]
struct GivenAnswer {
    status: u16,
    headers: Map<String, Value>,
    #[serde(flatten)]
    body: BodyAnswer,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<WordAnswer>>,
}

#[derive(Serialize)]
struct WordAnswer {
    text: String,
    /// Since the request came.
    at_us: u64,
}

#[derive(Serialize)]
struct ModelAnswer {
    backend: &'static str,
    /// `null` where no rule answered.
    rule: Option<String>,
    /// Why no answer was made, where that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    near_misses: Vec<Value>,
    #[serde(flatten)]
    shown: Value,
}

#[derive(Serialize)]
struct LimitAnswer {
    admitted: bool,
    limit: u32,
    remaining: u32,
    window_ends: i64,
}

/// The fault that a request met: what it is called among effects, and how long it waits first.
#[derive(Serialize)]
struct FaultAnswer {
    effect: &'static str,
    delay_ms: u64,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names say the unit")]
struct TimingAnswer {
    total_us: u64,
    head_us: Option<u64>,
    delay_us: u64,
    client_us: u64,
    own_us: u64,
}

/// The JSON of `entry`.
pub(super) fn shown(entry: &Entry, keys: &BlankedKeys) -> EntryAnswer {
    let request = &entry.request;
    EntryAnswer {
        number: entry.number(),
        time: rfc3339(entry.came),
        request_id: keys.blanked_target(entry.id.as_str()),
        method: keys.blanked_target(&request.method),
        path: keys.blanked_target(entry.path()),
        query: entry.query().map(|query| keys.blanked_query(query)),
        route: request.route,
        headers: keys.blanked_lines(&request.headers),
        body: body(request.body.as_ref(), keys),
        answer: entry.answer.as_ref().map(|answer| given(answer, keys)),
        end: match entry.end {
            ResponseEnd::Complete => "complete",
            ResponseEnd::Broken => "broken",
            ResponseEnd::HungUp => "hung_up",
        },
        model: entry.shown.as_ref().map(|shown| ModelAnswer {
            failure: entry.failure.clone().map(|failure| keys.blanked(failure)),
            ..model(shown, entry.rule.as_deref(), keys)
        }),
        limit: entry.verdict.map(limit),
        charge: entry.charge.map(|charge| charge.to_string()),
        fault: entry.fault.as_ref().map(|fault| FaultAnswer {
            effect: fault.act.name(),
            delay_ms: u64::try_from(fault.delay.as_millis()).unwrap_or(u64::MAX),
        }),
        timing: timing(&entry.took),
    }
}

fn body(text: Option<&BodyExcerpt>, keys: &BlankedKeys) -> BodyAnswer {
    let Some(text) = text else {
        return BodyAnswer { body: Value::Null, body_bytes: 0, body_cut: false };
    };
    let kept = text.kept();
    let body = match serde_json::from_str(&kept) {
        Ok(object @ Value::Object(_)) => keys.blanked_json(object),
        _ => Value::String(keys.blanked(kept.into_owned())),
    };
    BodyAnswer { body, body_bytes: text.length(), body_cut: text.is_cut() }
}

fn given(given: &LoggedResponse, keys: &BlankedKeys) -> GivenAnswer {
    let words = given.words.as_ref().map(|words| {
        let mut start = 0;
        let word = words.iter().map(|word| {
            let text = given.body.between(start, word.end).into_owned();
            start = word.end;
            WordAnswer { text: keys.blanked(text), at_us: micros(word.at) }
        });
        word.collect()
    });
    GivenAnswer {
        status: given.status,
        headers: keys.blanked_lines(&given.headers),
        body: body(Some(&given.body), keys),
        words,
    }
}

fn model(shown: &ShownPrompt, rule: Option<&str>, keys: &BlankedKeys) -> ModelAnswer {
    let near_misses = shown.near_misses(rule).into_iter().map(|miss| {
        let found = miss.found.map(|found| keys.blanked_json(found));
        json!({
            "rule": &*miss.rule,
            "condition": miss.condition,
            "wanted": keys.blanked_json(miss.wanted),
            "found": found,
        })
    });
    ModelAnswer {
        backend: match shown.backend {
            BackendName::Canned => "canned",
            BackendName::Echo => "echo",
        },
        rule: rule.map(str::to_owned),
        failure: None,
        near_misses: near_misses.collect(),
        shown: match &shown.prompt {
            Some(prompt) => prompt_shown(prompt, keys),
            None => json!({ "too_large": true }),
        },
    }
}

fn prompt_shown(prompt: &Prompt, keys: &BlankedKeys) -> Value {
    let Prompt { instructions, history, message, output, scene } = prompt;
    let turns = history.iter().map(
        |Turn { role, parts }| json!({ "role": role.name(), "content": parts_shown(parts, keys) }),
    );
    json!({
        "name": &scene.model,
        "deployment": &scene.deployment,
        "agent": &scene.agent,
        "output": match output {
            OutputMode::Text => "text",
            OutputMode::Structured => "structured",
        },
        "turn": scene.turn,
        "variables": keys.blanked_json(Value::Object((*scene.variables).clone())),
        "meta": keys.blanked_json(Value::Object((*scene.meta).clone())),
        "instructions": keys.blanked(instructions.to_string()),
        "history": turns.collect::<Vec<_>>(),
        "message": parts_shown(message, keys),
    })
}

fn parts_shown(parts: &[Part], keys: &BlankedKeys) -> Value {
    keys.blanked_json(json!(parts))
}

fn limit(verdict: RateLimitVerdict) -> LimitAnswer {
    let RateLimitVerdict { admitted, limit, remaining, window_ends, .. } = verdict;
    LimitAnswer { admitted, limit, remaining, window_ends }
}

fn timing(took: &Timing) -> TimingAnswer {
    TimingAnswer {
        total_us: micros(took.total),
        head_us: took.head.map(micros),
        delay_us: micros(took.delayed),
        client_us: micros(took.client),
        own_us: micros(took.own()),
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
