//! The documents of entries: their JSON.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::keys::BlankedKeys;
use crate::app::rate_limit::RateLimitVerdict;
use crate::app::request_log::{
    BodyExcerpt, Entry, LoggedResponse, ResponseEnd, RunRecord, ShownPrompt, Timing,
};
use crate::clock::rfc3339;
use crate::domain::agent_run::{ResolvedCall, ToolContext};
use crate::domain::conversation::Turn;
use crate::domain::{BackendName, OutputMode, Part, Prompt};

/// A request, its response, and why the response is as it is.
#[derive(Serialize)]
pub(super) struct EntryAnswer {
    number: u64,
    /// When it arrived, on the account's clock.
    time: String,
    request_id: String,
    method: String,
    path: String,
    query: Option<String>,
    route: Option<&'static str>,
    headers: Map<String, Value>,
    #[serde(flatten)]
    body: BodyAnswer,
    /// `null` if the client disconnected before.
    answer: Option<ResponseAnswer>,
    end: &'static str,
    /// What the model was shown and what answered; `null` if no model was asked.
    model: Option<ModelAnswer>,
    limit: Option<LimitAnswer>,
    charge: Option<String>,
    fault: Option<FaultAnswer>,
    timing: TimingAnswer,
}

/// A body: an object if it is one in JSON, else its text.
#[derive(Serialize)]
struct BodyAnswer {
    body: Value,
    body_bytes: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    body_cut: bool,
}

#[derive(Serialize)]
struct ResponseAnswer {
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
    /// Since the request arrived.
    at_us: u64,
}

#[derive(Serialize)]
struct ModelAnswer {
    backend: &'static str,
    /// `null` if no rule answered.
    rule: Option<String>,
    /// Why the model gave no reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    near_misses: Vec<Value>,
    /// What the request did in an agent run.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Value>,
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

/// The fault that took effect: the name of its effect, and its delay.
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

/// The document of `entry` as a value.
#[expect(clippy::expect_used, reason = "strings, numbers and string-keyed maps are valid JSON")]
pub(super) fn document(entry: &Entry, keys: &BlankedKeys) -> Value {
    serde_json::to_value(shown(entry, keys)).expect("an entry is valid JSON")
}

/// The document of `entry`, to be serialised.
pub(super) fn shown(entry: &Entry, keys: &BlankedKeys) -> EntryAnswer {
    let request = &entry.request;
    EntryAnswer {
        number: entry.number(),
        time: rfc3339(entry.arrived_at),
        request_id: keys.blanked_target(entry.id.as_str()),
        method: keys.blanked_target(&request.method),
        path: keys.blanked_target(entry.path()),
        query: entry.query().map(|query| keys.blanked_query(query)),
        route: request.route,
        headers: keys.blanked_lines(&request.headers),
        body: body(request.body.as_ref(), keys),
        answer: entry.answer.as_ref().map(|answer| response(answer, keys)),
        end: match entry.end {
            ResponseEnd::Complete => "complete",
            ResponseEnd::Broken => "broken",
            ResponseEnd::ClientLeft => "hung_up",
        },
        model: entry.shown.as_ref().map(|shown| ModelAnswer {
            failure: entry.failure.clone().map(|failure| keys.blanked(failure)),
            run: entry.run.as_ref().map(run),
            ..model(shown, entry.rule.as_deref(), keys)
        }),
        limit: entry.rate_limit.map(limit),
        charge: entry.charge.map(|charge| charge.to_string()),
        fault: entry.fault.as_ref().map(|fault| FaultAnswer {
            effect: fault.action.name(),
            delay_ms: millis(fault.delay),
        }),
        timing: timing(&entry.timing),
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

fn response(response: &LoggedResponse, keys: &BlankedKeys) -> ResponseAnswer {
    let words = response.words.as_ref().map(|words| {
        let mut start = 0;
        let word = words.iter().map(|word| {
            let text = response.body.between(start, word.end).into_owned();
            start = word.end;
            WordAnswer { text: keys.blanked(text), at_us: micros(word.at) }
        });
        word.collect()
    });
    ResponseAnswer {
        status: response.status,
        headers: keys.blanked_lines(&response.headers),
        body: body(Some(&response.body), keys),
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
        run: None,
        shown: match &shown.prompt {
            Some(prompt) => prompt_shown(prompt, keys),
            None => json!({ "too_large": true }),
        },
    }
}

fn run(record: &RunRecord) -> Value {
    let RunRecord { id, status, calls } = record;
    let calls = calls.iter().map(|(call_id, name)| json!({ "call_id": call_id, "name": name }));
    json!({ "id": id, "status": status.name(), "tool_calls": calls.collect::<Vec<_>>() })
}

fn prompt_shown(prompt: &Prompt, keys: &BlankedKeys) -> Value {
    let Prompt { instructions, history, message, output, tools, scene } = prompt;
    let turns = history.iter().map(
        |Turn { role, parts }| json!({ "role": role.name(), "content": parts_shown(parts, keys) }),
    );
    let mut shown = json!({
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
    });
    if let (Some(used), Some(shown)) = (&scene.trigger, shown.as_object_mut()) {
        let surface = used.ui_surface.clone().map(|surface| keys.blanked(surface));
        let trigger = json!({ "id": keys.blanked(used.id.to_string()), "ui_surface": surface });
        shown.insert("trigger".to_owned(), trigger);
    }
    if let (Some(tools), Some(shown)) = (tools, shown.as_object_mut()) {
        shown.insert("tools".to_owned(), tools_shown(tools, keys));
    }
    shown
}

/// The tools that the client offered, and the calls that it resolved.
fn tools_shown(tools: &ToolContext, keys: &BlankedKeys) -> Value {
    let resolved = tools.resolved.iter().map(|ResolvedCall { call, output }| {
        json!({
            "call_id": call.call_id,
            "name": call.name,
            "arguments": call.arguments,
            "output": output,
        })
    });
    keys.blanked_json(json!({
        "capabilities": tools.capabilities,
        "resolved": resolved.collect::<Vec<_>>(),
    }))
}

fn parts_shown(parts: &[Part], keys: &BlankedKeys) -> Value {
    keys.blanked_json(json!(parts))
}

fn limit(verdict: RateLimitVerdict) -> LimitAnswer {
    let RateLimitVerdict { admitted, limit, remaining, window_ends, .. } = verdict;
    LimitAnswer { admitted, limit, remaining, window_ends }
}

fn timing(timing: &Timing) -> TimingAnswer {
    TimingAnswer {
        total_us: micros(timing.total),
        head_us: timing.head.map(micros),
        delay_us: micros(timing.delayed),
        client_us: micros(timing.client),
        own_us: micros(timing.own()),
    }
}

#[expect(clippy::expect_used, reason = "delays are given as milliseconds in 64 bits")]
fn millis(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).expect("a delay has at most 64 bits of milliseconds")
}

#[expect(clippy::expect_used, reason = "64 bits of microseconds are 584,000 years")]
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("a request takes less than 584,000 years")
}
