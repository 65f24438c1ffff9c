//! Triggers of the Runner API.

use sqlx::AssertSqlSafe;

use super::rows::texts;
use crate::domain::Trigger;
use crate::ids::{ConversationId, TriggerId};
use crate::storage::sqlite::Connection;
use crate::storage::sqlite::values::{from_micros, inconsistent, parse, to_sql};
use crate::storage::{AccountKey, BATCH, Listed, StorageError};

/// The columns of a trigger; a `batch` leaves long texts out.
fn columns(batch: bool) -> String {
    let texts = texts(&["t.content", "t.variables"], batch);
    format!(
        "t.ordinal, t.id, t.deployment, {texts}, t.ui_surface, t.created_at, t.expires_at,
         t.conversation, t.workflow_log"
    )
}

/// The triggers after the one of ordinal `after`, in the order of their creation, at most a batch and
/// without long texts.
pub async fn batch(
    db: &mut Connection,
    owner: AccountKey,
    after: u64,
) -> Result<Vec<Listed<Trigger>>, StorageError> {
    let sql = format!(
        "SELECT {} FROM triggers t WHERE t.account = $1 AND t.ordinal > $2
         ORDER BY t.ordinal LIMIT $3",
        columns(true)
    );
    let rows: Vec<TriggerRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(owner.0)
        .bind(to_sql(after))
        .bind(to_sql(BATCH))
        .fetch_all(db)
        .await?;
    rows.into_iter().map(TriggerRow::into_listed).collect()
}

/// The trigger of ordinal `ordinal`.
pub async fn one(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
) -> Result<Trigger, StorageError> {
    let sql = format!(
        "SELECT {} FROM triggers t WHERE t.account = $1 AND t.ordinal = $2",
        columns(false)
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(owner.0).bind(to_sql(ordinal));
    TriggerRow::into_domain(query.fetch_one(db).await?)
}

/// All of the account's triggers, in the order of their creation.
pub async fn all(db: &mut Connection, owner: AccountKey) -> Result<Vec<Trigger>, StorageError> {
    let sql = format!(
        "SELECT {} FROM triggers t WHERE t.account = $1 ORDER BY t.ordinal",
        columns(false)
    );
    let rows: Vec<TriggerRow> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(owner.0).fetch_all(db).await?;
    rows.into_iter().map(TriggerRow::into_domain).collect()
}

/// The account's trigger `id`, without long texts.
pub async fn find(
    db: &mut Connection,
    owner: AccountKey,
    id: TriggerId,
) -> Result<Option<Listed<Trigger>>, StorageError> {
    let sql =
        format!("SELECT {} FROM triggers t WHERE t.account = $1 AND t.id = $2", columns(true));
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(owner.0).bind(id.as_str());
    query.fetch_optional(db).await?.map(TriggerRow::into_listed).transpose()
}

/// A row of `triggers`.
#[derive(sqlx::FromRow)]
struct TriggerRow {
    ordinal: u64,
    /// 1 if the texts are left out.
    long: i64,
    id: String,
    deployment: String,
    content: String,
    variables: String,
    ui_surface: Option<String>,
    created_at: i64,
    expires_at: Option<i64>,
    conversation: Option<String>,
    workflow_log: Option<u64>,
}

impl TriggerRow {
    /// The trigger, unless its texts were left out: they could not be parsed.
    fn into_listed(self) -> Result<Listed<Trigger>, StorageError> {
        let (key, is_long) = (self.ordinal, self.long != 0);
        let item = if is_long { None } else { Some(self.into_domain()?) };
        Ok(Listed { key, item })
    }

    fn into_domain(self) -> Result<Trigger, StorageError> {
        let wrong = |column| inconsistent("triggers", column, &self.id);
        let time = |at, column| from_micros(at).ok_or_else(|| wrong(column));
        Ok(Trigger {
            ordinal: self.ordinal,
            content: parse(&self.content).ok_or_else(|| wrong("content"))?,
            variables: parse(&self.variables).ok_or_else(|| wrong("variables"))?,
            created_at: time(self.created_at, "created_at")?,
            expires_at: self.expires_at.map(|at| time(at, "expires_at")).transpose()?,
            id: self.id.into(),
            deployment: self.deployment.into(),
            ui_surface: self.ui_surface,
            conversation: self.conversation.map(ConversationId::from),
            workflow_log: self.workflow_log,
        })
    }
}
