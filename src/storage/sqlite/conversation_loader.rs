//! Loads the conversations that turns continue, each with its latest messages.
//!
//! Requests that are queued together are loaded by one query, one row each. The messages are one JSON
//! text, because each value of a row has to be passed on from the connection's thread.

use std::collections::HashMap;

use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, FromRow as _, Row as _};
use tokio::sync::{mpsc, oneshot};

use super::Connection;
use super::queries::agents::{self, TEXTS};
use super::queries::conversations::{self, ConversationRow};
use super::queries::messages;
use super::queries::rows::{SHORT, length};
use super::rows::values;
use super::values::{inconsistent, parse, to_sql};
use crate::domain::catalog::Agent;
use crate::domain::conversation::{Part, Role};
use crate::ids::ImageId;
use crate::storage::{
    AccountKey, ConversationContext, ConversationKey, History, LONGEST_HISTORY, RecentMessage,
    StorageError,
};

/// The most conversations in one query.
const LARGEST_BATCH: usize = 64;
/// The capacity of the queue; further callers wait.
const QUEUE: usize = 1024;
const PARAMETERS: usize = 6;
/// The longest message in bytes that such a query reads, and the most messages of a conversation, so that
/// a batch takes at most about 50 MiB.
const SHORT_MESSAGE: usize = 8 * 1024;
const AT_ONCE: usize = 100;

/// A conversation to be loaded, in the queue.
pub(super) struct LoadRequest {
    pub(super) key: ConversationKey,
    pub(super) answer: oneshot::Sender<Result<Option<LoadedRow>, StorageError>>,
}

/// A conversation as the query returns it.
pub(super) struct LoadedRow {
    conversation: ConversationRow,
    /// A JSON array.
    agent: Option<String>,
    /// The elements of a JSON array, each a [`RawMessage`].
    latest: Option<String>,
}

/// A message: position, role, parts (null if they must be read separately), their length in bytes, image.
type RawMessage = (u64, Role, Option<Vec<Part>>, u64, Option<ImageId>);

/// A conversation from which long texts may be missing.
pub(super) struct LoadedConversation {
    conversation: ConversationRow,
    agent: Option<Agent>,
    /// Oldest first.
    latest: Vec<RawMessage>,
}

impl LoadedRow {
    pub(super) fn parsed(self) -> Result<LoadedConversation, StorageError> {
        let Self { conversation, agent, latest } = self;
        let wrong = |table, column| inconsistent(table, column, &conversation.id());
        let agent = agent
            .map(|agent| agents::from_json(&agent).ok_or_else(|| wrong("conversations", "agent")));
        let latest =
            latest.map(|latest| in_order(&latest).ok_or_else(|| wrong("messages", "parts")));
        let (agent, latest) = (agent.transpose()?, latest.transpose()?.unwrap_or_default());
        Ok(LoadedConversation { conversation, agent, latest })
    }

    fn of(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            conversation: ConversationRow::from_row(row)?,
            agent: row.try_get("agent_row")?,
            latest: row.try_get("latest")?,
        })
    }
}

impl LoadedConversation {
    /// Whether no text is missing.
    pub(super) fn is_whole(&self) -> bool {
        let agent_missing = self.agent.is_none() && self.conversation.agent().is_some();
        let message_missing = self.latest.iter().any(|(_, _, parts, ..)| parts.is_none());
        !(self.conversation.is_long() || agent_missing || message_missing)
    }

    pub(super) fn into_domain(self) -> Result<ConversationContext, StorageError> {
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
            truncated: false,
            permit: None,
        })
    }

    /// Reads the missing texts, and of the messages the latest, up to [`LONGEST_HISTORY`] bytes together.
    pub(super) async fn completed(
        mut self,
        db: &mut Connection,
        owner: AccountKey,
    ) -> Result<ConversationContext, StorageError> {
        let ordinal = self.conversation.ordinal();
        if self.conversation.is_long() {
            self.conversation = conversations::row(db, owner, ordinal).await?;
        }
        if let (None, Some(agent)) = (&self.agent, self.conversation.agent()) {
            self.agent = agents::find(db, owner, agent).await?;
        }
        let mut bytes = 0;
        let fits = |(.., length, _): &&RawMessage| {
            bytes += length;
            bytes <= LONGEST_HISTORY
        };
        let kept = self.latest.iter().rev().take_while(fits).count();
        let truncated = kept < self.latest.len();
        self.latest.drain(..self.latest.len() - kept);
        let missing = self.latest.iter().filter(|(_, _, parts, ..)| parts.is_none());
        let missing: Vec<u64> = missing.map(|(position, ..)| *position).collect();
        let parts = messages::parts_at(db, owner, ordinal, &missing).await?;
        let mut parts: HashMap<u64, Vec<Part>> = parts.into_iter().collect();
        for (position, _, missing, ..) in &mut self.latest {
            if let Some(found) = parts.remove(position) {
                *missing = Some(found);
            }
        }
        Ok(ConversationContext { truncated, ..self.into_domain()? })
    }
}

fn in_order(latest: &str) -> Option<Vec<RawMessage>> {
    let mut latest: Vec<RawMessage> = parse(&format!("[{latest}]"))?;
    latest.sort_by_key(|(position, ..)| *position);
    Some(latest)
}

/// Starts the task that loads conversations on connections of `pool`; returns its queue.
pub(super) fn start(pool: SqlitePool) -> mpsc::Sender<LoadRequest> {
    let (queue, mut requests) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let mut taken = Vec::with_capacity(LARGEST_BATCH);
        while requests.recv_many(&mut taken, LARGEST_BATCH).await > 0 {
            match pool.acquire().await {
                Ok(mut connection) => load(&mut connection, &mut taken).await,
                Err(error) => answer_all_with(&mut taken, &error),
            }
        }
    });
    queue
}

/// Loads the conversations of `requests` and answers them. If the query fails, each is loaded by
/// itself, so that one that cannot be read does not fail the others.
pub(super) async fn load(db: &mut Connection, requests: &mut Vec<LoadRequest>) {
    match rows(db, requests).await {
        Ok(rows) => answer_all(requests, rows),
        Err(error) if requests.len() == 1 => answer_all_with(requests, &error),
        Err(_) => {
            for request in std::mem::take(requests) {
                let mut one = vec![request];
                match rows(db, &one).await {
                    Ok(rows) => answer_all(&mut one, rows),
                    Err(error) => answer_all_with(&mut one, &error),
                }
            }
        }
    }
}

/// The rows by the index of their request.
async fn rows(
    db: &mut Connection,
    requests: &[LoadRequest],
) -> Result<HashMap<i64, LoadedRow>, sqlx::Error> {
    let parameters = parameters(requests).map_err(sqlx::Error::Encode)?;
    let text = AssertSqlSafe(text(row_count(requests.len())));
    let rows = sqlx::query_with(text, parameters).fetch_all(db).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, LoadedRow::of(row)?))).collect()
}

fn answer_all(requests: &mut Vec<LoadRequest>, mut rows: HashMap<i64, LoadedRow>) {
    for (nth, request) in (0..).zip(requests.drain(..)) {
        // The receiver may be dropped.
        let _ = request.answer.send(Ok(rows.remove(&nth)));
    }
}

fn answer_all_with(requests: &mut Vec<LoadRequest>, error: &sqlx::Error) {
    for request in requests.drain(..) {
        let _ = request.answer.send(Err(StorageError::NotRead(error.to_string())));
    }
}

fn parameters(requests: &[LoadRequest]) -> Result<SqliteArguments, sqlx::error::BoxDynError> {
    let mut all = SqliteArguments::default();
    all.reserve(row_count(requests.len()) * PARAMETERS, 0);
    for (nth, LoadRequest { key, .. }) in (0_i64..).zip(requests) {
        all.add(nth)?;
        all.add(key.owner.0)?;
        all.add(key.id.as_str())?;
        all.add(key.api.name())?;
        let (messages, turns) = match key.latest {
            History::Turns(turns) => (None, Some(to_sql(turns))),
            History::Messages(messages) => (Some(to_sql(messages)), None),
        };
        all.add(messages)?;
        all.add(turns)?;
    }
    for _ in requests.len() * PARAMETERS..row_count(requests.len()) * PARAMETERS {
        all.add(None::<i64>)?;
    }
    Ok(all)
}

/// The number of rows that the query has for `count` requests: a power of two, so that few statements are
/// prepared. Rows of NULL match nothing.
fn row_count(count: usize) -> usize {
    count.next_power_of_two()
}

/// The query that loads up to `rows` conversations.
fn text(rows: usize) -> String {
    let (columns, agent) = (conversations::columns(true), length(&TEXTS));
    let mut sql = format!(
        "SELECT s.column1 AS nth, {columns},
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
