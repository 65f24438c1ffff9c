//! Everything an account holds, read and written as a whole.

use super::accounts;
use super::agents;
use super::conversations;
use super::from_sql;
use super::images;
use super::messages;
use super::to_sql;
use super::{AccountKey, Connection, PageWindow, StoreError};
use crate::domain::catalog::{Agent, Image};
use crate::domain::conversation::{Conversation, Message};
use crate::domain::{Api, Credits};
use crate::ids::IdKind;

/// Everything an account holds. Each thing comes with its ordinal: how many of its kind the account
/// had made with it.
#[derive(Debug, Clone)]
pub struct AccountData {
    /// The credits left.
    pub balance: Credits,
    /// How many of each kind were made.
    pub made: Vec<(IdKind, u64)>,
    /// Conversations of both APIs, with their place among changes of the same second.
    pub conversations: Vec<(Conversation, u64, Vec<Message>)>,
    /// Agents.
    pub agents: Vec<(u64, Agent)>,
    /// Images.
    pub images: Vec<(u64, Image)>,
}

/// Reads everything that the account holds; none if the account is gone.
pub async fn read(
    db: &mut Connection,
    owner: AccountKey,
) -> Result<Option<AccountData>, StoreError> {
    let Some(balance) = accounts::balance(db, owner).await? else { return Ok(None) };
    let mut found = Vec::new();
    for api in Api::ALL {
        for conversation in conversations::all(db, owner, api).await? {
            let all = PageWindow { skip: 0, take: conversation.message_count };
            let said = messages::read(db, owner, conversation.ordinal, all).await?;
            let activity = activity(db, owner, conversation.ordinal).await?;
            found.push((conversation, activity, said));
        }
    }
    found.sort_by_key(|(conversation, ..)| conversation.ordinal);
    Ok(Some(AccountData {
        balance,
        made: accounts::counters(db, owner).await?,
        conversations: found,
        agents: agents::all_with_ordinals(db, owner).await?,
        images: images::all_with_ordinals(db, owner).await?,
    }))
}

async fn activity(db: &mut Connection, owner: AccountKey, ordinal: u64) -> Result<u64, StoreError> {
    let activity: i64 = sqlx::query_scalar(
        "SELECT activity FROM conversations WHERE account = $1 AND ordinal = $2",
    )
    .bind(owner.0)
    .bind(to_sql(ordinal))
    .fetch_one(db)
    .await?;
    Ok(from_sql(activity))
}

/// Replaces everything that the account holds.
pub async fn write(
    db: &mut Connection,
    owner: AccountKey,
    holdings: &AccountData,
) -> Result<(), StoreError> {
    accounts::clear(db, owner).await?;
    accounts::set_balance(db, owner, holdings.balance).await?;
    accounts::set_counters(db, owner, &holdings.made).await?;
    for (conversation, activity, said) in &holdings.conversations {
        conversations::insert(db, owner, conversation, *activity).await?;
        let ordinal = conversation.ordinal;
        messages::append(db, owner, ordinal, said, *activity).await?;
        conversations::touch(db, owner, ordinal, conversation.updated_at, *activity).await?;
    }
    for (ordinal, agent) in &holdings.agents {
        agents::insert(db, owner, agent, *ordinal).await?;
    }
    images::insert(db, owner, &holdings.images).await
}
