//! The messages of conversations.

use sqlx::QueryBuilder;

use super::{
    AccountRow, Connection, StoreError, Window, from_unix, inconsistent, json, parse, to_sql,
};
use crate::domain::conversation::{Message, Role};
use crate::ids::{ImageId, MessageId};

/// Rows of messages in one statement: SQLite takes 32,766 parameters, a row has nine.
const MESSAGES_A_STATEMENT: usize = 500;

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

/// The messages of conversation `ordinal` in `window`, oldest first.
pub async fn read(
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
            created_at: from_unix(self.created_at).ok_or_else(|| wrong("created_at"))?,
            image: self.image.map(ImageId::from),
            aborted: self.aborted,
            id: MessageId::from(self.id),
        })
    }
}

fn role_named(name: &str) -> Option<Role> {
    [Role::System, Role::User, Role::Assistant].into_iter().find(|role| role.name() == name)
}
