//! Agent runs.

use std::sync::Arc;

use serde_json::{Map, json};

use super::sample::{SampleAccount, message, runner_conversation, time};
use crate::domain::Role;
use crate::domain::agent_run::{RunStatus, RunStep, ToolCall, ToolResult};
use crate::domain::conversation::Message;
use crate::storage::{HistoryItem, HistoryPosition, NewRunStep, PageWindow, Storage, WriteOutcome};

const NEWEST: HistoryPosition = HistoryPosition { messages: u64::MAX, call: 0 };

/// A step of run 1 at second `at`, after which the conversation has `messages` messages.
fn step(step: u64, at: i64, messages: u64) -> RunStep {
    RunStep {
        run_id: "run_1".into(),
        run: 1,
        step,
        at: time(at),
        status: RunStatus::Completed,
        capabilities: Vec::new(),
        results: Vec::new(),
        calls: Vec::new(),
        answer: None,
        due: None,
        pending_answer: None,
        completes: false,
        progress: Vec::new(),
        messages,
        input_tokens: 1,
        output_tokens: 2,
    }
}

/// A step that calls tools with these ordinals.
fn waiting(number: u64, at: i64, messages: u64, calls: &[u64]) -> RunStep {
    let call = |ordinal: &u64| ToolCall {
        call_id: format!("call_{ordinal}").as_str().into(),
        ordinal: *ordinal,
        name: "get_weather".to_owned(),
        arguments: Map::new(),
    };
    RunStep {
        status: RunStatus::WaitingForClientAction,
        calls: calls.iter().map(call).collect(),
        due: Some(time(at + 100)),
        ..step(number, at, messages)
    }
}

fn results(calls: &[u64]) -> Vec<ToolResult> {
    let result = |ordinal: &u64| ToolResult {
        call_id: format!("call_{ordinal}").as_str().into(),
        output: json!({"degrees": ordinal}).as_object().unwrap().clone(),
    };
    calls.iter().map(result).collect()
}

impl SampleAccount {
    async fn record(&self, step: RunStep, messages: Vec<Message>) -> WriteOutcome {
        let created = (step.run == 1 && step.step == 0).then(|| runner_conversation(1, 0));
        let activity = self.next();
        let new = NewRunStep { conversation: 1, created, messages, trigger: None, activity, step };
        self.storage.record_run_step(self.scope(0), new).await.unwrap()
    }

    /// Records a run that waits twice and then answers: messages at 1 and 3, calls 1 and 2, call 3.
    async fn record_run(&self) {
        let question = vec![message(Role::User, "question", 1)];
        assert_eq!(self.record(waiting(0, 1, 1, &[1, 2]), question).await, WriteOutcome::Stored);
        let second = RunStep { results: results(&[1, 2]), ..waiting(1, 2, 1, &[3]) };
        assert_eq!(self.record(second, Vec::new()).await, WriteOutcome::Stored);
        let answer = Message { turn: 0, ..message(Role::Assistant, "answer", 3) };
        let last = RunStep { results: results(&[3]), completes: true, ..step(2, 3, 2) };
        assert_eq!(self.record(last, vec![answer]).await, WriteOutcome::Stored);
    }

    /// The ids of at most `limit` items before `before`, and whether there are older ones.
    async fn items(
        &self,
        before: HistoryPosition,
        limit: u64,
    ) -> (Vec<String>, Option<HistoryPosition>) {
        let page = self.storage.history(self.key, 1, before, limit).await.unwrap();
        let oldest = page.items.first().map(|(position, _)| *position).filter(|_| page.has_more);
        let id = |(_, item): (HistoryPosition, HistoryItem)| match item {
            HistoryItem::Message(message) => message.id.to_string(),
            HistoryItem::Call(call) => call.call.call_id.to_string(),
        };
        (page.items.into_iter().map(id).collect(), oldest)
    }
}

pub(in crate::storage) async fn steps_are_stored_with_messages_and_the_state_of_the_conversation(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    account.record_run().await;
    assert_eq!(account.messages(1).await, ["question", "answer"]);
    let latest = storage.latest_run_step(account.key, 1).await.unwrap().unwrap();
    assert_eq!((latest.step, latest.status), (2, RunStatus::Completed));
    let api = crate::domain::Api::Runner;
    let found = storage.find_conversation(account.key, api, "conversation 1".into()).await;
    let conversation = found.unwrap().unwrap();
    assert_eq!((conversation.run_count, conversation.turn_count), (1, 1));
    assert_eq!((conversation.completed_at, conversation.updated_at), (Some(time(3)), time(3)));
    assert!(storage.latest_run_step(account.key, 2).await.unwrap().is_none());
}

pub(in crate::storage) async fn a_step_takes_place_once(storage: Arc<dyn Storage>) {
    let account = SampleAccount::create(&storage, 0).await;
    let question = vec![message(Role::User, "question", 1)];
    account.record(waiting(0, 1, 1, &[1]), question).await;
    let answers = (0..8).map(|number| {
        let answer = Message { turn: 0, ..message(Role::Assistant, &format!("{number}"), 2) };
        account.record(RunStep { results: results(&[1]), ..step(1, 2, 2) }, vec![answer])
    });
    let outcomes = futures::future::join_all(answers).await;
    let stored = outcomes.iter().filter(|outcome| **outcome == WriteOutcome::Stored).count();
    let superseded =
        outcomes.iter().filter(|outcome| **outcome == WriteOutcome::Superseded).count();
    assert_eq!((stored, superseded), (1, 7));
    assert_eq!(account.messages(1).await.len(), 2);
}

pub(in crate::storage) async fn a_call_is_found_with_the_step_that_followed(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    account.record(waiting(0, 1, 0, &[1]), Vec::new()).await;
    let find = async |id: &str| storage.find_tool_call(account.key, 1, id.into()).await.unwrap();
    assert!(find("call_1").await.unwrap().next.is_none());
    assert!(find("call_2").await.is_none());
    account.record(RunStep { results: results(&[1]), ..step(1, 2, 0) }, Vec::new()).await;
    let next = find("call_1").await.unwrap().next.unwrap();
    assert_eq!((next.step, next.results), (1, results(&[1])));
}

pub(in crate::storage) async fn a_history_has_messages_and_calls_in_the_order_of_time(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    account.record_run().await;
    let all = ["question", "call_1", "call_2", "call_3", "answer"];
    assert_eq!(account.items(NEWEST, 5).await, (all.map(str::to_owned).to_vec(), None));
    let mut pages = Vec::new();
    let mut before = Some(NEWEST);
    while let Some(position) = before {
        let (page, next) = account.items(position, 2).await;
        pages.insert(0, page);
        before = next;
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 2]);
    assert_eq!(pages.concat(), all);
    let page = storage.history(account.key, 1, NEWEST, 5).await.unwrap();
    let HistoryItem::Call(call) = &page.items[1].1 else { panic!("{:?}", page.items) };
    assert_eq!(call.summary.as_deref(), Some(r#"{"degrees":1}"#));
    assert_eq!((call.created_at, call.expires_at), (time(1), Some(time(101))));
}

pub(in crate::storage) async fn runs_are_listed_and_found_with_their_latest_steps(
    storage: Arc<dyn Storage>,
) {
    let account = SampleAccount::create(&storage, 0).await;
    account.record_run().await;
    account
        .record(RunStep { run: 2, run_id: "run_2".into(), ..waiting(0, 5, 2, &[4]) }, Vec::new())
        .await;
    let window = PageWindow { skip: 0, take: 10 };
    let (runs, total) = storage.list_runs(account.key, window).await.unwrap();
    let shown = |run: &crate::storage::StoredRun| (run.step.run_id.to_string(), run.step.step);
    let expected = [("run_2".to_owned(), 0), ("run_1".to_owned(), 2)];
    assert_eq!((runs.iter().map(shown).collect::<Vec<_>>(), total), (expected.to_vec(), 2));
    let found = storage.find_run(account.key, "run_1".into()).await.unwrap().unwrap();
    assert_eq!((found.step.step, found.conversation.as_str()), (2, "conversation 1"));
    assert!(storage.find_run(account.key, "run_3".into()).await.unwrap().is_none());
}

pub(in crate::storage) async fn the_data_of_an_account_has_its_runs(storage: Arc<dyn Storage>) {
    let account = SampleAccount::create(&storage, 0).await;
    account.record_run().await;
    let data = account.data().await.unwrap();
    let steps: Vec<_> =
        data.run_steps.iter().map(|(ordinal, step)| (*ordinal, step.step)).collect();
    assert_eq!(steps, [(1, 0), (1, 1), (1, 2)]);
    let copy = SampleAccount::create(&storage, 0).await;
    let replacement = crate::storage::AccountReplacement {
        data: data.clone(),
        reset_terms: false,
        terms: None,
        clock: None,
    };
    storage.replace_account(copy.key, replacement, Box::new(|| ())).await.unwrap();
    let copied = copy.data().await.unwrap();
    assert_eq!(copied.run_steps, data.run_steps);
    assert_eq!(copied.conversations[0].0.completed_at, Some(time(3)));
    let (items, _) = copy.items(NEWEST, 10).await;
    assert_eq!(items, account.items(NEWEST, 10).await.0);
}
