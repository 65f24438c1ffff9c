//! The messages of conversations.

use sqlx::AssertSqlSafe;

use super::conversations;
use super::rows::{listed, texts};
use crate::domain::Api;
use crate::domain::conversation::{Message, Part, Role};
use crate::ids::{ConversationId, ImageId, MessageId};
use crate::storage::sqlite::Connection;
use crate::storage::sqlite::values::{from_micros, inconsistent, json, parse, to_sql};
use crate::storage::{AccountKey, BATCH, ConversationExtent, Listed, PageWindow, StorageError};

/// The columns of a message; a `batch` leaves long texts out.
fn columns(batch: bool) -> String {
    let parts = texts(&["m.parts"], batch);
    format!("m.position, m.id, m.role, {parts}, m.image, m.created_at, m.aborted, m.turn")
}

async fn rows(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
    window: PageWindow,
    batch: bool,
) -> Result<Vec<MessageRow>, StorageError> {
    let sql = format!(
        "SELECT {} FROM messages m
         WHERE m.account = $1 AND m.conversation = $2 AND m.position >= $3 AND m.position < $4
         ORDER BY m.position",
        columns(batch)
    );
    let query = sqlx::query_as(AssertSqlSafe(sql))
        .bind(owner.0)
        .bind(to_sql(ordinal))
        .bind(to_sql(window.skip))
        .bind(to_sql(window.skip.saturating_add(window.take)));
    Ok(query.fetch_all(db).await?)
}

/// The messages of conversation `ordinal` in `window`, oldest first.
pub async fn read(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
    window: PageWindow,
) -> Result<Vec<Message>, StorageError> {
    let rows = rows(db, owner, ordinal, window, false).await?;
    rows.into_iter().map(MessageRow::into_domain).collect()
}

/// The messages of the account's conversation `id` of `api` in `window`, oldest first, at most a batch
/// and without long texts, with the size of the conversation.
pub async fn list(
    db: &mut Connection,
    owner: AccountKey,
    api: Api,
    id: ConversationId,
    window: PageWindow,
) -> Result<Option<(ConversationExtent, Vec<Listed<Message>>)>, StorageError> {
    let Some(extent) = conversations::extent(db, owner, api, id).await? else { return Ok(None) };
    let window = PageWindow { take: window.take.min(BATCH), ..window };
    let batch = batch(db, owner, extent.ordinal, window).await?;
    Ok(Some((extent, batch)))
}

/// The messages of conversation `ordinal` in `window`, oldest first, without long texts.
pub async fn batch(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
    window: PageWindow,
) -> Result<Vec<Listed<Message>>, StorageError> {
    let rows = rows(db, owner, ordinal, window, true).await?;
    let listed = |row: MessageRow| Ok(listed(row.position, row.long, row.into_domain()?));
    rows.into_iter().map(listed).collect()
}

/// The message at `position`.
pub async fn one(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
    position: u64,
) -> Result<Message, StorageError> {
    let found = read(db, owner, ordinal, PageWindow { skip: position, take: 1 }).await?;
    found.into_iter().next().ok_or(StorageError::NotFound)
}

/// The latest messages of conversation `ordinal` in `window`, at most `max_bytes` together, oldest first,
/// with their length in bytes.
pub async fn latest_within(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
    window: PageWindow,
    max_bytes: u64,
) -> Result<(Vec<Message>, u64), StorageError> {
    let end = window.skip.saturating_add(window.take);
    let lengths: Vec<u64> = sqlx::query_scalar(
        "SELECT octet_length(parts) FROM messages
         WHERE account = $1 AND conversation = $2 AND position >= $3 AND position < $4
         ORDER BY position DESC",
    )
    .bind(owner.0)
    .bind(to_sql(ordinal))
    .bind(to_sql(window.skip))
    .bind(to_sql(end))
    .fetch_all(&mut *db)
    .await?;
    let (mut take, mut bytes) = (0, 0);
    for length in lengths {
        if bytes + length > max_bytes {
            break;
        }
        bytes += length;
        take += 1;
    }
    let messages = read(db, owner, ordinal, PageWindow { skip: end - take, take }).await?;
    Ok((messages, bytes))
}

/// The parts of the messages of conversation `ordinal` at `positions`.
pub(in crate::storage::sqlite) async fn parts_at(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
    positions: &[u64],
) -> Result<Vec<(u64, Vec<Part>)>, StorageError> {
    let rows: Vec<(u64, String)> = sqlx::query_as(
        "SELECT m.position, m.parts FROM json_each($3) p CROSS JOIN messages m
         ON m.account = $1 AND m.conversation = $2 AND m.position = p.value",
    )
    .bind(owner.0)
    .bind(to_sql(ordinal))
    .bind(json(&positions))
    .fetch_all(db)
    .await?;
    let parsed = |(position, parts): (u64, String)| {
        let parts = parse(&parts).ok_or_else(|| inconsistent("messages", "parts", &position))?;
        Ok((position, parts))
    };
    rows.into_iter().map(parsed).collect()
}

/// A row of `messages`.
#[derive(sqlx::FromRow)]
struct MessageRow {
    position: u64,
    /// 1 if the parts are left out.
    long: i64,
    id: String,
    role: String,
    parts: String,
    image: Option<String>,
    created_at: i64,
    aborted: bool,
    turn: u64,
}

impl MessageRow {
    fn into_domain(self) -> Result<Message, StorageError> {
        let wrong = |column| inconsistent("messages", column, &self.id);
        Ok(Message {
            role: role_named(&self.role).ok_or_else(|| wrong("role"))?,
            parts: match self.long {
                0 => parse(&self.parts).ok_or_else(|| wrong("parts"))?,
                _ => Vec::new(),
            },
            created_at: from_micros(self.created_at).ok_or_else(|| wrong("created_at"))?,
            image: self.image.map(ImageId::from),
            aborted: self.aborted,
            turn: self.turn,
            id: MessageId::from(self.id),
        })
    }
}

fn role_named(name: &str) -> Option<Role> {
    [Role::System, Role::User, Role::Assistant].into_iter().find(|role| role.name() == name)
}
