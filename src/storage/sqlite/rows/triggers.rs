//! Triggers, what changes about them, and the tallies that bound them.

use std::collections::BTreeMap;

use super::statement::{Filled, Statement, Value};
use crate::domain::Trigger;
use crate::ids::ConversationId;
use crate::storage::sqlite::values::json;
use crate::storage::{AccountKey, TriggerUpdate};

const TRIGGERS: Statement = Statement {
    before:
        "INSERT INTO triggers (account, ordinal, id, deployment, content, variables, ui_surface,
                                   created_at, expires_at, conversation, workflow_log)
             SELECT * FROM (",
    width: 11,
    after: ") v WHERE v.column1 IS NOT NULL;",
};

const TALLIES: Statement = Statement {
    before: "INSERT INTO trigger_tallies (account, total, bytes) SELECT * FROM (",
    width: 3,
    after: ") v WHERE v.column1 IS NOT NULL
            ON CONFLICT (account)
            DO UPDATE SET total = total + excluded.total, bytes = bytes + excluded.bytes;",
};

const UPDATE: Statement = Statement {
    before: "UPDATE triggers
             SET workflow_log = COALESCE(v.column3, workflow_log),
                 conversation = COALESCE(v.column4, conversation),
                 expires_at = COALESCE(v.column5, expires_at)
             FROM (",
    width: 5,
    after: ") v WHERE triggers.account = v.column1 AND triggers.ordinal = v.column2;",
};

/// New triggers.
#[derive(Default)]
pub(in crate::storage::sqlite) struct TriggerRows<'r> {
    triggers: Vec<Value<'r>>,
    /// Number and bytes of the new ones.
    tallies: BTreeMap<AccountKey, (u64, u64)>,
}

impl<'r> TriggerRows<'r> {
    pub(super) fn len(&self) -> usize {
        self.triggers.len()
    }

    pub(in crate::storage::sqlite) fn add(&mut self, owner: AccountKey, trigger: &'r Trigger) {
        self.triggers.extend([
            owner.into(),
            trigger.ordinal.into(),
            Value::text(trigger.id.as_str()),
            Value::text(trigger.deployment.as_str()),
            Value::owned(json(&trigger.content)),
            Value::owned(json(&trigger.variables)),
            Value::text_if_any(trigger.ui_surface.as_deref()),
            trigger.created_at.timestamp_micros().into(),
            trigger.expires_at.map_or(Value::Null, |at| at.timestamp_micros().into()),
            Value::text_if_any(trigger.conversation.as_ref().map(ConversationId::as_str)),
            trigger.workflow_log.map_or(Value::Null, Value::from),
        ]);
        let (total, bytes) = self.tallies.entry(owner).or_default();
        *total += 1;
        *bytes += trigger.bytes();
    }

    pub(super) fn filled(self) -> [Filled<'r>; 2] {
        let tallies = self.tallies.into_iter();
        let tallies =
            tallies.flat_map(|(owner, (total, bytes))| [owner.into(), total.into(), bytes.into()]);
        [(&TRIGGERS, self.triggers), (&TALLIES, tallies.collect())]
    }
}

/// The statement that changes a trigger.
pub(in crate::storage::sqlite) fn update_trigger(
    owner: AccountKey,
    update: TriggerUpdate,
) -> Filled<'static> {
    let TriggerUpdate { ordinal, workflow_log, conversation, expires_at } = update;
    let values = vec![
        owner.into(),
        ordinal.into(),
        workflow_log.map_or(Value::Null, Value::from),
        conversation.map_or(Value::Null, |id| Value::owned(id.as_str().to_owned())),
        expires_at.map_or(Value::Null, |at| at.timestamp_micros().into()),
    ];
    (&UPDATE, values)
}
