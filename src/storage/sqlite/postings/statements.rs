//! The statements that store postings, as one errand.
//!
//! A text for every number of postings would be prepared anew again and again, so the number of
//! rows in it is rounded up to a power of two; rows that are left over are NULL, and dropped.
//!
//! The errand ends with the commit, and nobody looks between its statements. So what must not be
//! makes one of them fail: a balance that is another than the clerk thinks comes out as -1, which
//! its column refuses; messages of a conversation that is not there have no position.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe};

use super::{Balance, ReadyPosting, WholeTurn};
use crate::domain::catalog::as_text;
use crate::domain::conversation::label_text;
use crate::domain::conversation::{Conversation, Target};
use crate::ids::{AgentId, ImageId};
use crate::storage::AccountKey;
use crate::storage::sqlite::Connection;
use crate::storage::sqlite::values::{json, to_sql};

/// One of the statements: what stands before and after its rows, and the width of each.
struct Statement {
    before: &'static str,
    width: usize,
    after: &'static str,
}

const BALANCES: Statement = Statement {
    before: "UPDATE accounts
             SET balance = CASE WHEN accounts.balance = v.column2 THEN v.column3 ELSE -1 END
             FROM (",
    width: 3,
    after: ") v WHERE accounts.account = v.column1;",
};

const BEGUN: Statement = Statement {
    before: "INSERT INTO conversations (account, ordinal, id, api, target, name, meta, variables,
                                        system_prompt, agent, created_at, updated_at, activity,
                                        message_count)
             SELECT v.*, 0, 0 FROM (",
    width: 12,
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

const CONVERSATIONS: Statement = Statement {
    before: "UPDATE conversations
             SET message_count = message_count + v.column3, activity = v.column4,
                 updated_at = v.column5, turn_count = turn_count + v.column6
             FROM (",
    width: 6,
    after: ") v WHERE conversations.account = v.column1 AND conversations.ordinal = v.column2;",
};

const COUNTERS: Statement = Statement {
    before: "INSERT INTO counters (account, kind, made) SELECT * FROM (",
    width: 3,
    after: ") v WHERE v.column1 IS NOT NULL
            ON CONFLICT (account, kind) DO UPDATE SET made = excluded.made;",
};

/// In the order in which they run.
const STATEMENTS: [Statement; 7] =
    [BALANCES, BEGUN, LABELS, TALLIES, MESSAGES, CONVERSATIONS, COUNTERS];

/// How many rows each of the statements takes: none, or a power of two.
#[derive(Debug)]
pub(super) struct Shape([usize; STATEMENTS.len()]);

impl Shape {
    /// The statements, from BEGIN to COMMIT. Their parameters have no numbers, since SQLite finds
    /// the number of each by going through those of all before it.
    fn text(&self) -> String {
        let mut sql = String::from("BEGIN IMMEDIATE;");
        for (statement, rows) in STATEMENTS.iter().zip(self.0) {
            if rows > 0 {
                sql.push_str(statement.before);
                sql.push_str(&values(rows, statement.width));
                sql.push_str(statement.after);
            }
        }
        sql.push_str("COMMIT");
        sql
    }
}

/// `rows` rows of `width` parameters each.
pub(in crate::storage::sqlite) fn values(rows: usize, width: usize) -> String {
    let row = format!("({})", vec!["?"; width].join(", "));
    format!("VALUES {}", vec![row.as_str(); rows].join(", "))
}

/// What stands in a row.
enum Value<'r> {
    Null,
    Number(i64),
    Text(Cow<'r, str>),
}

impl<'r> Value<'r> {
    fn text(text: &'r str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    fn owned(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    fn text_if_any(text: Option<&'r str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }
}

impl From<AccountKey> for Value<'_> {
    fn from(owner: AccountKey) -> Self {
        Self::Number(owner.0)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Number(to_sql(number))
    }
}

/// What is to be stored, row by row.
#[derive(Default)]
pub(super) struct Sheet<'r> {
    balances: Vec<Value<'r>>,
    begun: Vec<Value<'r>>,
    labels: Vec<Value<'r>>,
    messages: Vec<Value<'r>>,
    tallies: BTreeMap<(AccountKey, &'static str, &'r str, String), i64>,
    conversations: HashMap<(AccountKey, u64), GoneOn>,
    counters: BTreeMap<(AccountKey, &'static str), u64>,
}

/// What becomes of a conversation.
#[derive(Default)]
struct GoneOn {
    added: i64,
    turns: i64,
    activity: u64,
    updated_at: i64,
}

impl<'r> Sheet<'r> {
    pub(super) fn of(ready: &'r [ReadyPosting], balances: &BTreeMap<AccountKey, Balance>) -> Self {
        let mut sheet = Self::default();
        for (owner, Balance { before, after }) in balances {
            let (before, after) = (before.millionths().into(), after.millionths().into());
            sheet.balances.extend([(*owner).into(), before, after]);
        }
        for ReadyPosting { owner, drawn, .. } in ready {
            if let Some(conversation) = &drawn.begins {
                sheet.begin(*owner, conversation);
            }
            if let Some(turn) = &drawn.turn {
                sheet.add(*owner, turn);
            }
            for (kind, made) in &drawn.made {
                sheet.counters.insert((*owner, kind.name()), *made);
            }
        }
        sheet
    }

    fn begin(&mut self, owner: AccountKey, conversation: &'r Conversation) {
        self.begun.extend([
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
            conversation.created_at.timestamp().into(),
            conversation.updated_at.timestamp().into(),
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

    fn add(&mut self, owner: AccountKey, turn: &'r WholeTurn) {
        let conversation = self.conversations.entry((owner, turn.conversation)).or_default();
        conversation.activity = turn.activity;
        conversation.turns += 1;
        for message in &turn.messages {
            let at = message.created_at.timestamp();
            self.messages.extend([
                owner.into(),
                turn.conversation.into(),
                conversation.added.into(),
                Value::text(message.id.as_str()),
                Value::text(message.role.name()),
                Value::owned(json(&message.parts)),
                Value::text_if_any(message.image.as_ref().map(ImageId::as_str)),
                at.into(),
                i64::from(message.aborted).into(),
                conversation.turns.into(),
            ]);
            conversation.added += 1;
            conversation.updated_at = at;
        }
    }

    /// The shape of the statements that take it, and their parameters.
    pub(super) fn parameters(self) -> Result<(Shape, SqliteArguments), sqlx::Error> {
        let tallies = self.tallies.into_iter().flat_map(|((owner, scope, name, value), more)| {
            [owner.into(), Value::text(scope), Value::text(name), Value::owned(value), more.into()]
        });
        let conversations = self.conversations.into_iter().flat_map(|((owner, ordinal), row)| {
            let GoneOn { added, turns, activity, updated_at } = row;
            let activity = activity.into();
            [owner.into(), ordinal.into(), added.into(), activity, updated_at.into(), turns.into()]
        });
        let counters = self
            .counters
            .into_iter()
            .flat_map(|((owner, kind), made)| [owner.into(), Value::text(kind), made.into()]);
        let rows: [Vec<Value<'_>>; STATEMENTS.len()] = [
            self.balances,
            self.begun,
            self.labels,
            tallies.collect(),
            self.messages,
            conversations.collect(),
            counters.collect(),
        ];
        let mut shape = Shape([0; STATEMENTS.len()]);
        let mut all = SqliteArguments::default();
        for ((statement, rows), count) in STATEMENTS.iter().zip(rows).zip(&mut shape.0) {
            if rows.is_empty() {
                continue;
            }
            *count = (rows.len() / statement.width).next_power_of_two();
            let left_over = *count * statement.width - rows.len();
            let padding = std::iter::repeat_with(|| Value::Null).take(left_over);
            for value in rows.into_iter().chain(padding) {
                let added = match value {
                    Value::Null => all.add(None::<i64>),
                    Value::Number(number) => all.add(number),
                    Value::Text(text) => all.add(text),
                };
                added.map_err(sqlx::Error::Encode)?;
            }
        }
        Ok((shape, all))
    }
}

/// Begins, stores everything, commits. After an error there may be a transaction to be undone.
pub(super) async fn execute(
    db: &mut Connection,
    shape: Shape,
    parameters: SqliteArguments,
) -> Result<(), sqlx::Error> {
    sqlx::query_with(AssertSqlSafe(shape.text()), parameters).execute(db).await.map(drop)
}
