//! The next step of a run: what the model's reply makes of it.

use chrono::{DateTime, TimeDelta, Utc};

use super::{RecordedStep, RunError};
use crate::app::auth::Caller;
use crate::app::generation::runner::new_conversation;
use crate::app::generation::trigger_use::StartTrigger;
use crate::app::generation::{PendingMessage, RunOutcome, release_reply};
use crate::app::run_state::{BusyError, record_step};
use crate::domain::agent_run::{
    ProgressEntry, RequestedCall, RunEnd, RunStatus, RunStep, ToolCall, ToolResult,
};
use crate::domain::conversation::{Conversation, Message, Meta};
use crate::domain::{Part, Role};
use crate::ids::{IdAllocation, IdKind, RunId};
use crate::models::RunReply;
use crate::storage::{NewRunStep, Storage, TriggerUpdate};

/// A step before the model has answered.
pub(super) struct StepDraft<'c> {
    caller: &'c Caller,
    pending: PendingMessage,
    /// The run that it continues; `None` if it starts one.
    run_id: Option<RunId>,
    run: u64,
    step: u64,
    results: Vec<ToolResult>,
    progress: Vec<ProgressEntry>,
}

/// What a step adds to its conversation.
struct Additions {
    conversation: Conversation,
    /// Whether the step creates the conversation.
    is_new: bool,
    messages: Vec<Message>,
    trigger: Option<TriggerUpdate>,
}

impl<'c> StepDraft<'c> {
    /// The first step of the run after `latest`.
    pub(super) fn of_run(
        caller: &'c Caller,
        latest: Option<&RunStep>,
        pending: PendingMessage,
    ) -> Self {
        let run = latest.map_or(1, |latest| latest.run + 1);
        let (results, progress) = (Vec::new(), Vec::new());
        Self { caller, pending, run_id: None, run, step: 0, results, progress }
    }

    /// The step after `waiting`, with its `results`.
    pub(super) fn resumed(
        caller: &'c Caller,
        waiting: RunStep,
        results: Vec<ToolResult>,
        pending: PendingMessage,
    ) -> Self {
        let entry = |call: &ToolCall| {
            ProgressEntry::of_call("tool_result", call, &format!("result of {}", call.name))
        };
        let entries: Vec<ProgressEntry> = waiting.calls.iter().map(entry).collect();
        let RunStep { run_id, run, step, progress, .. } = waiting.with_progress(entries);
        Self { caller, pending, run_id: Some(run_id), run, step: step + 1, results, progress }
    }

    /// The message that the model answers.
    pub(super) fn pending(&self) -> &PendingMessage {
        &self.pending
    }

    /// Records the step with a new conversation, which starts from `trigger` if there is one.
    pub(super) async fn record_first(
        self,
        storage: &dyn Storage,
        trigger: Option<StartTrigger>,
        meta: Meta,
        outcome: RunOutcome,
    ) -> Result<RecordedStep, RunError> {
        let generator = &self.caller.session.epoch().ids;
        let mut ids = generator.allocation();
        let ordinal = ids.next(IdKind::Conversation);
        let number = (ordinal, generator.runner_conversation(ordinal));
        let name = outcome.name.clone();
        let conversation = new_conversation(self.caller, number, &self.pending, name, meta);
        let log = ids.next(IdKind::WorkflowLog);
        let id = &conversation.id;
        let update = trigger.as_ref().map(|trigger| trigger.started(log, Some(id.clone())));
        let opening = trigger.and_then(|it| it.opening_message(&mut ids, self.pending.sent_at));
        let messages = opening.into_iter().collect();
        let additions = Additions { conversation, is_new: true, messages, trigger: update };
        self.record(storage, ids, additions, outcome).await
    }

    /// Records the step in an existing conversation.
    pub(super) async fn record_next(
        self,
        storage: &dyn Storage,
        conversation: Conversation,
        outcome: RunOutcome,
    ) -> Result<RecordedStep, RunError> {
        let ids = self.caller.session.epoch().ids.allocation();
        let messages = Vec::new();
        let additions = Additions { conversation, is_new: false, messages, trigger: None };
        self.record(storage, ids, additions, outcome).await
    }

    async fn record(
        self,
        storage: &dyn Storage,
        mut ids: IdAllocation<'_>,
        additions: Additions,
        outcome: RunOutcome,
    ) -> Result<RecordedStep, RunError> {
        let Additions { mut conversation, is_new, mut messages, trigger } = additions;
        let (session, lease) = (&self.caller.session, outcome.lease.clone());
        // Counted from the latest turn: the first step begins the next one (see `NewMessages`).
        let turn = u64::from(self.step == 0);
        if self.step == 0 {
            let parts = (*self.pending.prompt.message).clone();
            let message = Message::new(ids.message(), Role::User, parts, self.pending.sent_at);
            messages.push(Message { turn, ..message });
        }
        let before = conversation.message_count;
        let created = is_new.then(|| conversation.clone());
        let ordinal = conversation.ordinal;
        let (mut step, text) = self.into_step(&mut ids, outcome);
        messages.extend(text.map(|text| {
            let parts = vec![Part::text(text)];
            Message { turn, ..Message::new(ids.message(), Role::Assistant, parts, step.at) }
        }));
        step.messages = before + messages.iter().map(|_| 1).sum::<u64>();
        conversation.updated_at = step.at;
        conversation.completed_at = step.completed_conversation();
        let activity = ids.next(IdKind::Activity);
        let recorded = step.clone();
        let new = NewRunStep { conversation: ordinal, created, messages, trigger, activity, step };
        let is_stored = match record_step(storage, session, ids, new).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(BusyError::RunInProgress.into()),
            Err(error) => Err(RunError::from(error)),
        };
        release_reply(session, lease, is_stored)?;
        session.trace().set_run(&recorded);
        Ok(RecordedStep { conversation, step: recorded })
    }

    /// The step, without the number of messages, and the text of the message that comes with it.
    fn into_step(
        self,
        ids: &mut IdAllocation<'_>,
        outcome: RunOutcome,
    ) -> (RunStep, Option<String>) {
        let RunOutcome { text, run, input_tokens, output_tokens, .. } = outcome;
        let at = self.caller.session.clock.now();
        let tools = self.pending.prompt.tools.as_deref();
        let capabilities = tools.map(|tools| tools.capabilities.clone()).unwrap_or_default();
        let step = RunStep {
            run_id: self.run_id.unwrap_or_else(|| ids.run()),
            run: self.run,
            step: self.step,
            at,
            status: RunStatus::Completed,
            capabilities,
            results: self.results,
            calls: Vec::new(),
            answer: None,
            due: None,
            pending_answer: None,
            completes: run.completes,
            progress: self.progress,
            messages: 0,
            input_tokens,
            output_tokens,
        };
        let offered = |call: &RequestedCall| tools.is_some_and(|tools| tools.offers(&call.name));
        if let Some(call) = run.tool_calls.iter().find(|call| !offered(call)) {
            let reason =
                format!("the model called `{}`, which the client does not offer", call.name);
            self.caller.session.trace().set_failure(reason.clone());
            return (ended(step, RunStatus::Failed, &reason), None);
        }
        let ttl = self.caller.deployment.client_action_ttl;
        match run.end {
            _ if !run.tool_calls.is_empty() => waiting(step, ids, run, text, ttl),
            RunEnd::Completed => (RunStep { answer: Some(text.clone()), ..step }, Some(text)),
            RunEnd::Background => {
                let due = later(at, TimeDelta::from_std(run.after).unwrap_or(TimeDelta::MAX));
                let (status, pending_answer) = (RunStatus::Running, Some(text));
                (RunStep { status, due: Some(due), pending_answer, ..step }, None)
            }
            RunEnd::Failed => (ended(step, RunStatus::Failed, &text), None),
            RunEnd::Interrupted => (ended(step, RunStatus::Interrupted, &text), None),
        }
    }
}

/// `step` with the calls of `run`, which expire after `ttl`, and its text.
fn waiting(
    step: RunStep,
    ids: &mut IdAllocation<'_>,
    run: RunReply,
    text: String,
    ttl: TimeDelta,
) -> (RunStep, Option<String>) {
    let calls: Vec<ToolCall> = run
        .tool_calls
        .into_iter()
        .map(|RequestedCall { name, arguments }| {
            let (ordinal, call_id) = ids.tool_call();
            ToolCall { call_id, ordinal, name, arguments }
        })
        .collect();
    let text = Some(text).filter(|text| !text.is_empty());
    let said = text.iter().map(|text| ProgressEntry::new("message", text));
    let called = calls
        .iter()
        .map(|call| ProgressEntry::of_call("tool_call", call, &format!("call of {}", call.name)));
    let entries: Vec<ProgressEntry> = said.chain(called).collect();
    let due = Some(later(step.at, ttl));
    let step = RunStep { status: RunStatus::WaitingForClientAction, calls, due, ..step };
    (step.with_progress(entries), text)
}

/// `step` of a run that ended without an answer.
fn ended(step: RunStep, status: RunStatus, reason: &str) -> RunStep {
    let reason = if reason.is_empty() { "the model gave no reason" } else { reason };
    RunStep { status, completes: false, ..step }
        .with_progress([ProgressEntry::new(status.name(), reason)])
}

/// `delay` after `at`; the latest possible time if that is too late.
fn later(at: DateTime<Utc>, delay: TimeDelta) -> DateTime<Utc> {
    at.checked_add_signed(delay).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
