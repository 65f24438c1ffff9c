//! Agents of the Characters API.

use sqlx::AssertSqlSafe;

use super::from_sql;
use super::parse;
use super::rows::texts;
use super::rows::{BATCH, Listed};
use super::to_sql;
use super::{AccountKey, Connection, StoreError};
use crate::domain::catalog::Agent;
use crate::ids::{AgentId, SdModelId};

/// Its columns of texts, which may be long, where `agents` is called `a`.
pub(super) const TEXTS: [&str; 4] =
    ["a.name", "a.appearance_prompt", "a.personality_prompt", "a.description"];

/// Stores an agent; `ordinal` is how many its account has made with it.
pub async fn insert(
    db: &mut Connection,
    owner: AccountKey,
    agent: &Agent,
    ordinal: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO agents (account, ordinal, id, name, appearance_prompt, personality_prompt,
                             description, sd_model)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(owner.0)
    .bind(to_sql(ordinal))
    .bind(agent.id.as_str())
    .bind(&agent.name)
    .bind(&agent.appearance_prompt)
    .bind(&agent.personality_prompt)
    .bind(&agent.description)
    .bind(agent.sd_model.as_ref().map(SdModelId::as_str))
    .execute(db)
    .await?;
    Ok(())
}

/// All of the owner's agents, in the order of their making.
pub async fn all(db: &mut Connection, owner: AccountKey) -> Result<Vec<Agent>, StoreError> {
    let rows: Vec<AgentRow> = sqlx::query_as(
        "SELECT id, name, appearance_prompt, personality_prompt, description, sd_model
         FROM agents WHERE account = $1 ORDER BY ordinal",
    )
    .bind(owner.0)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(AgentRow::into_domain).collect())
}

/// The owner's next agents after the one of ordinal `after`, in the order of their making, at most a
/// batch and without long texts.
pub async fn batch(
    db: &mut Connection,
    owner: AccountKey,
    after: u64,
) -> Result<Vec<Listed<Agent>>, StoreError> {
    let sql = format!(
        "SELECT a.ordinal, a.id, {}, a.sd_model FROM agents a
         WHERE a.account = $1 AND a.ordinal > $2 ORDER BY a.ordinal LIMIT $3",
        texts(&TEXTS, true)
    );
    let rows: Vec<AgentRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(owner.0)
        .bind(to_sql(after))
        .bind(to_sql(BATCH))
        .fetch_all(db)
        .await?;
    let listed = |row: AgentRow| Listed::new(row.ordinal, row.long, row.into_domain());
    Ok(rows.into_iter().map(listed).collect())
}

/// The owner's agent of ordinal `ordinal`.
pub async fn one(
    db: &mut Connection,
    owner: AccountKey,
    ordinal: u64,
) -> Result<Agent, StoreError> {
    let row: AgentRow = sqlx::query_as(
        "SELECT id, name, appearance_prompt, personality_prompt, description, sd_model
         FROM agents WHERE account = $1 AND ordinal = $2",
    )
    .bind(owner.0)
    .bind(to_sql(ordinal))
    .fetch_one(db)
    .await?;
    Ok(row.into_domain())
}

/// All of the owner's agents, each with its ordinal.
pub async fn all_with_ordinals(
    db: &mut Connection,
    owner: AccountKey,
) -> Result<Vec<(u64, Agent)>, StoreError> {
    let ordinals: Vec<i64> =
        sqlx::query_scalar("SELECT ordinal FROM agents WHERE account = $1 ORDER BY ordinal")
            .bind(owner.0)
            .fetch_all(&mut *db)
            .await?;
    Ok(ordinals.into_iter().map(from_sql).zip(all(db, owner).await?).collect())
}

/// The owner's agent `id`.
pub async fn find(
    db: &mut Connection,
    owner: AccountKey,
    id: &AgentId,
) -> Result<Option<Agent>, StoreError> {
    let row: Option<AgentRow> = sqlx::query_as(
        "SELECT id, name, appearance_prompt, personality_prompt, description, sd_model
         FROM agents WHERE account = $1 AND id = $2",
    )
    .bind(owner.0)
    .bind(id.as_str())
    .fetch_optional(db)
    .await?;
    Ok(row.map(AgentRow::into_domain))
}

/// Anyone's agent `id`: avatars are shown without a key.
pub async fn find_anywhere(db: &mut Connection, id: &str) -> Result<Option<Agent>, StoreError> {
    let row: Option<AgentRow> = sqlx::query_as(
        "SELECT id, name, appearance_prompt, personality_prompt, description, sd_model
         FROM agents WHERE id = $1 ORDER BY account LIMIT 1",
    )
    .bind(id)
    .fetch_optional(db)
    .await?;
    Ok(row.map(AgentRow::into_domain))
}

/// An agent out of a JSON array of its id, name, appearance, personality, description and model.
pub(super) fn from_json(row: &str) -> Option<Agent> {
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
    /// Selected for lists alone.
    #[sqlx(default)]
    ordinal: i64,
    /// The texts are left out.
    #[sqlx(default)]
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
