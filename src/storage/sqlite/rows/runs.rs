//! Steps of agent runs, with their calls and results.

use super::statement::{Filled, Statement, Value};
use crate::domain::agent_run::{RunStep, summary_of};
use crate::storage::AccountKey;
use crate::storage::sqlite::values::json;

const STEPS: Statement = Statement {
    before: "INSERT INTO run_steps (account, conversation, run, step, run_id, state)
             SELECT * FROM (",
    width: 6,
    after: ") v WHERE v.column1 IS NOT NULL;",
};

const CALLS: Statement = Statement {
    before: "INSERT INTO tool_calls (account, conversation, messages, ordinal, id, run, step, name,
                                     arguments, created_at, expires_at)
             SELECT * FROM (",
    width: 11,
    after: ") v WHERE v.column1 IS NOT NULL;",
};

const RESULTS: Statement = Statement {
    before: "INSERT INTO tool_results (account, conversation, call, summary) SELECT * FROM (",
    width: 4,
    after: ") v WHERE v.column1 IS NOT NULL;",
};

const CONVERSATIONS: Statement = Statement {
    before: "UPDATE conversations
             SET run_count = MAX(run_count, v.column3), activity = MAX(activity, v.column4),
                 updated_at = MAX(updated_at, v.column5),
                 completed_at = COALESCE(completed_at, v.column6)
             FROM (",
    width: 6,
    after: ") v WHERE conversations.account = v.column1 AND conversations.ordinal = v.column2;",
};

/// Steps of runs.
#[derive(Default)]
pub(in crate::storage::sqlite) struct RunRows<'r> {
    steps: Vec<Value<'r>>,
    calls: Vec<Value<'r>>,
    results: Vec<Value<'r>>,
    conversations: Vec<Value<'r>>,
}

impl<'r> RunRows<'r> {
    pub(super) fn len(&self) -> usize {
        self.steps.len() + self.calls.len() + self.results.len()
    }

    /// A step of a run in conversation `ordinal`.
    pub(in crate::storage::sqlite) fn add(
        &mut self,
        owner: AccountKey,
        ordinal: u64,
        step: &'r RunStep,
        activity: u64,
    ) {
        let (account, conversation) = (|| Value::from(owner), || Value::from(ordinal));
        let at = step.at.timestamp_micros();
        let due = step.due.map_or(Value::Null, |due| due.timestamp_micros().into());
        let completed_at = step.completed_conversation().map_or(Value::Null, |_| at.into());
        self.conversations.extend([
            account(),
            conversation(),
            step.run.into(),
            activity.into(),
            at.into(),
            completed_at,
        ]);
        self.steps.extend([
            account(),
            conversation(),
            step.run.into(),
            step.step.into(),
            Value::text(step.run_id.as_str()),
            Value::owned(json(step)),
        ]);
        for call in &step.calls {
            self.calls.extend([
                account(),
                conversation(),
                step.messages.into(),
                call.ordinal.into(),
                Value::text(call.call_id.as_str()),
                step.run.into(),
                step.step.into(),
                Value::text(&call.name),
                Value::owned(json(&call.arguments)),
                at.into(),
                due.clone(),
            ]);
        }
        for result in &step.results {
            let summary = Value::owned(summary_of(&json(&result.output)));
            self.results.extend([
                account(),
                conversation(),
                Value::text(result.call_id.as_str()),
                summary,
            ]);
        }
    }

    pub(super) fn filled(self) -> [Filled<'r>; 4] {
        [
            (&STEPS, self.steps),
            (&CALLS, self.calls),
            (&RESULTS, self.results),
            (&CONVERSATIONS, self.conversations),
        ]
    }
}
