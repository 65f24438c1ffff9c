//! Accounts: their rows and what they have made.

use super::{AccountRow, Connection, StoreError, from_sql, to_sql};
use crate::domain::Credits;
use crate::ids::{AccountId, Kind, Minter};

/// Finds the account's row, or makes it with `balance`; tells whether it is new.
pub async fn find_or_make(
    db: &mut Connection,
    id: &AccountId,
    balance: Credits,
) -> Result<(AccountRow, bool), StoreError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT account FROM accounts WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(&mut *db)
        .await?;
    if let Some(row) = found {
        return Ok((AccountRow(row), false));
    }
    let row: i64 = sqlx::query_scalar(
        "INSERT INTO accounts (account, id, balance)
         SELECT COALESCE(MAX(account), 0) + 1, $1, $2 FROM accounts
         RETURNING account",
    )
    .bind(id.as_str())
    .bind(balance.millionths())
    .fetch_one(db)
    .await?;
    Ok((AccountRow(row), true))
}

/// Lets `ids` go on after what the account has made and stored.
pub async fn resume_ids(
    db: &mut Connection,
    owner: AccountRow,
    ids: &Minter,
) -> Result<(), StoreError> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT kind, made FROM counters WHERE account = $1")
            .bind(owner.0)
            .fetch_all(db)
            .await?;
    for (name, made) in rows {
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) {
            ids.resume(kind, from_sql(made));
        }
    }
    Ok(())
}

/// Remembers how many conversations, messages and changes the account has made.
pub async fn save_counters(
    db: &mut Connection,
    owner: AccountRow,
    ids: &Minter,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO counters (account, kind, made)
         VALUES ($1, $2, $3), ($1, $4, $5), ($1, $6, $7)
         ON CONFLICT (account, kind) DO UPDATE SET made = excluded.made",
    )
    .bind(owner.0)
    .bind(Kind::Conversation.name())
    .bind(to_sql(ids.made(Kind::Conversation)))
    .bind(Kind::Message.name())
    .bind(to_sql(ids.made(Kind::Message)))
    .bind(Kind::Activity.name())
    .bind(to_sql(ids.made(Kind::Activity)))
    .execute(db)
    .await?;
    Ok(())
}
