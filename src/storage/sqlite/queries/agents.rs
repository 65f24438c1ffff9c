//! Agents of the Characters API.

use sqlx::AssertSqlSafe;

use super::rows::{listed, texts};
use crate::domain::catalog::Agent;
use crate::ids::{AgentId, SdModelId};
use crate::storage::sqlite::Connection;
use crate::storage::sqlite::values::{parse, to_sql};
use crate::storage::{AccountKey, BATCH, Listed, StorageError};

/// The columns that can be long.
pub(in crate::storage::sqlite) const TEXTS: [&str; 4] =
    ["a.name", "a.appearance_prompt", "a.personality_prompt", "a.description"];

/// The columns of an agent; a `batch` leaves long texts out.
fn columns(batch: bool) -> String {
    format!("a.ordinal, a.id, {}, a.sd_model", texts(&TEXTS, batch))
}

/// The agents after the one of ordinal `after`, in the order of their creation, at most a batch and
/// without long texts.
pub async fn batch(
    db: &mut Connection,
    owner: AccountKey,
    after: u64,
) -> Result<Vec<Listed<Agent>>, StorageError> {
    let sql = format!(
        "SELECT {} FROM agents a WHERE a.account = $1 AND a.ordinal > $2
         ORDER BY a.ordinal LIMIT $3",
        columns(true)
    );
    let rows: Vec<AgentRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(owner.0)
        .bind(to_sql(after))
        .bind(to_sql(BATCH))
        .fetch_all(db)
        .await?;
    let listed = |row: AgentRow| listed(row.ordinal, row.long, row.into_domain());
    Ok(rows.into_iter().map(listed).collect())
}

/// The agent of ordinal `ordinal`.
pub async fn one(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
) -> Result<Agent, StorageError> {
    let sql =
        format!("SELECT {} FROM agents a WHERE a.account = $1 AND a.ordinal = $2", columns(false));
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(owner.0).bind(to_sql(ordinal));
    Ok(AgentRow::into_domain(query.fetch_one(db).await?))
}

/// All of the account's agents with their ordinals, in the order of their creation.
pub async fn all(
    db: &mut Connection,
    owner: AccountKey,
) -> Result<Vec<(u64, Agent)>, StorageError> {
    let sql =
        format!("SELECT {} FROM agents a WHERE a.account = $1 ORDER BY a.ordinal", columns(false));
    let rows: Vec<AgentRow> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(owner.0).fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| (row.ordinal, row.into_domain())).collect())
}

/// The account's agent `id`.
pub async fn find(
    db: &mut Connection,
    owner: AccountKey,
    id: AgentId,
) -> Result<Option<Agent>, StorageError> {
    let sql = format!("SELECT {} FROM agents a WHERE a.account = $1 AND a.id = $2", columns(false));
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(owner.0).bind(id.as_str());
    Ok(query.fetch_optional(db).await?.map(AgentRow::into_domain))
}

/// The agent `id` of any account: avatars are shown without a key.
pub async fn find_anywhere(db: &mut Connection, id: &str) -> Result<Option<Agent>, StorageError> {
    let sql = format!(
        "SELECT {} FROM agents a WHERE a.id = $1 ORDER BY a.account LIMIT 1",
        columns(false)
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(id);
    Ok(query.fetch_optional(db).await?.map(AgentRow::into_domain))
}

/// An agent from a JSON array of its id, name, appearance, personality, description and model.
pub(in crate::storage::sqlite) fn from_json(row: &str) -> Option<Agent> {
    let (id, name, appearance_prompt, personality_prompt, description, sd_model) = parse(row)?;
    let (ordinal, long) = (0, 0);
    let row = AgentRow {
        ordinal,
        long,
        id,
        name,
        appearance_prompt,
        personality_prompt,
        description,
        sd_model,
    };
    Some(row.into_domain())
}

/// A row of `agents`.
#[derive(sqlx::FromRow)]
struct AgentRow {
    ordinal: u64,
    /// 1 if the texts are left out.
    long: i64,
    id: String,
    name: String,
    appearance_prompt: String,
    personality_prompt: String,
    description: String,
    sd_model: Option<String>,
}

impl AgentRow {
    fn into_domain(self) -> Agent {
        Agent {
            id: self.id.into(),
            name: self.name,
            appearance_prompt: self.appearance_prompt,
            personality_prompt: self.personality_prompt,
            description: self.description,
            sd_model: self.sd_model.map(SdModelId::from),
        }
    }
}
