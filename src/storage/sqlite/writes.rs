//! The operations that write.

use super::Store;
use super::account_write::AccountWrite;
use super::batch::Write;
use crate::domain::Credits;
use crate::domain::catalog::{Agent, Image};
use crate::domain::conversation::Conversation;
use crate::storage::{
    AccountKey, AccountReplacement, AccountUpdate, NewAccountData, NewMessages, Publish,
    StoreError, WriteOutcome, WriteScope,
};

/// What requests write. Nothing is stored after the epoch of the scope has ended, or if the balance
/// does not cover the cost.
impl Store {
    /// Takes `cost` off the balance.
    pub async fn charge(
        &self,
        scope: WriteScope,
        cost: Credits,
    ) -> Result<WriteOutcome, StoreError> {
        self.writer.write(Write::charge(scope, cost)).await
    }

    /// Adds `turn` to a conversation, for `cost`.
    pub async fn record_turn(
        &self,
        scope: WriteScope,
        cost: Credits,
        turn: NewMessages,
    ) -> Result<WriteOutcome, StoreError> {
        let write = Write { messages: Some(turn), ..Write::charge(scope, cost) };
        self.writer.write(write).await
    }

    /// Creates `conversation` with its first messages.
    pub async fn start_conversation(
        &self,
        scope: WriteScope,
        conversation: Conversation,
        first: NewMessages,
    ) -> Result<WriteOutcome, StoreError> {
        let activity = first.activity;
        let write = Write {
            conversation: Some((conversation, activity)),
            messages: Some(first),
            ..Write::charge(scope, Credits::default())
        };
        self.writer.write(write).await
    }

    /// Creates the agent of ordinal `ordinal`, for `cost`.
    pub async fn create_agent(
        &self,
        scope: WriteScope,
        cost: Credits,
        (ordinal, agent): (u64, Agent),
    ) -> Result<WriteOutcome, StoreError> {
        let write = Write { agent: Some((ordinal, agent)), ..Write::charge(scope, cost) };
        self.writer.write(write).await
    }

    /// Creates the image of ordinal `ordinal`, for `cost`, and the message that shows it in a
    /// conversation.
    pub async fn create_image(
        &self,
        scope: WriteScope,
        cost: Credits,
        (ordinal, image): (u64, Image),
        message: Option<NewMessages>,
    ) -> Result<WriteOutcome, StoreError> {
        let image = Some((ordinal, image));
        let write = Write { image, messages: message, ..Write::charge(scope, cost) };
        self.writer.write(write).await
    }
}

/// Accounts.
impl Store {
    /// Allocates the numbers of `count` new accounts.
    pub async fn allocate_accounts(&self, count: u64) -> Result<Vec<AccountKey>, StoreError> {
        self.writer.write_accounts(AccountWrite::Allocate(count), None).await
    }

    /// Allocates the number of a new account.
    pub async fn allocate_account(&self) -> Result<AccountKey, StoreError> {
        let allocated = self.allocate_accounts(1).await?;
        allocated.first().copied().ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    /// Creates `new` accounts, all or none.
    pub async fn create_accounts(
        &self,
        new: Vec<NewAccountData>,
        publish: Publish,
    ) -> Result<(), StoreError> {
        self.write_accounts(AccountWrite::Create(new), publish).await
    }

    /// Removes an account with everything it holds.
    pub async fn remove_account(
        &self,
        owner: AccountKey,
        publish: Publish,
    ) -> Result<(), StoreError> {
        self.write_accounts(AccountWrite::Remove(owner), publish).await
    }

    /// Replaces everything that an account holds.
    pub async fn replace_account(
        &self,
        owner: AccountKey,
        replacement: AccountReplacement,
        publish: Publish,
    ) -> Result<(), StoreError> {
        self.write_accounts(AccountWrite::Replace(owner, replacement), publish).await
    }

    /// Changes balance, plan, limits or clock of an account.
    pub async fn update_account(
        &self,
        owner: AccountKey,
        update: AccountUpdate,
        publish: Publish,
    ) -> Result<(), StoreError> {
        self.write_accounts(AccountWrite::Update(owner, update), publish).await
    }

    async fn write_accounts(
        &self,
        write: AccountWrite,
        publish: Publish,
    ) -> Result<(), StoreError> {
        self.writer.write_accounts(write, Some(publish)).await.map(drop)
    }
}
