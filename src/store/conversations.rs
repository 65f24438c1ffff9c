//! Conversations and their messages.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{AssertSqlSafe, QueryBuilder};

use super::{AccountRow, Connection, StoreError, from_sql, to_sql};
use crate::domain::catalog::as_text;
use crate::domain::conversation::{Api, Conversation, Message, Role, Target};
use crate::ids::{AgentId, ConversationId, DeploymentId, ImageId, MessageId};

/// Rows of messages in one statement: SQLite takes 32,766 parameters, a row has nine.
const MESSAGES_A_STATEMENT: usize = 500;

/// A page of a list: how many to skip, how many to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Items before the page.
    pub skip: u64,
    /// Items on the page.
    pub take: u64,
}

/// What a list of conversations is narrowed down to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// One deployment's.
    pub deployment: Option<DeploymentId>,
    /// Those with all of these labels, the values as text.
    pub meta: Vec<(String, String)>,
}

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
        let value = as_text(value);
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

/// Adds `messages`, at least one, at the end of conversation `ordinal`, in neighbouring places,
/// and moves its time of last activity to that of the last one.
pub async fn append(
    db: &mut Connection,
    owner: AccountRow,
    ordinal: u64,
    messages: &[Message],
    activity: u64,
) -> Result<(), StoreError> {
    let Some(last) = messages.last() else { return Ok(()) };
    let added = i64::try_from(messages.len()).unwrap_or(i64::MAX);
    let count: Option<i64> = sqlx::query_scalar(
        "UPDATE conversations
         SET message_count = message_count + $5, activity = $3, updated_at = $4
         WHERE account = $1 AND ordinal = $2
         RETURNING message_count",
    )
    .bind(owner.0)
    .bind(to_sql(ordinal))
    .bind(to_sql(activity))
    .bind(last.created_at.timestamp())
    .bind(added)
    .fetch_optional(&mut *db)
    .await?;
    let count = count.ok_or_else(|| inconsistent("conversations", "ordinal", &ordinal))?;
    let mut places = count - added..;
    for messages in messages.chunks(MESSAGES_A_STATEMENT) {
        let mut insert = QueryBuilder::new(
            "INSERT INTO messages (account, conversation, position, id, role, parts, image,
                                   created_at, aborted) ",
        );
        insert.push_values(messages, |mut row, message| {
            row.push_bind(owner.0)
                .push_bind(to_sql(ordinal))
                .push_bind(places.next())
                .push_bind(message.id.as_str())
                .push_bind(message.role.name())
                .push_bind(json(&message.parts))
                .push_bind(message.image.as_ref().map(ImageId::as_str))
                .push_bind(message.created_at.timestamp())
                .push_bind(message.aborted);
        });
        insert.build().execute(&mut *db).await?;
    }
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

/// The columns of [`ConversationRow`], in a query where `conversations` is called `c`.
const COLUMNS: &str = "c.id, c.ordinal, c.api, c.target, c.name, c.meta, c.variables, \
                       c.system_prompt, c.agent, c.created_at, c.updated_at, c.message_count";

/// The owner's conversation `id` in `api`.
pub async fn find(
    db: &mut Connection,
    owner: AccountRow,
    api: Api,
    id: &ConversationId,
) -> Result<Option<Conversation>, StoreError> {
    let row: Option<ConversationRow> = sqlx::query_as(
        "SELECT c.id, c.ordinal, c.api, c.target, c.name, c.meta, c.variables,
                c.system_prompt, c.agent, c.created_at, c.updated_at, c.message_count
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
                c.system_prompt, c.agent, c.created_at, c.updated_at, c.message_count
         FROM conversations c WHERE c.account = $1 AND c.api = $2
         ORDER BY c.updated_at DESC, c.activity DESC",
    )
    .bind(owner.0)
    .bind(api.name())
    .fetch_all(db)
    .await?;
    rows.into_iter().map(ConversationRow::into_domain).collect()
}

/// One page of the owner's Runner conversations, the newest activity first, and how many there are.
pub async fn list(
    db: &mut Connection,
    owner: AccountRow,
    filter: &Filter,
    window: Window,
) -> Result<(Vec<Conversation>, u64), StoreError> {
    let plan = Plan::choose(db, owner, filter, window).await?;
    let total = plan.total(db, owner, filter).await?;
    if window.skip >= total {
        return Ok((Vec::new(), total));
    }
    let parameters = 1 + filter_texts(filter).count();
    let sql = format!(
        "SELECT {COLUMNS} FROM {} ORDER BY c.updated_at DESC, c.activity DESC \
         LIMIT ${} OFFSET ${}",
        plan.source(filter),
        parameters + 1,
        parameters + 2,
    );
    let mut query = sqlx::query_as::<_, ConversationRow>(AssertSqlSafe(sql)).bind(owner.0);
    for text in filter_texts(filter) {
        query = query.bind(text);
    }
    query = query.bind(to_sql(window.take)).bind(to_sql(window.skip));
    let rows = query.fetch_all(db).await?;
    let items = rows.into_iter().map(ConversationRow::into_domain).collect::<Result<_, _>>()?;
    Ok((items, total))
}

/// How a list is found. The tallies tell how many rows each way would touch.
enum Plan {
    /// Walk the index of activity until the page is full: for conditions that many rows meet.
    Walk { total_if_known: Option<u64> },
    /// Gather what the rarest label has, then sort: for conditions that few rows meet.
    Gather { rarest: usize, total_if_known: Option<u64> },
}

impl Plan {
    async fn choose(
        db: &mut Connection,
        owner: AccountRow,
        filter: &Filter,
        window: Window,
    ) -> Result<Self, StoreError> {
        let all = match &filter.deployment {
            Some(id) => tallied(db, owner, "deployment", id.as_str(), "").await?,
            None => tallied(db, owner, "all", "", "").await?,
        };
        let mut rarest: Option<(usize, u64)> = None;
        for (index, (name, value)) in filter.meta.iter().enumerate() {
            let total = tallied(db, owner, "meta", name, value).await?;
            if rarest.is_none_or(|(_, least)| total < least) {
                rarest = Some((index, total));
            }
        }
        let Some((rarest, matching)) = rarest else {
            return Ok(Self::Walk { total_if_known: Some(all) });
        };
        // A tally is the total itself only where it stands for the whole condition.
        let alone = filter.meta.len() == 1 && filter.deployment.is_none();
        let total_if_known = (alone || matching == 0).then_some(matching);
        let page_end = window.skip.saturating_add(window.take);
        let rows_walked = page_end.saturating_mul(all) / matching.max(1);
        Ok(if matching <= rows_walked {
            Self::Gather { rarest, total_if_known }
        } else {
            Self::Walk { total_if_known }
        })
    }

    async fn total(
        &self,
        db: &mut Connection,
        owner: AccountRow,
        filter: &Filter,
    ) -> Result<u64, StoreError> {
        let (Self::Walk { total_if_known } | Self::Gather { total_if_known, .. }) = self;
        if let Some(total) = total_if_known {
            return Ok(*total);
        }
        let sql = format!("SELECT COUNT(*) FROM {}", self.source(filter));
        let mut query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(owner.0);
        for text in filter_texts(filter) {
            query = query.bind(text);
        }
        Ok(from_sql(query.fetch_one(db).await?))
    }

    /// The `FROM … WHERE …` of the list. Only parameters come from outside: `$1` is the owner,
    /// `$2` the deployment where there is one, then name and value of each label in turn.
    fn source(&self, filter: &Filter) -> String {
        let first_label = if filter.deployment.is_some() { 3 } else { 2 };
        let label = |index: usize| {
            let name = first_label + 2 * index;
            format!("name = ${name} AND m{index}.value = ${}", name + 1)
        };
        let (mut sql, gathered) = match self {
            Self::Walk { .. } => {
                ("conversations c WHERE c.account = $1 AND c.api = 'runner'".to_owned(), None)
            }
            Self::Gather { rarest, .. } => (
                // CROSS JOIN keeps SQLite to this order: labels first.
                format!(
                    "conversation_meta m{rarest} CROSS JOIN conversations c
                     ON c.account = m{rarest}.account AND c.ordinal = m{rarest}.conversation
                     WHERE m{rarest}.account = $1 AND m{rarest}.{}",
                    label(*rarest)
                ),
                Some(*rarest),
            ),
        };
        if filter.deployment.is_some() {
            sql.push_str(" AND c.target = $2");
        }
        for index in (0..filter.meta.len()).filter(|index| Some(*index) != gathered) {
            let _ = write!(
                sql,
                " AND EXISTS (SELECT 1 FROM conversation_meta m{index}
                              WHERE m{index}.account = $1 AND m{index}.{}
                              AND m{index}.conversation = c.ordinal)",
                label(index)
            );
        }
        sql
    }
}

fn filter_texts(filter: &Filter) -> impl Iterator<Item = &str> {
    let deployment = filter.deployment.iter().map(DeploymentId::as_str);
    deployment.chain(filter.meta.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]))
}

async fn tallied(
    db: &mut Connection,
    owner: AccountRow,
    scope: &str,
    name: &str,
    value: &str,
) -> Result<u64, StoreError> {
    let total: Option<i64> = sqlx::query_scalar(
        "SELECT total FROM conversation_tallies
         WHERE account = $1 AND scope = $2 AND name = $3 AND value = $4",
    )
    .bind(owner.0)
    .bind(scope)
    .bind(name)
    .bind(value)
    .fetch_optional(db)
    .await?;
    Ok(total.map_or(0, from_sql))
}

/// The messages of conversation `ordinal` in `window`, oldest first.
pub async fn messages(
    db: &mut Connection,
    owner: AccountRow,
    ordinal: u64,
    window: Window,
) -> Result<Vec<Message>, StoreError> {
    let rows: Vec<MessageRow> = sqlx::query_as(
        "SELECT id, role, parts, image, created_at, aborted FROM messages
         WHERE account = $1 AND conversation = $2 AND position >= $3 AND position < $4
         ORDER BY position",
    )
    .bind(owner.0)
    .bind(to_sql(ordinal))
    .bind(to_sql(window.skip))
    .bind(to_sql(window.skip.saturating_add(window.take)))
    .fetch_all(db)
    .await?;
    rows.into_iter().map(MessageRow::into_domain).collect()
}

/// A row of `conversations`.
#[derive(sqlx::FromRow)]
struct ConversationRow {
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
}

impl ConversationRow {
    fn into_domain(self) -> Result<Conversation, StoreError> {
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
            created_at: time(self.created_at).ok_or_else(|| wrong("created_at"))?,
            updated_at: time(self.updated_at).ok_or_else(|| wrong("updated_at"))?,
            message_count: from_sql(self.message_count),
            id: ConversationId::from(self.id),
            name: self.name,
            system_prompt: self.system_prompt,
            agent: self.agent.map(AgentId::from),
        })
    }
}

/// A row of `messages`.
#[derive(sqlx::FromRow)]
struct MessageRow {
    id: String,
    role: String,
    parts: String,
    image: Option<String>,
    created_at: i64,
    aborted: bool,
}

impl MessageRow {
    fn into_domain(self) -> Result<Message, StoreError> {
        let wrong = |column| inconsistent("messages", column, &self.id);
        Ok(Message {
            role: role_named(&self.role).ok_or_else(|| wrong("role"))?,
            parts: parse(&self.parts).ok_or_else(|| wrong("parts"))?,
            created_at: time(self.created_at).ok_or_else(|| wrong("created_at"))?,
            image: self.image.map(ImageId::from),
            aborted: self.aborted,
            id: MessageId::from(self.id),
        })
    }
}

fn role_named(name: &str) -> Option<Role> {
    [Role::System, Role::User, Role::Assistant].into_iter().find(|role| role.name() == name)
}

fn json(value: &impl serde::Serialize) -> String {
    // Strings, numbers, arrays and string-keyed maps: nothing here can fail to be written.
    serde_json::to_string(value).unwrap_or_else(|_| Value::Null.to_string())
}

fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

fn time(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

fn inconsistent(
    table: &'static str,
    column: &'static str,
    id: &impl std::fmt::Display,
) -> StoreError {
    StoreError::Inconsistent { table, column, id: id.to_string() }
}
