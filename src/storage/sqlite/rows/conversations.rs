//! Conversations with their labels, and the tallies of both.

use std::collections::BTreeMap;

use super::statement::{Filled, Statement, Value};
use crate::domain::catalog::as_text;
use crate::domain::conversation::{Conversation, Target, label_text};
use crate::ids::AgentId;
use crate::storage::AccountKey;
use crate::storage::sqlite::values::json;

const CONVERSATIONS: Statement = Statement {
    before: "INSERT INTO conversations (account, ordinal, id, api, target, name, meta, variables,
                                        system_prompt, agent, created_at, updated_at, activity,
                                        message_count)
             SELECT v.*, 0 FROM (",
    width: 13,
    after: ") v WHERE v.column1 IS NOT NULL;",
};

const LABELS: Statement = Statement {
    before: "INSERT INTO conversation_meta (account, name, value, conversation) SELECT * FROM (",
    width: 4,
    after: ") v WHERE v.column1 IS NOT NULL;",
};

const TALLIES: Statement = Statement {
    before: "INSERT INTO conversation_tallies (account, scope, name, value, total)
             SELECT * FROM (",
    width: 5,
    after: ") v WHERE v.column1 IS NOT NULL
            ON CONFLICT (account, scope, name, value)
            DO UPDATE SET total = total + excluded.total;",
};

/// New conversations without messages.
#[derive(Default)]
pub(in crate::storage::sqlite) struct ConversationRows<'r> {
    conversations: Vec<Value<'r>>,
    labels: Vec<Value<'r>>,
    /// By scope, name and value.
    tallies: BTreeMap<(AccountKey, &'static str, &'r str, String), i64>,
}

impl<'r> ConversationRows<'r> {
    pub(in crate::storage::sqlite) fn add(
        &mut self,
        owner: AccountKey,
        conversation: &'r Conversation,
        activity: u64,
    ) {
        self.conversations.extend([
            owner.into(),
            conversation.ordinal.into(),
            Value::text(conversation.id.as_str()),
            Value::text(conversation.target.api().name()),
            Value::text(conversation.target.id()),
            Value::text(&conversation.name),
            Value::owned(json(&conversation.meta)),
            Value::owned(json(&conversation.variables)),
            Value::text(&conversation.system_prompt),
            Value::text_if_any(conversation.agent.as_ref().map(AgentId::as_str)),
            conversation.created_at.timestamp_micros().into(),
            conversation.updated_at.timestamp_micros().into(),
            activity.into(),
        ]);
        let Target::Deployment(deployment) = &conversation.target else { return };
        self.tally(owner, "all", "", String::new());
        self.tally(owner, "deployment", deployment.as_str(), String::new());
        for (name, value) in &conversation.meta {
            let value = label_text(&as_text(value)).into_owned();
            let label = Value::owned(value.clone());
            let row = [owner.into(), Value::text(name), label, conversation.ordinal.into()];
            self.labels.extend(row);
            self.tally(owner, "meta", name, value);
        }
    }

    fn tally(&mut self, owner: AccountKey, scope: &'static str, name: &'r str, value: String) {
        *self.tallies.entry((owner, scope, name, value)).or_default() += 1;
    }

    pub(super) fn filled(self) -> [Filled<'r>; 3] {
        let tallies = self.tallies.into_iter().flat_map(|((owner, scope, name, value), more)| {
            [owner.into(), Value::text(scope), Value::text(name), Value::owned(value), more.into()]
        });
        [
            (&CONVERSATIONS, self.conversations),
            (&LABELS, self.labels),
            (&TALLIES, tallies.collect()),
        ]
    }
}
