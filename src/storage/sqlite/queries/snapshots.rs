//! Everything an account holds, read and written as a whole.

use super::{accounts, agents, conversations, images, messages};
use crate::storage::sqlite::Connection;
use crate::storage::{AccountData, AccountKey, PageWindow, StoreError};

/// Everything that the account holds; `None` if the account is removed.
pub async fn read(
    db: &mut Connection,
    owner: AccountKey,
) -> Result<Option<AccountData>, StoreError> {
    let Some(balance) = accounts::balance(db, owner).await? else { return Ok(None) };
    let mut conversations = Vec::new();
    for (conversation, activity) in conversations::all(db, owner).await? {
        let all = PageWindow { skip: 0, take: conversation.message_count };
        let messages = messages::read(db, owner, conversation.ordinal, all).await?;
        conversations.push((conversation, activity, messages));
    }
    Ok(Some(AccountData {
        balance,
        made: accounts::counters(db, owner).await?,
        conversations,
        agents: agents::all(db, owner).await?,
        images: images::all(db, owner).await?,
    }))
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
