//! The statements that store postings, as one errand.
//!
//! A text for every number of postings would be prepared anew again and again, so the number of
//! rows in it is rounded up to a power of two; rows that are left over are NULL, and dropped.
//!
//! The errand ends with the commit, and nobody looks between its statements. So what must not be
//! makes one of them fail: a balance that is another than the clerk thinks comes out as -1, which
//! its column refuses; messages of a conversation that is not there have no position.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, Encode, Sqlite, Type};

use super::{Balance, Ready};
use crate::domain::conversation::Message;
use crate::ids::ImageId;
use crate::store::{AccountRow, Connection, json, to_sql};

/// How many rows of each kind the statements take; each 0 or a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    /// Balances that become others.
    balances: usize,
    /// Messages.
    messages: usize,
    /// Conversations that they are added to.
    conversations: usize,
    /// Counters.
    counters: usize,
}

/// What is to be stored, row by row.
pub(super) struct Sheet<'r> {
    balances: &'r BTreeMap<AccountRow, Balance>,
    messages: Vec<MessageRow<'r>>,
    conversations: HashMap<(AccountRow, u64), ConversationRow>,
    counters: BTreeMap<(AccountRow, &'static str), u64>,
}

struct MessageRow<'r> {
    owner: AccountRow,
    conversation: u64,
    /// Its place after the messages that the conversation holds.
    nth: i64,
    message: &'r Message,
}

#[derive(Default)]
struct ConversationRow {
    added: i64,
    activity: u64,
    updated_at: i64,
}

const OF_BALANCE: usize = 3;
const OF_MESSAGE: usize = 9;
const OF_CONVERSATION: usize = 5;
const OF_COUNTER: usize = 3;

impl Shape {
    /// The statements, from BEGIN to COMMIT. Their parameters have no numbers, since SQLite finds
    /// the number of each by going through those of all before it.
    pub(super) fn text(&self) -> String {
        let mut sql = String::from("BEGIN IMMEDIATE;");
        let rows = |sql: &mut String, before: &str, (count, width), after: &str| {
            if count > 0 {
                sql.push_str(before);
                sql.push_str(&values(count, width));
                sql.push_str(after);
            }
        };
        rows(
            &mut sql,
            "UPDATE accounts
             SET balance = CASE WHEN accounts.balance = v.column2 THEN v.column3 ELSE -1 END
             FROM (",
            (self.balances, OF_BALANCE),
            ") v WHERE accounts.account = v.column1;",
        );
        rows(
            &mut sql,
            "INSERT INTO messages (account, conversation, position, id, role, parts, image,
                                   created_at, aborted)
             SELECT v.column1, v.column2, c.message_count + v.column3, v.column4, v.column5,
                    v.column6, v.column7, v.column8, v.column9
             FROM (",
            (self.messages, OF_MESSAGE),
            ") v LEFT JOIN conversations c ON c.account = v.column1 AND c.ordinal = v.column2
             WHERE v.column1 IS NOT NULL;",
        );
        rows(
            &mut sql,
            "UPDATE conversations
             SET message_count = message_count + v.column3, activity = v.column4,
                 updated_at = v.column5
             FROM (",
            (self.conversations, OF_CONVERSATION),
            ") v WHERE conversations.account = v.column1 AND conversations.ordinal = v.column2;",
        );
        rows(
            &mut sql,
            "INSERT INTO counters (account, kind, made) SELECT * FROM (",
            (self.counters, OF_COUNTER),
            ") v WHERE v.column1 IS NOT NULL
             ON CONFLICT (account, kind) DO UPDATE SET made = excluded.made;",
        );
        sql.push_str("COMMIT");
        sql
    }
}

/// `rows` rows of `width` parameters each.
pub(in crate::store) fn values(rows: usize, width: usize) -> String {
    let row = format!("({})", vec!["?"; width].join(", "));
    format!("VALUES {}", vec![row.as_str(); rows].join(", "))
}

impl<'r> Sheet<'r> {
    pub(super) fn of(ready: &'r [Ready], balances: &'r BTreeMap<AccountRow, Balance>) -> Self {
        let mut messages = Vec::with_capacity(ready.len() * 2);
        let mut conversations: HashMap<_, ConversationRow> = HashMap::new();
        let mut counters = BTreeMap::new();
        for Ready { owner, drawn, .. } in ready {
            for (kind, made) in &drawn.made {
                counters.insert((*owner, kind.name()), *made);
            }
            let Some(turn) = &drawn.turn else { continue };
            let key = (*owner, turn.conversation);
            let conversation = conversations.entry(key).or_default();
            conversation.activity = turn.activity;
            for message in &turn.messages {
                let (nth, conversation_ordinal) = (conversation.added, turn.conversation);
                messages.push(MessageRow {
                    owner: *owner,
                    conversation: conversation_ordinal,
                    nth,
                    message,
                });
                conversation.added += 1;
                conversation.updated_at = message.created_at.timestamp();
            }
        }
        Self { balances, messages, conversations, counters }
    }

    pub(super) fn shape(&self) -> Shape {
        let rounded = |count: usize| if count == 0 { 0 } else { count.next_power_of_two() };
        Shape {
            balances: rounded(self.balances.len()),
            messages: rounded(self.messages.len()),
            conversations: rounded(self.conversations.len()),
            counters: rounded(self.counters.len()),
        }
    }

    /// Begins, stores everything, commits. After an error there may be a transaction to be undone.
    pub(super) async fn execute(
        &self,
        db: &mut Connection,
        text: Arc<str>,
    ) -> Result<(), sqlx::Error> {
        let parameters = self.parameters().map_err(sqlx::Error::Encode)?;
        sqlx::query_with(AssertSqlSafe(text), parameters).execute(db).await.map(drop)
    }

    fn parameters(&self) -> Result<SqliteArguments, sqlx::error::BoxDynError> {
        let shape = self.shape();
        let mut all = Parameters::default();
        for (owner, balance) in self.balances {
            all.add(owner.0)?;
            all.add(balance.before.millionths())?;
            all.add(balance.after.millionths())?;
        }
        all.pad((shape.balances - self.balances.len()) * OF_BALANCE)?;
        for row in &self.messages {
            all.add(row.owner.0)?;
            all.add(to_sql(row.conversation))?;
            all.add(row.nth)?;
            all.add(row.message.id.as_str())?;
            all.add(row.message.role.name())?;
            all.add(json(&row.message.parts))?;
            all.add(row.message.image.as_ref().map(ImageId::as_str))?;
            all.add(row.message.created_at.timestamp())?;
            all.add(row.message.aborted)?;
        }
        all.pad((shape.messages - self.messages.len()) * OF_MESSAGE)?;
        for ((owner, conversation), row) in &self.conversations {
            all.add(owner.0)?;
            all.add(to_sql(*conversation))?;
            all.add(row.added)?;
            all.add(to_sql(row.activity))?;
            all.add(row.updated_at)?;
        }
        all.pad((shape.conversations - self.conversations.len()) * OF_CONVERSATION)?;
        for ((owner, kind), made) in &self.counters {
            all.add(owner.0)?;
            all.add(*kind)?;
            all.add(to_sql(*made))?;
        }
        all.pad((shape.counters - self.counters.len()) * OF_COUNTER)?;
        Ok(all.0)
    }
}

#[derive(Default)]
struct Parameters(SqliteArguments);

impl Parameters {
    fn add<'t, T>(&mut self, value: T) -> Result<(), sqlx::error::BoxDynError>
    where
        T: Encode<'t, Sqlite> + Type<Sqlite> + 't,
    {
        self.0.add(value)
    }

    fn pad(&mut self, count: usize) -> Result<(), sqlx::error::BoxDynError> {
        for _ in 0..count {
            self.add(None::<i64>)?;
        }
        Ok(())
    }
}
