//! Conversations of both APIs (their messages are in `messages.rs`, pages of them in `listing.rs`).

use chrono::{DateTime, Utc};

use super::{
    AccountRow, Connection, StoreError, from_sql, from_unix, inconsistent, json, parse, to_sql,
};
use crate::domain::catalog::as_text;
use crate::domain::conversation::{Api, Conversation, Target, label_text};
use crate::ids::{AgentId, ConversationId};

/// Stores a conversation that has no messages yet; `activity` puts changes of a second in order.
pub async fn insert(
    db: &mut Connection,
    owner: AccountRow,
    conversation: &Conversation,
    activity: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO conversations (account, ordinal, id, api, target, name, meta, variables,
                                    system_prompt, agent, created_at, updated_at, activity,
                                    message_count)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0)",
    )
    .bind(owner.0)
    .bind(to_sql(conversation.ordinal))
    .bind(conversation.id.as_str())
    .bind(conversation.target.api().name())
    .bind(conversation.target.id())
    .bind(&conversation.name)
    .bind(json(&conversation.meta))
    .bind(json(&conversation.variables))
    .bind(&conversation.system_prompt)
    .bind(conversation.agent.as_ref().map(AgentId::as_str))
    .bind(conversation.created_at.timestamp())
    .bind(conversation.updated_at.timestamp())
    .bind(to_sql(activity))
    .execute(&mut *db)
    .await?;
    match &conversation.target {
        Target::Deployment(deployment) => {
            tally(db, owner, "all", "", "").await?;
            tally(db, owner, "deployment", deployment.as_str(), "").await?;
            label(db, owner, conversation).await
        }
        Target::Llm(_) => Ok(()),
    }
}

/// One row for each label, and its tally.
async fn label(
    db: &mut Connection,
    owner: AccountRow,
    conversation: &Conversation,
) -> Result<(), StoreError> {
    for (name, value) in &conversation.meta {
        let value = label_text(&as_text(value)).into_owned();
        sqlx::query(
            "INSERT INTO conversation_meta (account, name, value, conversation)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(owner.0)
        .bind(name)
        .bind(&value)
        .bind(to_sql(conversation.ordinal))
        .execute(&mut *db)
        .await?;
        tally(db, owner, "meta", name, &value).await?;
    }
    Ok(())
}

async fn tally(
    db: &mut Connection,
    owner: AccountRow,
    scope: &str,
    name: &str,
    value: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO conversation_tallies (account, scope, name, value, total)
         VALUES ($1, $2, $3, $4, 1)
         ON CONFLICT (account, scope, name, value) DO UPDATE SET total = total + 1",
    )
    .bind(owner.0)
    .bind(scope)
    .bind(name)
    .bind(value)
    .execute(db)
    .await?;
    Ok(())
}

/// Something happened in conversation `ordinal` at `at`.
pub async fn touch(
    db: &mut Connection,
    owner: AccountRow,
    ordinal: u64,
    at: DateTime<Utc>,
    activity: u64,
) -> Result<(), StoreError> {
    let touched = sqlx::query(
        "UPDATE conversations SET updated_at = $3, activity = $4
         WHERE account = $1 AND ordinal = $2",
    )
    .bind(owner.0)
    .bind(to_sql(ordinal))
    .bind(at.timestamp())
    .bind(to_sql(activity))
    .execute(db)
    .await?;
    match touched.rows_affected() {
        1 => Ok(()),
        _ => Err(inconsistent("conversations", "ordinal", &ordinal)),
    }
}

/// The owner's conversation `id` in `api`.
pub async fn find(
    db: &mut Connection,
    owner: AccountRow,
    api: Api,
    id: &ConversationId,
) -> Result<Option<Conversation>, StoreError> {
    let row: Option<ConversationRow> = sqlx::query_as(
        "SELECT c.id, c.ordinal, c.api, c.target, c.name, c.meta, c.variables,
                c.system_prompt, c.agent, c.created_at, c.updated_at, c.message_count,
                c.turn_count
         FROM conversations c WHERE c.account = $1 AND c.id = $2 AND c.api = $3",
    )
    .bind(owner.0)
    .bind(id.as_str())
    .bind(api.name())
    .fetch_optional(db)
    .await?;
    row.map(ConversationRow::into_domain).transpose()
}

/// All of the owner's conversations in `api`, the newest activity first.
pub async fn all(
    db: &mut Connection,
    owner: AccountRow,
    api: Api,
) -> Result<Vec<Conversation>, StoreError> {
    let rows: Vec<ConversationRow> = sqlx::query_as(
        "SELECT c.id, c.ordinal, c.api, c.target, c.name, c.meta, c.variables,
                c.system_prompt, c.agent, c.created_at, c.updated_at, c.message_count,
                c.turn_count
         FROM conversations c WHERE c.account = $1 AND c.api = $2
         ORDER BY c.updated_at DESC, c.activity DESC",
    )
    .bind(owner.0)
    .bind(api.name())
    .fetch_all(db)
    .await?;
    rows.into_iter().map(ConversationRow::into_domain).collect()
}

/// A row of `conversations`.
#[derive(sqlx::FromRow)]
pub(super) struct ConversationRow {
    id: String,
    ordinal: i64,
    api: String,
    target: String,
    name: String,
    meta: String,
    variables: String,
    system_prompt: String,
    agent: Option<String>,
    created_at: i64,
    updated_at: i64,
    message_count: i64,
    turn_count: i64,
}

impl ConversationRow {
    pub(super) fn into_domain(self) -> Result<Conversation, StoreError> {
        let id = self.id.clone();
        let wrong = |column| inconsistent("conversations", column, &id);
        Ok(Conversation {
            ordinal: from_sql(self.ordinal),
            target: match self.api.as_str() {
                "runner" => Target::of(Api::Runner, self.target),
                "characters" => Target::of(Api::Characters, self.target),
                _ => return Err(wrong("api")),
            },
            meta: parse(&self.meta).ok_or_else(|| wrong("meta"))?,
            variables: parse(&self.variables).ok_or_else(|| wrong("variables"))?,
            created_at: from_unix(self.created_at).ok_or_else(|| wrong("created_at"))?,
            updated_at: from_unix(self.updated_at).ok_or_else(|| wrong("updated_at"))?,
            message_count: from_sql(self.message_count),
            turn_count: from_sql(self.turn_count),
            id: ConversationId::from(self.id),
            name: self.name,
            system_prompt: self.system_prompt,
            agent: self.agent.map(AgentId::from),
        })
    }
}
