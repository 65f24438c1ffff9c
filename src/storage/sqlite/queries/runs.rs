//! Agent runs, and the histories of conversations.

use super::messages;
use crate::domain::agent_run::{RunStep, ToolCall};
use crate::ids::{ConversationId, DeploymentId, RunId, ToolCallId};
use crate::storage::sqlite::Connection;
use crate::storage::sqlite::values::{from_micros, inconsistent, parse, to_sql};
use crate::storage::{
    AccountKey, FoundCall, HistoryCall, HistoryItem, HistoryPage, HistoryPosition, PageWindow,
    StorageError, StoredRun,
};

/// The most bytes of texts on one page of a history; one item may be longer.
const LONGEST_PAGE: u64 = 8 * 1024 * 1024;

fn step(state: &str, conversation: u64) -> Result<RunStep, StorageError> {
    parse(state).ok_or_else(|| inconsistent("run_steps", "state", &conversation))
}

/// The latest step of the latest run in conversation `ordinal`.
pub async fn latest_step(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
) -> Result<Option<RunStep>, StorageError> {
    let state: Option<String> = sqlx::query_scalar(
        "SELECT state FROM run_steps WHERE account = $1 AND conversation = $2
         ORDER BY run DESC, step DESC LIMIT 1",
    )
    .bind(owner.0)
    .bind(to_sql(ordinal))
    .fetch_optional(db)
    .await?;
    state.map(|state| step(&state, ordinal)).transpose()
}

/// The call `id` in conversation `ordinal`.
pub async fn find_call(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
    id: ToolCallId,
) -> Result<Option<FoundCall>, StorageError> {
    let next: Option<Option<String>> = sqlx::query_scalar(
        "SELECT s.state FROM tool_calls t LEFT JOIN run_steps s
         ON s.account = t.account AND s.conversation = t.conversation AND s.run = t.run
            AND s.step = t.step + 1
         WHERE t.account = $1 AND t.conversation = $2 AND t.id = $3",
    )
    .bind(owner.0)
    .bind(to_sql(ordinal))
    .bind(id.as_str())
    .fetch_optional(db)
    .await?;
    let Some(next) = next else { return Ok(None) };
    let next = next.map(|state| step(&state, ordinal)).transpose()?;
    Ok(Some(FoundCall { next }))
}

/// A run as it is read.
#[derive(sqlx::FromRow)]
struct RunRow {
    ordinal: u64,
    id: String,
    target: String,
    state: String,
}

impl RunRow {
    fn into_domain(self) -> Result<StoredRun, StorageError> {
        Ok(StoredRun {
            ordinal: self.ordinal,
            conversation: ConversationId::from(self.id),
            deployment: DeploymentId::from(self.target),
            step: step(&self.state, self.ordinal)?,
        })
    }
}

/// The account's runs in `window`, the latest step first, and how many there are.
pub async fn list(
    db: &mut Connection,
    owner: AccountKey,
    window: PageWindow,
) -> Result<(Vec<StoredRun>, u64), StorageError> {
    let total: u64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM run_steps WHERE account = $1 AND step = 0")
            .bind(owner.0)
            .fetch_one(&mut *db)
            .await?;
    let rows: Vec<RunRow> = sqlx::query_as(
        "SELECT c.ordinal, c.id, c.target, s.state FROM run_steps s
         JOIN conversations c ON c.account = s.account AND c.ordinal = s.conversation
         WHERE s.account = $1 AND NOT EXISTS (
             SELECT 1 FROM run_steps n WHERE n.account = s.account
             AND n.conversation = s.conversation AND n.run = s.run AND n.step = s.step + 1)
         ORDER BY c.activity DESC, s.run DESC LIMIT $2 OFFSET $3",
    )
    .bind(owner.0)
    .bind(to_sql(window.take))
    .bind(to_sql(window.skip))
    .fetch_all(db)
    .await?;
    let runs = rows.into_iter().map(RunRow::into_domain).collect::<Result<_, _>>()?;
    Ok((runs, total))
}

/// The account's run `id`.
pub async fn find(
    db: &mut Connection,
    owner: AccountKey,
    id: RunId,
) -> Result<Option<StoredRun>, StorageError> {
    let row: Option<RunRow> = sqlx::query_as(
        "SELECT c.ordinal, c.id, c.target, s.state FROM run_steps f
         JOIN conversations c ON c.account = f.account AND c.ordinal = f.conversation
         JOIN run_steps s ON s.account = f.account AND s.conversation = f.conversation
                          AND s.run = f.run
         WHERE f.account = $1 AND f.run_id = $2 AND f.step = 0
         ORDER BY s.step DESC LIMIT 1",
    )
    .bind(owner.0)
    .bind(id.as_str())
    .fetch_optional(db)
    .await?;
    row.map(RunRow::into_domain).transpose()
}

/// All steps of the account's runs with the ordinals of their conversations, oldest first.
pub async fn all(
    db: &mut Connection,
    owner: AccountKey,
) -> Result<Vec<(u64, RunStep)>, StorageError> {
    let rows: Vec<(u64, String)> = sqlx::query_as(
        "SELECT conversation, state FROM run_steps WHERE account = $1
         ORDER BY conversation, run, step",
    )
    .bind(owner.0)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|(ordinal, state)| Ok((ordinal, step(&state, ordinal)?))).collect()
}

/// The latest `limit` items of conversation `ordinal` before `before`, fewer if their texts are long.
pub async fn history(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
    before: HistoryPosition,
    limit: u64,
) -> Result<HistoryPage, StorageError> {
    let newest = newest_items(db, owner, ordinal, before, limit.saturating_add(1)).await?;
    let (mut positions, mut bytes) = (Vec::new(), 0);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let count = newest.len();
    for (position, length) in newest {
        bytes += length;
        if positions.len() == limit || (bytes > LONGEST_PAGE && !positions.is_empty()) {
            break;
        }
        positions.push(position);
    }
    let has_more = positions.len() < count;
    let Some(oldest) = positions.last().copied() else {
        return Ok(HistoryPage { items: Vec::new(), has_more });
    };
    let mut items = messages_from(db, owner, ordinal, &positions).await?;
    items.extend(calls_from(db, owner, ordinal, oldest, before).await?);
    items.sort_by_key(|(position, _)| *position);
    Ok(HistoryPage { items, has_more })
}

/// The positions of the newest items before `before`, the newest first, and the bytes of each.
async fn newest_items(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
    before: HistoryPosition,
    limit: u64,
) -> Result<Vec<(HistoryPosition, u64)>, StorageError> {
    let rows: Vec<(u64, u64, u64)> = sqlx::query_as(
        "SELECT * FROM (
             SELECT position + 1 AS messages, 0 AS call, octet_length(parts) AS bytes FROM messages
             WHERE account = $1 AND conversation = $2 AND (position + 1, 0) < ($3, $4)
               AND position < $3
             ORDER BY position DESC LIMIT $5)
         UNION ALL SELECT * FROM (
             SELECT messages, ordinal AS call, octet_length(arguments) AS bytes FROM tool_calls
             WHERE account = $1 AND conversation = $2 AND (messages, ordinal) < ($3, $4)
             ORDER BY messages DESC, ordinal DESC LIMIT $5)
         ORDER BY 1 DESC, 2 DESC LIMIT $5",
    )
    .bind(owner.0)
    .bind(to_sql(ordinal))
    .bind(to_sql(before.messages))
    .bind(to_sql(before.call))
    .bind(to_sql(limit))
    .fetch_all(db)
    .await?;
    let item = |(messages, call, bytes)| (HistoryPosition { messages, call }, bytes);
    Ok(rows.into_iter().map(item).collect())
}

/// The messages among `positions`, which have no gap.
async fn messages_from(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
    positions: &[HistoryPosition],
) -> Result<Vec<(HistoryPosition, HistoryItem)>, StorageError> {
    let mut numbers = positions.iter().filter(|position| position.call == 0);
    let Some(last) = numbers.next() else { return Ok(Vec::new()) };
    let first = numbers.next_back().unwrap_or(last);
    let window = PageWindow { skip: first.messages - 1, take: last.messages - first.messages + 1 };
    let found = messages::read(db, owner, ordinal, window).await?;
    let position = |messages| HistoryPosition { messages, call: 0 };
    let positions = (first.messages..).map(position);
    Ok(positions.zip(found.into_iter().map(HistoryItem::Message)).collect())
}

#[derive(sqlx::FromRow)]
struct CallRow {
    messages: u64,
    ordinal: u64,
    id: String,
    name: String,
    arguments: String,
    created_at: i64,
    expires_at: Option<i64>,
    summary: Option<String>,
}

/// The calls from `oldest` to before `before`.
async fn calls_from(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
    oldest: HistoryPosition,
    before: HistoryPosition,
) -> Result<Vec<(HistoryPosition, HistoryItem)>, StorageError> {
    let rows: Vec<CallRow> = sqlx::query_as(
        "SELECT t.messages, t.ordinal, t.id, t.name, t.arguments, t.created_at, t.expires_at,
                r.summary
         FROM tool_calls t
         LEFT JOIN tool_results r ON r.account = t.account AND r.conversation = t.conversation
                                  AND r.call = t.id
         WHERE t.account = $1 AND t.conversation = $2 AND (t.messages, t.ordinal) >= ($3, $4)
           AND (t.messages, t.ordinal) < ($5, $6)",
    )
    .bind(owner.0)
    .bind(to_sql(ordinal))
    .bind(to_sql(oldest.messages))
    .bind(to_sql(oldest.call))
    .bind(to_sql(before.messages))
    .bind(to_sql(before.call))
    .fetch_all(db)
    .await?;
    rows.into_iter().map(CallRow::into_item).collect()
}

impl CallRow {
    fn into_item(self) -> Result<(HistoryPosition, HistoryItem), StorageError> {
        let wrong = |column| inconsistent("tool_calls", column, &self.id);
        let time = |micros| from_micros(micros).ok_or_else(|| wrong("time"));
        let position = HistoryPosition { messages: self.messages, call: self.ordinal };
        let call = ToolCall {
            arguments: parse(&self.arguments).ok_or_else(|| wrong("arguments"))?,
            ordinal: self.ordinal,
            name: self.name.clone(),
            call_id: ToolCallId::from(self.id.as_str()),
        };
        let item = HistoryCall {
            call,
            created_at: time(self.created_at)?,
            expires_at: self.expires_at.map(time).transpose()?,
            summary: self.summary.clone(),
        };
        Ok((position, HistoryItem::Call(item)))
    }
}
