//! Conversations to be gone on with: finding each with its latest messages, many at a time.
//!
//! Every turn begins with this. Those that have queued up are found by one errand to the thread of
//! a connection, one row each: the messages come as one JSON text, because each value of a row
//! costs more on its way here than its few bytes in SQLite.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, FromRow as _, Row as _};
use tokio::sync::{mpsc, oneshot};

use super::conversations::ConversationRow;
use super::postings::values;
use super::{AccountRow, Connection, StoreError, inconsistent, parse, to_sql};
use crate::domain::conversation::{Api, Conversation, Part, Role, Turn};
use crate::ids::ConversationId;

/// The most that are found at a time.
const LARGEST_BATCH: usize = 64;
/// Those that may wait; beyond that, callers wait to queue up.
const QUEUE: usize = 1024;
const PARAMETERS: usize = 5;

/// Which conversation, and how much of it.
#[derive(Debug, Clone)]
pub struct Sought {
    /// Whose.
    pub owner: AccountRow,
    /// Of which API.
    pub api: Api,
    /// Its id.
    pub id: ConversationId,
    /// The most of its messages, the latest ones.
    pub latest: u64,
}

/// One in the queue, and who waits for it.
pub(super) struct Finding {
    pub(super) sought: Sought,
    pub(super) answer: oneshot::Sender<Result<Option<Found>, StoreError>>,
}

/// A conversation as it was found.
pub(super) struct Found {
    conversation: ConversationRow,
    /// The elements of a JSON array, each a [`Latest`].
    latest: Option<String>,
}

/// Position, role and parts of a message.
type Latest = (i64, Role, Vec<Part>);

impl Found {
    /// The conversation, and its latest messages, oldest first.
    pub(super) fn into_domain(self) -> Result<(Conversation, Vec<Turn>), StoreError> {
        let conversation = self.conversation.into_domain()?;
        let Some(latest) = self.latest else { return Ok((conversation, Vec::new())) };
        let latest: Option<Vec<Latest>> = parse(&format!("[{latest}]"));
        let mut latest =
            latest.ok_or_else(|| inconsistent("messages", "parts", &conversation.id))?;
        latest.sort_by_key(|(position, _, _)| *position);
        let turns = latest.into_iter().map(|(_, role, parts)| Turn { role, parts }).collect();
        Ok((conversation, turns))
    }

    fn of(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { conversation: ConversationRow::from_row(row)?, latest: row.try_get("latest")? })
    }
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

/// Finds all that are `sought`, and tells each.
pub(super) async fn find(db: &mut Connection, sought: &mut Vec<Finding>) {
    let rows = match parameters(sought) {
        Ok(parameters) => {
            let text = AssertSqlSafe(text(sought.len()));
            sqlx::query_with(text, parameters).fetch_all(db).await
        }
        Err(fault) => Err(sqlx::Error::Encode(fault)),
    };
    let found = rows.and_then(|rows| {
        let numbered = rows.iter().map(|row| Ok((row.try_get::<i64, _>(0)?, Found::of(row)?)));
        numbered.collect::<Result<HashMap<_, _>, sqlx::Error>>()
    });
    match found {
        Ok(mut found) => {
            for (nth, finding) in (0..).zip(sought.drain(..)) {
                let _ = finding.answer.send(Ok(found.remove(&nth)));
            }
        }
        Err(fault) => tell_failed(sought, &fault),
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
        all.add(to_sql(sought.latest))?;
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

/// The statement that finds `count`.
fn text(count: usize) -> Arc<str> {
    static TEXTS: Mutex<Vec<(usize, Arc<str>)>> = Mutex::new(Vec::new());
    let rows = rounded(count);
    let mut texts = TEXTS.lock();
    if let Some((_, text)) = texts.iter().find(|(known, _)| *known == rows) {
        return Arc::clone(text);
    }
    let text: Arc<str> = written(rows).into();
    texts.push((rows, Arc::clone(&text)));
    text
}

fn written(rows: usize) -> String {
    let mut sql = String::from(
        "SELECT s.column1 AS nth, c.id, c.ordinal, c.api, c.target, c.name, c.meta, c.variables,
                c.system_prompt, c.agent, c.created_at, c.updated_at, c.message_count,
                (SELECT string_agg('[' || m.position || ',\"' || m.role || '\",' || m.parts || ']', ',')
                 FROM messages m
                 WHERE m.account = c.account AND m.conversation = c.ordinal
                   AND m.position >= c.message_count - s.column5) AS latest
         FROM (",
    );
    sql.push_str(&values(rows, PARAMETERS));
    sql.push_str(
        ") s CROSS JOIN conversations c
         WHERE c.account = s.column2 AND c.id = s.column3 AND c.api = s.column4",
    );
    sql
}
