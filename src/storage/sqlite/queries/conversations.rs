//! Conversations of both APIs (their messages are in `messages.rs`, pages of them in `listing.rs`).

use sqlx::AssertSqlSafe;

use super::rows::{BATCH_LENGTH, listed, texts};
use super::run_summary;
use crate::domain::Api;
use crate::domain::conversation::{Conversation, Target, Variables};
use crate::ids::{AgentId, ConversationId};
use crate::storage::sqlite::Connection;
use crate::storage::sqlite::values::{from_micros, inconsistent, json, parse, to_sql};
use crate::storage::{AccountKey, ConversationExtent, ConversationList, Listed, StorageError};

/// The columns of a conversation other than its texts.
const COLUMNS: &str = "c.id, c.ordinal, c.api, c.target, c.agent, c.created_at, c.updated_at,
                       c.message_count, c.turn_count, c.run_count, c.completed_at";

/// The columns of a conversation; a `batch` leaves long texts out.
pub(in crate::storage::sqlite) fn columns(batch: bool) -> String {
    let texts = texts(&["c.name", "c.meta", "c.variables", "c.system_prompt"], batch);
    format!("{COLUMNS}, {texts}")
}

/// The columns of a conversation of the Characters API, which has no meta or variables.
fn characters_columns(batch: bool) -> String {
    let texts = texts(&["c.name", "c.system_prompt"], batch);
    format!("{COLUMNS}, '{{}}' AS meta, '{{}}' AS variables, {texts}")
}

/// The account's conversation `id` of `api`.
pub async fn find(
    db: &mut Connection,
    owner: AccountKey,
    api: Api,
    id: ConversationId,
) -> Result<Option<Conversation>, StorageError> {
    let sql = format!(
        "SELECT {} FROM conversations c WHERE c.account = $1 AND c.id = $2 AND c.api = $3",
        columns(false)
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(owner.0).bind(id.as_str()).bind(api.name());
    query.fetch_optional(db).await?.map(ConversationRow::into_domain).transpose()
}

/// The size of the account's conversation `id` of `api`. Reads none of its texts.
pub async fn extent(
    db: &mut Connection,
    owner: AccountKey,
    api: Api,
    id: ConversationId,
) -> Result<Option<ConversationExtent>, StorageError> {
    let sql = format!(
        "SELECT c.ordinal, c.target, c.message_count, c.turn_count, c.completed_at, {} AS run
         FROM conversations c WHERE c.account = $1 AND c.id = $2 AND c.api = $3",
        run_summary::SUMMARY
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(owner.0).bind(id.as_str()).bind(api.name());
    query.fetch_optional(db).await?.map(ExtentRow::into_extent).transpose()
}

#[derive(sqlx::FromRow)]
struct ExtentRow {
    ordinal: u64,
    target: String,
    message_count: u64,
    turn_count: u64,
    run: Option<String>,
    completed_at: Option<i64>,
}

impl ExtentRow {
    fn into_extent(self) -> Result<ConversationExtent, StorageError> {
        let wrong = || inconsistent("conversations", "completed_at", &self.ordinal);
        let completed_at = self.completed_at.map(|micros| from_micros(micros).ok_or_else(wrong));
        Ok(ConversationExtent {
            ordinal: self.ordinal,
            run: run_summary::summary(self.run.as_deref(), self.ordinal)?,
            completed_at: completed_at.transpose()?,
            target: self.target,
            message_count: self.message_count,
            turn_count: self.turn_count,
        })
    }
}

/// The account's conversations of `api`, the latest activity first.
pub async fn list(
    db: &mut Connection,
    owner: AccountKey,
    api: Api,
) -> Result<ConversationList, StorageError> {
    let ordinals = ordinals(db, owner, api).await?;
    let first = characters(db, owner, next_batch(&ordinals, None), true).await?;
    Ok(ConversationList { ordinals, first })
}

/// The batch of `ordinals` after `after`, or the first.
pub fn next_batch(ordinals: &[u64], after: Option<u64>) -> &[u64] {
    let mut rest = ordinals.iter().copied();
    if let Some(after) = after {
        rest.find(|ordinal| *ordinal == after);
    }
    let rest = ordinals.len() - rest.len();
    let rest = ordinals.split_at(rest).1;
    rest.chunks(BATCH_LENGTH).next().unwrap_or(rest)
}

/// The ordinals of the account's conversations of `api`, the latest activity first.
async fn ordinals(
    db: &mut Connection,
    owner: AccountKey,
    api: Api,
) -> Result<Vec<u64>, StorageError> {
    let ordinals: Vec<u64> = sqlx::query_scalar(
        "SELECT ordinal FROM conversations WHERE account = $1 AND api = $2
         ORDER BY updated_at DESC, activity DESC",
    )
    .bind(owner.0)
    .bind(api.name())
    .fetch_all(db)
    .await?;
    Ok(ordinals.into_iter().collect())
}

/// The Characters conversations of these `ordinals`, in their order, without long texts.
pub async fn batch(
    db: &mut Connection,
    owner: AccountKey,
    ordinals: Vec<u64>,
) -> Result<Vec<Listed<Conversation>>, StorageError> {
    characters(db, owner, &ordinals, true).await
}

/// The Characters conversation `ordinal`, with long texts.
pub async fn one(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
) -> Result<Conversation, StorageError> {
    let found = characters(db, owner, &[ordinal], false).await?.pop();
    found.and_then(|listed| listed.item).ok_or(StorageError::NotFound)
}

async fn characters(
    db: &mut Connection,
    owner: AccountKey,
    ordinals: &[u64],
    batch: bool,
) -> Result<Vec<Listed<Conversation>>, StorageError> {
    let sql = format!(
        "SELECT {} FROM json_each($2) o CROSS JOIN conversations c
         ON c.account = $1 AND c.ordinal = o.value ORDER BY o.key",
        characters_columns(batch)
    );
    let rows: Vec<ConversationRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(owner.0)
        .bind(json(&ordinals))
        .fetch_all(db)
        .await?;
    let listed = |row: ConversationRow| Ok(listed(row.ordinal, row.long, row.into_domain()?));
    rows.into_iter().map(listed).collect()
}

/// The conversation `ordinal` with its texts.
pub(in crate::storage::sqlite) async fn row(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
) -> Result<ConversationRow, StorageError> {
    let sql = format!(
        "SELECT {} FROM conversations c WHERE c.account = $1 AND c.ordinal = $2",
        columns(false)
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(owner.0).bind(to_sql(ordinal));
    Ok(query.fetch_one(db).await?)
}

/// All of the account's conversations with their activity numbers, in the order of their creation.
pub async fn all(
    db: &mut Connection,
    owner: AccountKey,
) -> Result<Vec<(Conversation, u64)>, StorageError> {
    let sql = format!(
        "SELECT {}, c.activity FROM conversations c WHERE c.account = $1 ORDER BY c.ordinal",
        columns(false)
    );
    let rows: Vec<ConversationRow> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(owner.0).fetch_all(db).await?;
    let with_activity = |row: ConversationRow| {
        let activity = row.activity;
        Ok((row.into_domain()?, activity))
    };
    rows.into_iter().map(with_activity).collect()
}

/// A row of `conversations`.
#[derive(sqlx::FromRow)]
pub(in crate::storage::sqlite) struct ConversationRow {
    id: String,
    ordinal: u64,
    api: String,
    target: String,
    name: String,
    meta: String,
    variables: String,
    system_prompt: String,
    agent: Option<String>,
    created_at: i64,
    updated_at: i64,
    message_count: u64,
    turn_count: u64,
    run_count: u64,
    completed_at: Option<i64>,
    /// Read for snapshots only.
    #[sqlx(default)]
    activity: u64,
    /// 1 if the texts are left out.
    long: i64,
}

impl ConversationRow {
    /// Whether its texts were left out.
    pub(in crate::storage::sqlite) fn is_long(&self) -> bool {
        self.long != 0
    }

    pub(in crate::storage::sqlite) fn ordinal(&self) -> u64 {
        self.ordinal
    }

    pub(in crate::storage::sqlite) fn id(&self) -> &str {
        &self.id
    }

    pub(in crate::storage::sqlite) fn agent(&self) -> Option<AgentId> {
        self.agent.as_deref().map(AgentId::from)
    }

    pub(in crate::storage::sqlite) fn into_domain(self) -> Result<Conversation, StorageError> {
        let id = self.id.clone();
        let wrong = |column| inconsistent("conversations", column, &id);
        let left_out = self.is_long();
        let object =
            |text: &str| if left_out { Some(Variables::new()) } else { parse::<Variables>(text) };
        let time = |micros, column| from_micros(micros).ok_or_else(|| wrong(column));
        let completed_at = self.completed_at.map(|micros| time(micros, "completed_at"));
        Ok(Conversation {
            ordinal: self.ordinal,
            target: match Api::named(&self.api) {
                Some(api) => Target::of(api, self.target),
                None => return Err(wrong("api")),
            },
            meta: object(&self.meta).ok_or_else(|| wrong("meta"))?,
            variables: object(&self.variables).ok_or_else(|| wrong("variables"))?,
            created_at: time(self.created_at, "created_at")?,
            updated_at: time(self.updated_at, "updated_at")?,
            message_count: self.message_count,
            turn_count: self.turn_count,
            run_count: self.run_count,
            completed_at: completed_at.transpose()?,
            id: ConversationId::from(self.id),
            name: self.name,
            system_prompt: self.system_prompt,
            agent: self.agent.map(AgentId::from),
        })
    }
}
