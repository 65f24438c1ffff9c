//! Accounts: their rows and what they have made.

use sqlx::QueryBuilder;

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

/// Remembers how many of each of `kinds` the account has made.
pub async fn save_counters(
    db: &mut Connection,
    owner: AccountRow,
    ids: &Minter,
    kinds: &[Kind],
) -> Result<(), StoreError> {
    let mut upsert = QueryBuilder::new("INSERT INTO counters (account, kind, made) ");
    upsert.push_values(kinds, |mut row, kind| {
        row.push_bind(owner.0).push_bind(kind.name()).push_bind(to_sql(ids.made(*kind)));
    });
    upsert.push(" ON CONFLICT (account, kind) DO UPDATE SET made = excluded.made");
    upsert.build().execute(db).await?;
    Ok(())
}

/// Takes `cost` off the account's balance, if the balance covers it; tells whether it did.
pub async fn charge(
    db: &mut Connection,
    owner: AccountRow,
    cost: Credits,
) -> Result<bool, StoreError> {
    let charged = sqlx::query(
        "UPDATE accounts SET balance = balance - $2 WHERE account = $1 AND balance >= $2",
    )
    .bind(owner.0)
    .bind(cost.millionths())
    .execute(db)
    .await?;
    Ok(charged.rows_affected() == 1)
}

/// The account's balance.
pub async fn balance(db: &mut Connection, owner: AccountRow) -> Result<Credits, StoreError> {
    let millionths: i64 = sqlx::query_scalar("SELECT balance FROM accounts WHERE account = $1")
        .bind(owner.0)
        .fetch_one(db)
        .await?;
    Ok(Credits::from_millionths(millionths))
}
