//! The messages of conversations.

use sqlx::AssertSqlSafe;

use super::{
    AccountRow, Connection, StoreError, Window, from_sql, from_unix, inconsistent, json, parse,
    to_sql,
};
use crate::domain::conversation::{Message, Role};
use crate::ids::{ImageId, MessageId};

/// Rows of messages in one statement: SQLite takes 32,766 parameters, a row has seven.
const MESSAGES_A_STATEMENT: usize = 500;

/// Adds `messages`, at least one, at the end of conversation `ordinal`, in neighbouring places, and
/// moves its time of last activity, and its latest turn, to those of the last one. (A turn that
/// takes place now is added and numbered by a posting.)
pub async fn append(
    db: &mut Connection,
    owner: AccountRow,
    ordinal: u64,
    messages: &[Message],
    activity: u64,
) -> Result<(), StoreError> {
    let Some(last) = messages.last() else { return Ok(()) };
    let added = i64::try_from(messages.len()).unwrap_or(i64::MAX);
    for (nth, chunk) in messages.chunks(MESSAGES_A_STATEMENT).enumerate() {
        let first = nth * MESSAGES_A_STATEMENT;
        let mut query = sqlx::query(AssertSqlSafe(statements(first, chunk.len())))
            .bind(owner.0)
            .bind(to_sql(ordinal))
            .bind(added)
            .bind(to_sql(activity))
            .bind(last.created_at.timestamp())
            .bind(to_sql(last.turn));
        for message in chunk {
            query = query
                .bind(message.id.as_str())
                .bind(message.role.name())
                .bind(json(&message.parts))
                .bind(message.image.as_ref().map(ImageId::as_str))
                .bind(message.created_at.timestamp())
                .bind(message.aborted)
                .bind(to_sql(message.turn));
        }
        let rows = query.execute(&mut *db).await?.rows_affected();
        let expected = usize::from(nth == 0) + chunk.len();
        if rows != u64::try_from(expected).unwrap_or(u64::MAX) {
            return Err(inconsistent("conversations", "ordinal", &ordinal));
        }
    }
    Ok(())
}

/// What adds `count` messages, from the `first` of those that are added on. Its parameters are
/// numbered through all statements: account, conversation, how many messages are added in all,
/// activity, time, the last turn, then the messages.
fn statements(first: usize, count: usize) -> String {
    const BEFORE: usize = 6;
    const OF_MESSAGE: usize = 7;
    let mut sql = String::new();
    if first == 0 {
        sql.push_str(
            "UPDATE conversations
             SET message_count = message_count + $3, activity = $4, updated_at = $5,
                 turn_count = $6
             WHERE account = $1 AND ordinal = $2;",
        );
    }
    let parameters = |from: usize, count: usize| {
        let numbered: Vec<String> = (from..from + count).map(|nth| format!("${nth}")).collect();
        numbered.join(", ")
    };
    let messages: Vec<String> = (0..count)
        .map(|nth| {
            let own = parameters(BEFORE + 1 + nth * OF_MESSAGE, OF_MESSAGE);
            format!("({}, {own})", first + nth)
        })
        .collect();
    sql.push_str(
        "INSERT INTO messages (account, conversation, position, id, role, parts, image,
                               created_at, aborted, turn)
         SELECT c.account, c.ordinal, c.message_count - $3 + m.column1, m.column2, m.column3,
                m.column4, m.column5, m.column6, m.column7, m.column8
         FROM conversations c, (VALUES ",
    );
    sql.push_str(&messages.join(", "));
    sql.push_str(") m WHERE c.account = $1 AND c.ordinal = $2;");
    sql
}

/// The messages of conversation `ordinal` in `window`, oldest first.
pub async fn read(
    db: &mut Connection,
    owner: AccountRow,
    ordinal: u64,
    window: Window,
) -> Result<Vec<Message>, StoreError> {
    let rows: Vec<MessageRow> = sqlx::query_as(
        "SELECT id, role, parts, image, created_at, aborted, turn FROM messages
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
pub(super) struct MessageRow {
    id: String,
    role: String,
    parts: String,
    image: Option<String>,
    created_at: i64,
    aborted: bool,
    turn: i64,
}

impl MessageRow {
    pub(super) fn into_domain(self) -> Result<Message, StoreError> {
        let wrong = |column| inconsistent("messages", column, &self.id);
        Ok(Message {
            role: role_named(&self.role).ok_or_else(|| wrong("role"))?,
            parts: parse(&self.parts).ok_or_else(|| wrong("parts"))?,
            created_at: from_unix(self.created_at).ok_or_else(|| wrong("created_at"))?,
            image: self.image.map(ImageId::from),
            aborted: self.aborted,
            turn: from_sql(self.turn),
            id: MessageId::from(self.id),
        })
    }
}

fn role_named(name: &str) -> Option<Role> {
    [Role::System, Role::User, Role::Assistant].into_iter().find(|role| role.name() == name)
}
