//! Rows to be inserted into all tables, and the statements that insert them.
//!
//! Everything is stored by these statements, whether it is a turn or a whole account. A batch of
//! writes is one text from BEGIN to COMMIT, so it costs one trip to the connection's thread. Nothing
//! is read between its statements: what must not happen makes one of them fail. A balance below zero
//! violates a CHECK; messages of a conversation that does not exist have no position.
//!
//! Each number of rows needs a text of its own, so the number is rounded up to a power of two, which
//! keeps the texts that are prepared few. The remaining rows are NULL and dropped.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe};

use super::Connection;
use super::values::{json, to_sql};
use crate::domain::Credits;
use crate::domain::catalog::{Agent, Image, as_text};
use crate::domain::conversation::label_text;
use crate::domain::conversation::{Conversation, Message, Target};
use crate::ids::{AgentId, IdKind, ImageId, SdModelId};
use crate::storage::AccountKey;

/// SQLite takes 32,766 parameters a text.
const MOST_PARAMETERS: usize = 32_000;
/// The most rows in one statement, so that no statement has more parameters than that.
const MOST_ROWS: usize = 2048;

/// A statement: the text before and after its rows, and the number of columns in a row.
struct Statement {
    before: &'static str,
    width: usize,
    after: &'static str,
}

const CHARGES: Statement = Statement {
    before: "UPDATE accounts SET balance = balance - v.column2 FROM (",
    width: 2,
    after: ") v WHERE accounts.account = v.column1;",
};

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

const AGENTS: Statement = Statement {
    before: "INSERT INTO agents (account, ordinal, id, name, appearance_prompt, personality_prompt,
                                 description, sd_model)
             SELECT * FROM (",
    width: 8,
    after: ") v WHERE v.column1 IS NOT NULL;",
};

const IMAGES: Statement = Statement {
    before: "INSERT INTO images (account, ordinal, id, prompt, sd_model, created_at)
             SELECT * FROM (",
    width: 6,
    after: ") v WHERE v.column1 IS NOT NULL;",
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

const EXTENTS: Statement = Statement {
    before: "UPDATE conversations
             SET message_count = message_count + v.column3,
                 activity = MAX(activity, v.column4),
                 updated_at = v.column5, turn_count = turn_count + v.column6
             FROM (",
    width: 6,
    after: ") v WHERE conversations.account = v.column1 AND conversations.ordinal = v.column2;",
};

const COUNTERS: Statement = Statement {
    before: "INSERT INTO counters (account, kind, made) SELECT * FROM (",
    width: 3,
    // Writes are not always stored in the order in which their ids were allocated.
    after: ") v WHERE v.column1 IS NOT NULL
            ON CONFLICT (account, kind) DO UPDATE SET made = MAX(made, excluded.made);",
};

/// In the order in which they run.
const STATEMENTS: [Statement; 9] =
    [CHARGES, CONVERSATIONS, LABELS, TALLIES, AGENTS, IMAGES, MESSAGES, EXTENTS, COUNTERS];

/// `rows` rows of `width` parameters each. The parameters have no numbers, since SQLite finds the
/// number of each by going through those of all before it.
pub(super) fn values(rows: usize, width: usize) -> String {
    let row = format!("({})", vec!["?"; width].join(", "));
    format!("VALUES {}", vec![row.as_str(); rows].join(", "))
}

/// A value in a row.
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

/// Rows to be inserted.
#[derive(Default)]
pub(super) struct Rows<'r> {
    charges: BTreeMap<AccountKey, i64>,
    conversations: Vec<Value<'r>>,
    labels: Vec<Value<'r>>,
    tallies: BTreeMap<(AccountKey, &'static str, &'r str, String), i64>,
    agents: Vec<Value<'r>>,
    images: Vec<Value<'r>>,
    messages: Vec<Value<'r>>,
    extents: HashMap<(AccountKey, u64), Growth>,
    counters: BTreeMap<(AccountKey, &'static str), u64>,
}

/// How much longer a conversation becomes.
#[derive(Default)]
struct Growth {
    messages: i64,
    turns: u64,
    activity: u64,
    updated_at: i64,
}

impl<'r> Rows<'r> {
    /// Takes `cost` off the balance.
    pub(super) fn charge(&mut self, owner: AccountKey, cost: Credits) {
        if cost > Credits::default() {
            let sum = self.charges.entry(owner).or_default();
            *sum = sum.saturating_add(cost.millionths());
        }
    }

    /// A conversation without messages, with its labels and tallies.
    pub(super) fn conversation(
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

    /// Messages at the end of conversation `ordinal` (see [`crate::storage::NewMessages`]).
    pub(super) fn messages(
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

    /// An agent.
    pub(super) fn agent(&mut self, owner: AccountKey, ordinal: u64, agent: &'r Agent) {
        self.agents.extend([
            owner.into(),
            ordinal.into(),
            Value::text(agent.id.as_str()),
            Value::text(&agent.name),
            Value::text(&agent.appearance_prompt),
            Value::text(&agent.personality_prompt),
            Value::text(&agent.description),
            Value::text_if_any(agent.sd_model.as_ref().map(SdModelId::as_str)),
        ]);
    }

    /// An image.
    pub(super) fn image(&mut self, owner: AccountKey, ordinal: u64, image: &'r Image) {
        self.images.extend([
            owner.into(),
            ordinal.into(),
            Value::text(image.id.as_str()),
            Value::text(&image.prompt),
            Value::text(image.sd_model.as_str()),
            image.created_at.timestamp_micros().into(),
        ]);
    }

    /// The highest ordinals of an account.
    pub(super) fn counters(&mut self, owner: AccountKey, made: &[(IdKind, u64)]) {
        for (kind, made) in made {
            let most = self.counters.entry((owner, kind.name())).or_default();
            *most = (*most).max(*made);
        }
    }

    /// Whether there are so many rows that they should be inserted before further ones are added.
    pub(super) fn is_full(&self) -> bool {
        self.messages.len() + self.images.len() + self.agents.len() > MOST_PARAMETERS / 4
    }

    /// The values of each of the [`STATEMENTS`].
    fn into_values(self) -> [Vec<Value<'r>>; STATEMENTS.len()] {
        let charges = self.charges.into_iter();
        let tallies = self.tallies.into_iter().flat_map(|((owner, scope, name, value), more)| {
            [owner.into(), Value::text(scope), Value::text(name), Value::owned(value), more.into()]
        });
        let extents = self.extents.into_iter().flat_map(|((owner, ordinal), growth)| {
            let Growth { messages, turns, activity, updated_at } = growth;
            let (activity, turns) = (activity.into(), turns.into());
            [owner.into(), ordinal.into(), messages.into(), activity, updated_at.into(), turns]
        });
        let counters = self
            .counters
            .into_iter()
            .flat_map(|((owner, kind), made)| [owner.into(), Value::text(kind), made.into()]);
        [
            charges.flat_map(|(owner, cost)| [owner.into(), cost.into()]).collect(),
            self.conversations,
            self.labels,
            tallies.collect(),
            self.agents,
            self.images,
            self.messages,
            extents.collect(),
            counters.collect(),
        ]
    }

    /// The statements in their order, as few texts as the parameters allow.
    fn into_texts(self) -> Result<Vec<Text>, sqlx::Error> {
        let mut texts = vec![Text::default()];
        for (statement, values) in STATEMENTS.iter().zip(self.into_values()) {
            let mut values = values.into_iter().peekable();
            while values.peek().is_some() {
                let most = MOST_ROWS * statement.width;
                let chunk: Vec<Value<'_>> = values.by_ref().take(most).collect();
                let count = (chunk.len() / statement.width).next_power_of_two();
                let full = |text: &Text| {
                    text.parameters.len() + count * statement.width > MOST_PARAMETERS
                };
                if texts.last().is_none_or(full) {
                    texts.push(Text::default());
                }
                if let Some(text) = texts.last_mut() {
                    text.push(statement, count, chunk)?;
                }
            }
        }
        Ok(texts)
    }

    /// Inserts everything, inside a transaction.
    pub(super) async fn insert(self, db: &mut Connection) -> Result<(), sqlx::Error> {
        for text in self.into_texts()? {
            text.execute(db).await?;
        }
        Ok(())
    }

    /// Begins a transaction, inserts everything and commits. After an error there may be a
    /// transaction to be rolled back.
    pub(super) async fn commit(self, db: &mut Connection) -> Result<(), sqlx::Error> {
        let mut texts = self.into_texts()?;
        if let Some(first) = texts.first_mut() {
            first.sql.insert_str(0, "BEGIN IMMEDIATE;");
        }
        if let Some(last) = texts.last_mut() {
            last.sql.push_str("COMMIT");
        }
        for text in texts {
            text.execute(db).await?;
        }
        Ok(())
    }
}

/// Statements, and their parameters.
#[derive(Default)]
struct Text {
    sql: String,
    parameters: SqliteArguments,
}

impl Text {
    /// Adds `statement` with `count` rows, of which `values` are the first.
    fn push(
        &mut self,
        statement: &Statement,
        count: usize,
        values: Vec<Value<'_>>,
    ) -> Result<(), sqlx::Error> {
        self.sql.push_str(statement.before);
        self.sql.push_str(&self::values(count, statement.width));
        self.sql.push_str(statement.after);
        let missing = count * statement.width - values.len();
        let padding = std::iter::repeat_with(|| Value::Null).take(missing);
        for value in values.into_iter().chain(padding) {
            let added = match value {
                Value::Null => self.parameters.add(None::<i64>),
                Value::Number(number) => self.parameters.add(number),
                Value::Text(text) => self.parameters.add(text),
            };
            added.map_err(sqlx::Error::Encode)?;
        }
        Ok(())
    }

    async fn execute(self, db: &mut Connection) -> Result<(), sqlx::Error> {
        if self.sql.is_empty() {
            return Ok(());
        }
        sqlx::query_with(AssertSqlSafe(self.sql), self.parameters).execute(db).await.map(drop)
    }
}
