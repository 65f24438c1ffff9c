//! Messages, and the new sizes of their conversations.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::statement::{Filled, Statement, Value};
use crate::domain::conversation::Message;
use crate::ids::ImageId;
use crate::storage::AccountKey;
use crate::storage::sqlite::values::json;

const MESSAGES: Statement = Statement {
    before: "INSERT INTO messages (account, conversation, position, id, role, parts, image,
                                   created_at, aborted, turn)
             SELECT v.column1, v.column2, c.message_count + v.column3, v.column4, v.column5,
                    v.column6, v.column7, v.column8, v.column9, c.turn_count + v.column10
             FROM (",
    width: 10,
    after: ") v LEFT JOIN conversations c ON c.account = v.column1 AND c.ordinal = v.column2
            WHERE v.column1 IS NOT NULL;",
};

const EXTENTS: Statement = Statement {
    before: "UPDATE conversations
             SET message_count = message_count + v.column3,
                 activity = MAX(activity, v.column4),
                 updated_at = v.column5, turn_count = turn_count + v.column6
             FROM (",
    width: 6,
    after: ") v WHERE conversations.account = v.column1 AND conversations.ordinal = v.column2;",
};

/// Messages at the ends of conversations.
#[derive(Default)]
pub(in crate::storage::sqlite) struct MessageRows<'r> {
    messages: Vec<Value<'r>>,
    extents: HashMap<(AccountKey, u64), Growth>,
}

/// How much is added to a conversation.
#[derive(Default)]
struct Growth {
    messages: i64,
    turns: u64,
    activity: u64,
    updated_at: i64,
}

impl<'r> MessageRows<'r> {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Messages at the end of conversation `ordinal` (see [`crate::storage::NewMessages`]).
    pub(in crate::storage::sqlite) fn add(
        &mut self,
        owner: AccountKey,
        ordinal: u64,
        messages: &'r [Message],
        (at, activity): (DateTime<Utc>, u64),
    ) {
        let Some(last) = messages.last() else { return };
        let growth = self.extents.entry((owner, ordinal)).or_default();
        for message in messages {
            self.messages.extend([
                owner.into(),
                ordinal.into(),
                growth.messages.into(),
                Value::text(message.id.as_str()),
                Value::text(message.role.name()),
                Value::owned(json(&message.parts)),
                Value::text_if_any(message.image.as_ref().map(ImageId::as_str)),
                message.created_at.timestamp_micros().into(),
                i64::from(message.aborted).into(),
                (growth.turns + message.turn).into(),
            ]);
            growth.messages += 1;
        }
        growth.turns += last.turn;
        growth.activity = growth.activity.max(activity);
        growth.updated_at = at.timestamp_micros();
    }

    pub(super) fn filled(self) -> [Filled<'r>; 2] {
        let extents = self.extents.into_iter().flat_map(|((owner, ordinal), growth)| {
            let Growth { messages, turns, activity, updated_at } = growth;
            let (activity, turns) = (activity.into(), turns.into());
            [owner.into(), ordinal.into(), messages.into(), activity, updated_at.into(), turns]
        });
        [(&MESSAGES, self.messages), (&EXTENTS, extents.collect())]
    }
}
