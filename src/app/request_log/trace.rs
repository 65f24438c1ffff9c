//! Facts about a request that only use cases know, collected while it is answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::{Clock, Pacer, Stopwatch};
use crate::domain::agent_run::{ResolvedCall, RunStatus, RunStep, ToolContext};
use crate::domain::fault_rule::Fault;
use crate::domain::{BackendName, Credits, Part, Prompt};
use crate::ids::{RunId, ToolCallId};
use crate::models::rules::{NearMiss, TriedRules};

/// The facts about one request. Each is set once; later values are ignored.
#[derive(Debug, Default)]
pub struct RequestTrace {
    shown: OnceLock<ShownPrompt>,
    rule: OnceLock<Arc<str>>,
    failure: OnceLock<String>,
    run: OnceLock<RunRecord>,
    charge: OnceLock<Credits>,
    fault: OnceLock<Arc<Fault>>,
    /// The waits of the request, for faults and pace, on one schedule.
    waits: OnceLock<Box<Pacer>>,
    /// In nanoseconds.
    delayed: AtomicU64,
}

/// What a request did in an agent run.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// The run.
    pub id: RunId,
    /// Its status after the request.
    pub status: RunStatus,
    /// Ids and names of the calls that the model made, at most [`MOST_CALLS`].
    pub calls: Vec<(ToolCallId, String)>,
}

impl RunRecord {
    /// The size in bytes.
    pub(super) fn weight(&self) -> usize {
        let call = |(id, name): &(ToolCallId, String)| 64 + id.as_str().len() + name.len();
        self.calls.iter().map(call).sum()
    }
}

/// The most calls of a request that are kept.
const MOST_CALLS: usize = 32;

/// The prompt that a model was shown.
#[derive(Debug, Clone)]
pub struct ShownPrompt {
    /// The prompt, shared with the model; `None` if it was too large to keep.
    pub prompt: Option<Arc<Prompt>>,
    weight: usize,
    /// The model provider.
    pub backend: BackendName,
    /// The rules at that time.
    pub rules: TriedRules,
}

/// The largest prompt kept, in bytes: the context of a model as text.
const HEAVIEST_PROMPT: usize = 1024 * 1024;

impl ShownPrompt {
    /// `prompt` was shown to `backend`. A prompt that is too large is not kept, because a stream may
    /// last long.
    pub fn new(prompt: &Arc<Prompt>, backend: BackendName, rules: TriedRules) -> Self {
        let weight = weight_of(prompt);
        let kept = weight <= HEAVIEST_PROMPT;
        Self {
            prompt: kept.then(|| Arc::clone(prompt)),
            weight: if kept { weight } else { 0 },
            backend,
            rules,
        }
    }

    /// The kept size of the prompt in bytes.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// The near misses among the rules before `rule`, or among all rules if none answered.
    pub fn near_misses(&self, rule: Option<&str>) -> Vec<NearMiss> {
        let fixtures = self.backend == BackendName::Canned;
        let misses = |prompt: &Arc<Prompt>| self.rules.near_misses(prompt, rule, fixtures);
        self.prompt.as_ref().map(misses).unwrap_or_default()
    }
}

impl RequestTrace {
    /// Sets the prompt.
    pub fn set_prompt(&self, shown: ShownPrompt) {
        let _ = self.shown.set(shown);
    }

    /// Sets the rule that answered.
    pub fn set_rule(&self, rule: Arc<str>) {
        let _ = self.rule.set(rule);
    }

    /// Sets the reason of a failure.
    pub fn set_failure(&self, reason: String) {
        let _ = self.failure.set(reason);
    }

    /// The reason of a failure.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Sets the step of an agent run.
    pub fn set_run(&self, step: &RunStep) {
        let RunStep { run_id, status, calls, .. } = step;
        let calls =
            calls.iter().take(MOST_CALLS).map(|call| (call.call_id.clone(), call.name.clone()));
        let _ =
            self.run.set(RunRecord { id: run_id.clone(), status: *status, calls: calls.collect() });
    }

    /// The step of an agent run.
    pub fn run(&self) -> Option<&RunRecord> {
        self.run.get()
    }

    /// Sets the charge.
    pub fn set_charge(&self, cost: Credits) {
        let _ = self.charge.set(cost);
    }

    /// Sets the fault of the request, unless it has one; returns the fault that it has.
    pub fn set_fault(&self, fault: Arc<Fault>) -> &Arc<Fault> {
        self.fault.get_or_init(|| fault)
    }

    /// Starts the schedule of waits: from now on advances of `clock` count for them.
    pub fn start_pacing(&self, clock: &Arc<Clock>) -> &Pacer {
        self.waits.get_or_init(|| Box::new(Pacer::on(Arc::clone(clock))))
    }

    /// Delays the response by `wait` on the account's clock. The delay is recorded even if the client
    /// leaves meanwhile.
    pub async fn delay(&self, clock: &Arc<Clock>, wait: Duration) {
        let _guard = DelayGuard { trace: self, since: Stopwatch::start() };
        self.start_pacing(clock).next(wait).await;
    }

    pub(super) fn shown(&self) -> Option<&ShownPrompt> {
        self.shown.get()
    }

    /// The rule that answered.
    pub fn rule(&self) -> Option<&Arc<str>> {
        self.rule.get()
    }

    /// The charge.
    pub fn charge(&self) -> Option<Credits> {
        self.charge.get().copied()
    }

    /// The fault of the request.
    pub fn fault(&self) -> Option<&Arc<Fault>> {
        self.fault.get()
    }

    /// The delays so far.
    pub fn delayed(&self) -> Duration {
        Duration::from_nanos(self.delayed.load(Ordering::Relaxed))
    }
}

/// Records a delay when it is dropped.
#[derive(Debug)]
struct DelayGuard<'t> {
    trace: &'t RequestTrace,
    since: Stopwatch,
}

impl Drop for DelayGuard<'_> {
    fn drop(&mut self) {
        let nanos = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.trace.delayed.fetch_add(nanos, Ordering::Relaxed);
    }
}

/// The size of `prompt` in bytes.
fn weight_of(prompt: &Prompt) -> usize {
    let history = prompt.history.iter().map(|turn| 32 + weight_of_parts(&turn.parts));
    let scene = [&prompt.scene.variables, &prompt.scene.meta];
    let trigger =
        prompt.scene.trigger.as_ref().map_or(0, |used| {
            used.id.as_str().len() + used.ui_surface.as_deref().map_or(0, str::len)
        });
    size_of::<Prompt>()
        + trigger
        + prompt.instructions.len()
        + history.sum::<usize>()
        + weight_of_parts(&prompt.message)
        + prompt.tools.as_deref().map_or(0, weight_of_tools)
        + scene.iter().map(|object| weight_of_object(object)).sum::<usize>()
}

fn weight_of_tools(tools: &ToolContext) -> usize {
    let capabilities = tools.capabilities.iter().map(|capability| {
        capability.name.len() + capability.input_schema.as_ref().map_or(0, weight_of_object)
    });
    let resolved = tools.resolved.iter().map(|ResolvedCall { call, output }| {
        call.name.len() + weight_of_object(&call.arguments) + weight_of_object(output)
    });
    size_of::<ToolContext>() + capabilities.chain(resolved).map(|weight| weight + 64).sum::<usize>()
}

fn weight_of_parts(parts: &[Part]) -> usize {
    let weight = |part: &Part| {
        let file = part.as_file().map_or(0, |file| file.mime_type.len() + file.file_uri.len());
        size_of::<Part>() + part.as_text().map_or(file, str::len)
    };
    parts.iter().map(weight).sum()
}

fn weight_of_object(object: &Map<String, Value>) -> usize {
    object.iter().map(|(name, field)| 48 + name.len() + weight_of_json(field)).sum()
}

fn weight_of_json(value: &Value) -> usize {
    let inside = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight_of_json).sum(),
        Value::Object(fields) => weight_of_object(fields),
    };
    size_of::<Value>() + inside
}
