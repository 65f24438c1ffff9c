//! Reads and writes everything that an account holds.

use super::{accounts, agents, conversations, images, messages, runs, triggers};
use crate::storage::sqlite::Connection;
use crate::storage::sqlite::rows::Rows;
use crate::storage::{AccountData, AccountKey, PageWindow, StorageError};

/// Everything that the account holds; `None` if the account is removed.
pub async fn read(
    db: &mut Connection,
    owner: AccountKey,
) -> Result<Option<AccountData>, StorageError> {
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
        triggers: triggers::all(db, owner).await?,
        run_steps: runs::all(db, owner).await?,
    }))
}

/// Stores the data of an account that has none yet.
pub async fn fill(
    db: &mut Connection,
    owner: AccountKey,
    data: &AccountData,
) -> Result<(), StorageError> {
    accounts::set_balance(db, owner, data.balance).await?;
    let mut rows = Rows::default();
    for (conversation, activity, messages) in &data.conversations {
        let last_change = (conversation.updated_at, *activity);
        rows.conversations.add(owner, conversation, *activity);
        rows.messages.add(owner, conversation.ordinal, messages, last_change);
        if rows.is_full() {
            std::mem::take(&mut rows).insert(db).await?;
        }
    }
    for (ordinal, agent) in &data.agents {
        rows.agents.add(owner, *ordinal, agent);
    }
    for (ordinal, image) in &data.images {
        rows.images.add(owner, *ordinal, image);
    }
    for trigger in &data.triggers {
        rows.triggers.add(owner, trigger);
    }
    for (conversation, step) in &data.run_steps {
        rows.runs.add(owner, *conversation, step, 0);
    }
    rows.accounts.count(owner, &data.made);
    Ok(rows.insert(db).await?)
}
