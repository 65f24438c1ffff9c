//! Accounts: their rows and counters.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta};
use sqlx::AssertSqlSafe;

use crate::clock::ClockMode;
use crate::domain::{ApiKey, Credits, Profile};
use crate::ids::{AccountId, IdKind};
use crate::storage::sqlite::Connection;
use crate::storage::sqlite::values::{inconsistent, to_sql};
use crate::storage::{
    AccountKey, AccountRecord, AccountUpdate, NewAccountRecord, PlanTerms, StorageError,
};

/// A row of `accounts`.
#[derive(sqlx::FromRow)]
struct AccountRow {
    account: i64,
    id: String,
    made_from: Option<String>,
    api_key: Option<String>,
    seed: Option<i64>,
    ttl: Option<u64>,
    profile: Option<String>,
    plan: Option<String>,
    first_plan: Option<String>,
    requests_per_minute: Option<u32>,
    runner_requests_per_minute: Option<u32>,
    first_balance: i64,
    first_clock: Option<i64>,
    first_clock_ahead: Option<i64>,
    clock_frozen_at: Option<i64>,
    clock_ahead: Option<i64>,
}

impl AccountRow {
    fn into_record(self) -> Result<AccountRecord, StorageError> {
        let profile = self.profile.as_deref().map(|name| {
            Profile::named(name).ok_or_else(|| inconsistent("accounts", "profile", &self.id))
        });
        Ok(AccountRecord {
            profile: profile.transpose()?,
            key: AccountKey(self.account),
            id: self.id.into(),
            made_from: self.made_from.map(AccountId::from),
            api_key: self.api_key.as_deref().map(ApiKey::new),
            seed: self.seed.map(i64::cast_unsigned),
            ttl: self.ttl,
            plan: self.plan,
            first_plan: self.first_plan,
            requests_per_minute: self.requests_per_minute,
            runner_requests_per_minute: self.runner_requests_per_minute,
            first_balance: Credits::from_millionths(self.first_balance),
            first_clock: clock_mode(self.first_clock, self.first_clock_ahead),
            clock: clock_mode(self.clock_frozen_at, self.clock_ahead),
        })
    }
}

const COLUMNS: &str = "account, id, made_from, api_key, seed, ttl, profile, plan, first_plan,
                       requests_per_minute, runner_requests_per_minute, first_balance, first_clock, first_clock_ahead,
                       clock_frozen_at, clock_ahead";

/// Every account with what it has created of each kind, in the order of their creation.
pub async fn all(
    db: &mut Connection,
) -> Result<Vec<(AccountRecord, Vec<(IdKind, u64)>)>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM accounts ORDER BY account");
    let rows: Vec<AccountRow> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&mut *db).await?;
    let counters: Vec<(i64, String, u64)> =
        sqlx::query_as("SELECT account, kind, made FROM counters").fetch_all(db).await?;
    let mut made: HashMap<AccountKey, Vec<(IdKind, u64)>> = HashMap::new();
    for (account, kind, number) in counters {
        made.entry(AccountKey(account)).or_default().extend(counter(&kind, number));
    }
    let with_counters = |row: AccountRow| {
        let record = row.into_record()?;
        // An account that has created nothing has no counters.
        let made = made.remove(&record.key).unwrap_or_default();
        Ok((record, made))
    };
    rows.into_iter().map(with_counters).collect()
}

/// The account `owner`.
pub async fn find(db: &mut Connection, owner: AccountKey) -> Result<AccountRecord, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM accounts WHERE account = $1");
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(owner.0);
    AccountRow::into_record(query.fetch_one(db).await?)
}

/// Allocates the numbers of `count` accounts, which no other account ever had.
pub async fn allocate(db: &mut Connection, count: u64) -> Result<Vec<AccountKey>, StorageError> {
    let count = to_sql(count);
    let latest: i64 = sqlx::query_scalar(
        "UPDATE account_numbers SET latest = latest + $1 WHERE only_row = 1 RETURNING latest",
    )
    .bind(count)
    .fetch_one(db)
    .await?;
    Ok((latest - count + 1..=latest).map(AccountKey).collect())
}

/// Creates the account of number `owner`, which holds nothing yet.
pub async fn insert(
    db: &mut Connection,
    owner: AccountKey,
    new: &NewAccountRecord,
) -> Result<(), StorageError> {
    let (frozen_at, ahead) = clock_columns(new.clock);
    sqlx::query(
        "INSERT INTO accounts (account, id, balance, first_balance, made_from, api_key, seed, ttl,
                               profile, plan, first_plan, first_clock, first_clock_ahead)
         VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11)",
    )
    .bind(owner.0)
    .bind(new.id.as_str())
    .bind(new.balance.millionths())
    .bind(new.made_from.as_ref().map(AccountId::as_str))
    .bind(new.api_key.as_ref().map(ApiKey::reveal))
    .bind(new.seed.map(u64::cast_signed))
    .bind(new.ttl.map(to_sql))
    .bind(new.profile.map(Profile::name))
    .bind(new.plan.as_deref())
    .bind(frozen_at)
    .bind(ahead)
    .execute(db)
    .await?;
    Ok(())
}

/// Stores the snapshot that the account was copied from.
pub async fn save_origin(
    db: &mut Connection,
    owner: AccountKey,
    snapshot: &str,
) -> Result<(), StorageError> {
    sqlx::query("INSERT INTO account_origins (account, snapshot) VALUES ($1, $2)")
        .bind(owner.0)
        .bind(snapshot)
        .execute(db)
        .await?;
    Ok(())
}

/// The snapshot that the account was copied from, if it was.
pub async fn origin(
    db: &mut Connection,
    owner: AccountKey,
) -> Result<Option<String>, StorageError> {
    let origin = sqlx::query_scalar("SELECT snapshot FROM account_origins WHERE account = $1");
    Ok(origin.bind(owner.0).fetch_optional(db).await?)
}

/// Removes an account and everything that it holds.
pub async fn remove(db: &mut Connection, owner: AccountKey) -> Result<(), StorageError> {
    clear(db, owner).await?;
    sqlx::query("DELETE FROM accounts WHERE account = $1").bind(owner.0).execute(db).await?;
    Ok(())
}

/// Removes everything that an account holds.
pub async fn clear(db: &mut Connection, owner: AccountKey) -> Result<(), StorageError> {
    for statement in [
        "DELETE FROM messages WHERE account = $1",
        "DELETE FROM conversation_meta WHERE account = $1",
        "DELETE FROM conversations WHERE account = $1",
        "DELETE FROM conversation_tallies WHERE account = $1",
        "DELETE FROM agents WHERE account = $1",
        "DELETE FROM images WHERE account = $1",
        "DELETE FROM triggers WHERE account = $1",
        "DELETE FROM trigger_tallies WHERE account = $1",
        "DELETE FROM counters WHERE account = $1",
    ] {
        sqlx::query(statement).bind(owner.0).execute(&mut *db).await?;
    }
    Ok(())
}

/// Sets the account's balance.
pub async fn set_balance(
    db: &mut Connection,
    owner: AccountKey,
    balance: Credits,
) -> Result<(), StorageError> {
    sqlx::query("UPDATE accounts SET balance = $2 WHERE account = $1")
        .bind(owner.0)
        .bind(balance.millionths())
        .execute(db)
        .await?;
    Ok(())
}

/// Stores the mode of the account's clock.
async fn set_clock(
    db: &mut Connection,
    owner: AccountKey,
    clock: ClockMode,
) -> Result<(), StorageError> {
    let (frozen_at, ahead) = clock_columns(Some(clock));
    sqlx::query("UPDATE accounts SET clock_frozen_at = $2, clock_ahead = $3 WHERE account = $1")
        .bind(owner.0)
        .bind(frozen_at)
        .bind(ahead)
        .execute(db)
        .await?;
    Ok(())
}

/// The mode of a clock as two columns, in microseconds: the time at which it is frozen, and its lead over
/// the system's clock.
fn clock_columns(clock: Option<ClockMode>) -> (Option<i64>, Option<i64>) {
    match clock {
        None => (None, None),
        Some(ClockMode::Frozen { at }) => (Some(at.timestamp_micros()), None),
        Some(ClockMode::Running { ahead_of_system }) => {
            let limit = if ahead_of_system < TimeDelta::zero() { i64::MIN } else { i64::MAX };
            (None, Some(ahead_of_system.num_microseconds().unwrap_or(limit)))
        }
    }
}

fn clock_mode(frozen_at: Option<i64>, ahead: Option<i64>) -> Option<ClockMode> {
    match (frozen_at, ahead) {
        (Some(at), _) => DateTime::from_timestamp_micros(at).map(|at| ClockMode::Frozen { at }),
        (None, Some(ahead)) => {
            Some(ClockMode::Running { ahead_of_system: TimeDelta::microseconds(ahead) })
        }
        (None, None) => None,
    }
}

/// Sets plan, limits and clock of the account to those of its creation.
pub async fn reset_terms(db: &mut Connection, owner: AccountKey) -> Result<(), StorageError> {
    sqlx::query(
        "UPDATE accounts
         SET plan = first_plan, requests_per_minute = NULL, runner_requests_per_minute = NULL,
             clock_frozen_at = NULL, clock_ahead = NULL
         WHERE account = $1",
    )
    .bind(owner.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Sets the account's plan and its own limits.
pub async fn set_terms(
    db: &mut Connection,
    owner: AccountKey,
    terms: &PlanTerms,
) -> Result<(), StorageError> {
    sqlx::query(
        "UPDATE accounts
         SET plan = $2, requests_per_minute = $3, runner_requests_per_minute = $4
         WHERE account = $1",
    )
    .bind(owner.0)
    .bind(&terms.plan)
    .bind(terms.requests_per_minute)
    .bind(terms.runner_requests_per_minute)
    .execute(db)
    .await?;
    Ok(())
}

/// Changes what `update` names.
pub async fn update(
    db: &mut Connection,
    owner: AccountKey,
    update: AccountUpdate,
) -> Result<(), StorageError> {
    if let Some(balance) = update.balance {
        set_balance(db, owner, balance).await?;
    }
    if let Some(terms) = update.terms {
        set_terms(db, owner, &terms).await?;
    }
    if let Some(clock) = update.clock {
        set_clock(db, owner, clock).await?;
    }
    Ok(())
}

/// How many of each kind the account has created and stored.
pub async fn counters(
    db: &mut Connection,
    owner: AccountKey,
) -> Result<Vec<(IdKind, u64)>, StorageError> {
    let rows: Vec<(String, u64)> =
        sqlx::query_as("SELECT kind, made FROM counters WHERE account = $1")
            .bind(owner.0)
            .fetch_all(db)
            .await?;
    Ok(rows.into_iter().filter_map(|(kind, made)| counter(&kind, made)).collect())
}

/// A counter of a kind that this version knows.
fn counter(kind: &str, made: u64) -> Option<(IdKind, u64)> {
    let kind = IdKind::ALL.into_iter().find(|known| known.name() == kind)?;
    Some((kind, made))
}

/// The account's balance; `None` if the account is removed.
pub async fn balance(
    db: &mut Connection,
    owner: AccountKey,
) -> Result<Option<Credits>, StorageError> {
    let balance = sqlx::query_scalar("SELECT balance FROM accounts WHERE account = $1");
    let millionths: Option<i64> = balance.bind(owner.0).fetch_optional(db).await?;
    Ok(millionths.map(Credits::from_millionths))
}

/// The balances of all accounts.
pub async fn balances(db: &mut Connection) -> Result<HashMap<AccountKey, Credits>, StorageError> {
    let rows: Vec<(i64, i64)> =
        sqlx::query_as("SELECT account, balance FROM accounts").fetch_all(db).await?;
    let balance = |(owner, millionths)| (AccountKey(owner), Credits::from_millionths(millionths));
    Ok(rows.into_iter().map(balance).collect())
}
