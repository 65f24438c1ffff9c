//! Conversations to be gone on with: finding each with its latest messages, many at a time.
//!
//! Every turn in a conversation begins with this. Those that have queued up are found by one errand
//! to the thread of a connection, one row each: the messages come as one JSON text, because each
//! value of a row costs more on its way here than its few bytes in SQLite.

use std::collections::HashMap;

use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, FromRow as _, Row as _};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::agents;
use super::agents::TEXTS;
use super::conversations;
use super::conversations::ConversationRow;
use super::from_sql;
use super::inconsistent;
use super::messages;
use super::parse;
use super::postings::values;
use super::rows::SHORT;
use super::rows::length;
use super::rows::texts;
use super::to_sql;
use super::{AccountKey, Connection, StoreError};
use crate::domain::Api;
use crate::domain::catalog::Agent;
use crate::domain::conversation::{Conversation, Part, Role};
use crate::ids::{ConversationId, ImageId};

/// The most that are found at a time.
const LARGEST_BATCH: usize = 64;
/// Those that may wait; beyond that, callers wait to queue up.
const QUEUE: usize = 1024;
const PARAMETERS: usize = 6;
/// The longest message, in bytes, that is read with others; and how many are, the latest. So a batch
/// takes some 50 MiB at most.
const SHORT_MESSAGE: usize = 8 * 1024;
const AT_ONCE: usize = 100;
/// The most that is read of a conversation's messages, in bytes: more than the latest turn can take.
pub const LONGEST_HISTORY: u64 = 32 * 1024 * 1024;

/// Which conversation, and how much of it.
#[derive(Debug, Clone)]
pub struct ConversationKey {
    /// Whose.
    pub owner: AccountKey,
    /// Of which API.
    pub api: Api,
    /// Its id.
    pub id: ConversationId,
    /// How much of its end.
    pub latest: History,
}

/// The end of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// The latest turns, so many at most.
    Turns(u64),
    /// The latest messages, so many at most.
    Messages(u64),
}

/// One in the queue, and who waits for it.
pub(super) struct Finding {
    pub(super) sought: ConversationKey,
    pub(super) answer: oneshot::Sender<Result<Option<FoundRow>, StoreError>>,
}

/// A conversation, and what a model is shown of it.
#[derive(Debug)]
pub struct ConversationContext {
    /// The conversation.
    pub conversation: Conversation,
    /// The agent that speaks in it, if there is one.
    pub agent: Option<Agent>,
    /// Its latest messages, oldest first.
    pub latest: Vec<RecentMessage>,
    /// Older messages were left out, although they were wanted: all together would be too long.
    pub cut: bool,
    /// The place among those who hold long texts, to be kept until the answer is there.
    pub held: Option<OwnedSemaphorePermit>,
}

/// A message, as far as a model is shown it.
#[derive(Debug)]
pub struct RecentMessage {
    /// Who spoke.
    pub role: Role,
    /// What was said.
    pub parts: Vec<Part>,
    /// The image that it shows, for a message that is nothing else.
    pub image: Option<ImageId>,
}

/// A conversation as it was read.
pub(super) struct FoundRow {
    conversation: ConversationRow,
    /// A JSON array.
    agent: Option<String>,
    /// The elements of a JSON array, each an array: see [`Message`].
    latest: Option<String>,
}

/// Position, role, parts (null where they are to be read by themselves) and their length in bytes,
/// and image of a message.
type RawMessage = (i64, Role, Option<Vec<Part>>, u64, Option<ImageId>);

/// A conversation as it was read, from which long texts may be missing.
pub(super) struct Parsed {
    conversation: ConversationRow,
    agent: Option<Agent>,
    /// Oldest first.
    latest: Vec<RawMessage>,
}

impl FoundRow {
    pub(super) fn parsed(self) -> Result<Parsed, StoreError> {
        let Self { conversation, agent, latest } = self;
        let wrong = |table, column| inconsistent(table, column, &conversation.id());
        let agent = agent
            .map(|agent| agents::from_json(&agent).ok_or_else(|| wrong("conversations", "agent")));
        let latest =
            latest.map(|latest| in_order(&latest).ok_or_else(|| wrong("messages", "parts")));
        let (agent, latest) = (agent.transpose()?, latest.transpose()?.unwrap_or_default());
        Ok(Parsed { conversation, agent, latest })
    }

    fn of(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            conversation: ConversationRow::from_row(row)?,
            agent: row.try_get("agent_row")?,
            latest: row.try_get("latest")?,
        })
    }
}

impl Parsed {
    /// Whether nothing is missing.
    pub(super) fn is_whole(&self) -> bool {
        let agent_missing = self.agent.is_none() && self.conversation.agent().is_some();
        let message_missing = self.latest.iter().any(|(_, _, parts, ..)| parts.is_none());
        !(self.conversation.is_long() || agent_missing || message_missing)
    }

    pub(super) fn into_domain(self) -> Result<ConversationContext, StoreError> {
        let latest = self.latest.into_iter();
        let message = |(_, role, parts, _, image): RawMessage| RecentMessage {
            role,
            parts: parts.unwrap_or_default(),
            image,
        };
        Ok(ConversationContext {
            conversation: self.conversation.into_domain()?,
            agent: self.agent,
            latest: latest.map(message).collect(),
            cut: false,
            held: None,
        })
    }

    /// Reads what is missing; of the messages the latest that come to [`LONGEST_HISTORY`].
    pub(super) async fn completed(
        mut self,
        db: &mut Connection,
        owner: AccountKey,
    ) -> Result<ConversationContext, StoreError> {
        let ordinal = self.conversation.ordinal();
        if self.conversation.is_long() {
            self.conversation = conversations::row(db, owner, ordinal).await?;
        }
        if let (None, Some(agent)) = (&self.agent, self.conversation.agent()) {
            self.agent = agents::find(db, owner, &agent).await?;
        }
        let mut bytes = 0;
        let fits = |(.., length, _): &&RawMessage| {
            bytes += length;
            bytes <= LONGEST_HISTORY
        };
        let kept = self.latest.iter().rev().take_while(fits).count();
        let cut = kept < self.latest.len();
        self.latest.drain(..self.latest.len() - kept);
        let missing = self.latest.iter().filter(|(_, _, parts, ..)| parts.is_none());
        let missing: Vec<i64> = missing.map(|(position, ..)| *position).collect();
        let parts = messages::parts_at(db, owner, from_sql(ordinal), &missing).await?;
        let mut parts: HashMap<i64, Vec<Part>> = parts.into_iter().collect();
        for (position, _, missing, ..) in &mut self.latest {
            if let Some(found) = parts.remove(position) {
                *missing = Some(found);
            }
        }
        Ok(ConversationContext { cut, ..self.into_domain()? })
    }
}

fn in_order(latest: &str) -> Option<Vec<RawMessage>> {
    let mut latest: Vec<RawMessage> = parse(&format!("[{latest}]"))?;
    latest.sort_by_key(|(position, ..)| *position);
    Some(latest)
}

/// The way to the task that finds conversations, on connections of `pool`.
pub(super) fn start(pool: SqlitePool) -> mpsc::Sender<Finding> {
    let (queue, mut findings) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let mut taken = Vec::with_capacity(LARGEST_BATCH);
        while findings.recv_many(&mut taken, LARGEST_BATCH).await > 0 {
            match pool.acquire().await {
                Ok(mut connection) => find(&mut connection, &mut taken).await,
                Err(fault) => tell_failed(&mut taken, &fault),
            }
        }
    });
    queue
}

/// Finds all that are `sought`, and tells each; by themselves, if one of them spoils it for all.
pub(super) async fn find(db: &mut Connection, sought: &mut Vec<Finding>) {
    match rows(db, sought).await {
        Ok(found) => tell(sought, found),
        Err(fault) if sought.len() == 1 => tell_failed(sought, &fault),
        Err(_) => {
            for finding in std::mem::take(sought) {
                let mut one = vec![finding];
                match rows(db, &one).await {
                    Ok(found) => tell(&mut one, found),
                    Err(fault) => tell_failed(&mut one, &fault),
                }
            }
        }
    }
}

/// What was found, each with its place among the `sought`.
async fn rows(
    db: &mut Connection,
    sought: &[Finding],
) -> Result<HashMap<i64, FoundRow>, sqlx::Error> {
    let parameters = parameters(sought).map_err(sqlx::Error::Encode)?;
    let text = AssertSqlSafe(text(rounded(sought.len())));
    let rows = sqlx::query_with(text, parameters).fetch_all(db).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, FoundRow::of(row)?))).collect()
}

fn tell(sought: &mut Vec<Finding>, mut found: HashMap<i64, FoundRow>) {
    for (nth, finding) in (0..).zip(sought.drain(..)) {
        // Nobody may be waiting any more.
        let _ = finding.answer.send(Ok(found.remove(&nth)));
    }
}

fn tell_failed(sought: &mut Vec<Finding>, fault: &sqlx::Error) {
    for finding in sought.drain(..) {
        let _ = finding.answer.send(Err(StoreError::NotRead(fault.to_string())));
    }
}

fn parameters(sought: &[Finding]) -> Result<SqliteArguments, sqlx::error::BoxDynError> {
    let mut all = SqliteArguments::default();
    all.reserve(rounded(sought.len()) * PARAMETERS, 0);
    for (nth, Finding { sought, .. }) in (0_i64..).zip(sought) {
        all.add(nth)?;
        all.add(sought.owner.0)?;
        all.add(sought.id.as_str())?;
        all.add(sought.api.name())?;
        let (messages, turns) = match sought.latest {
            History::Turns(turns) => (None, Some(to_sql(turns))),
            History::Messages(messages) => (Some(to_sql(messages)), None),
        };
        all.add(messages)?;
        all.add(turns)?;
    }
    for _ in sought.len() * PARAMETERS..rounded(sought.len()) * PARAMETERS {
        all.add(None::<i64>)?;
    }
    Ok(all)
}

/// A text for each number would be prepared anew again and again; rows of NULL find nothing.
fn rounded(count: usize) -> usize {
    count.next_power_of_two()
}

/// The statement that finds `rows`, or fewer.
fn text(rows: usize) -> String {
    let (texts, agent) =
        (texts(&["c.name", "c.meta", "c.variables", "c.system_prompt"], true), length(&TEXTS));
    let mut sql = format!(
        "SELECT s.column1 AS nth, c.id, c.ordinal, c.api, c.target, {texts}, c.agent, c.created_at,
                c.updated_at, c.message_count, c.turn_count,
                (SELECT json_array(a.id, a.name, a.appearance_prompt, a.personality_prompt,
                                   a.description, a.sd_model)
                 FROM agents a
                 WHERE a.account = c.account AND a.id = c.agent AND {agent} <= {SHORT}) AS agent_row,
                (SELECT string_agg('[' || m.position || ',\"' || m.role || '\",' || CASE
                     WHEN octet_length(m.parts) <= {SHORT_MESSAGE}
                          AND m.position >= c.message_count - {AT_ONCE}
                     THEN m.parts ELSE 'null' END
                     || ',' || octet_length(m.parts) || ',' || json_quote(m.image) || ']', ',')
                 FROM messages m
                 WHERE m.account = c.account AND m.conversation = c.ordinal
                   AND m.position >= CASE WHEN s.column6 IS NULL
                       THEN c.message_count - s.column5
                       ELSE COALESCE(
                           (SELECT t.position FROM messages t
                            WHERE t.account = c.account AND t.conversation = c.ordinal
                              AND t.role = 'user' AND t.turn > c.turn_count - s.column6
                            ORDER BY t.turn, t.position LIMIT 1),
                           c.message_count) END) AS latest
         FROM (",
    );
    sql.push_str(&values(rows, PARAMETERS));
    sql.push_str(
        ") s CROSS JOIN conversations c
         WHERE c.account = s.column2 AND c.id = s.column3 AND c.api = s.column4",
    );
    sql
}
