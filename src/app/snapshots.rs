//! Use cases of snapshots: take, restore, fork (docs/control.md, "Snapshots").

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::oneshot;

use super::accounts::snapshot::{Captured, checked};
pub use super::accounts::snapshot::{Section, Snapshot};
use super::accounts::{AccountError, AccountRegistry, AccountState, NewAccount};
use crate::clock::ClockMode;
use crate::domain::error::{FieldError, InternalError};
use crate::ids::AccountId;
use crate::storage::{AccountData, Storage};

/// Why a snapshot was not taken, restored or copied.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// A field of the request or of the snapshot is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The account cannot be found, changed or made.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

/// Takes and restores snapshots.
#[derive(Debug, Clone)]
pub struct Snapshots {
    storage: Arc<dyn Storage>,
    registry: Arc<AccountRegistry>,
}

impl Snapshots {
    /// Takes snapshots of the accounts in `registry`, whose data is in `storage`.
    pub fn new(storage: Arc<dyn Storage>, registry: Arc<AccountRegistry>) -> Self {
        Self { storage, registry }
    }

    /// All state of the account `id`, with these sections.
    pub async fn take(&self, id: &AccountId, with: &[Section]) -> Result<Snapshot, SnapshotError> {
        let account = self.registry.require(id)?;
        let (captured, data) = self.capture(&account).await?;
        Ok(Snapshot::of(captured, data, with))
    }

    /// All state of `account` at one moment.
    async fn capture(
        &self,
        account: &Arc<AccountState>,
    ) -> Result<(Captured, AccountData), SnapshotError> {
        let owner = account.row;
        let captured_account = Arc::clone(account);
        let (send, captured) = oneshot::channel();
        let capture = Box::new(move || {
            // The request may be gone.
            let _ = send.send(Captured::of(&captured_account));
        });
        let data = self.storage.account_data(owner, capture).await;
        let data = data.map_err(InternalError::new)?;
        let data = data.ok_or_else(|| AccountError::UnknownAccount(account.id.clone()))?;
        Ok((captured.await.map_err(InternalError::new)?, data))
    }

    /// Replaces the state of the account `id` by `snapshot`, except sections that it does not have.
    pub async fn restore(&self, id: &AccountId, snapshot: Snapshot) -> Result<(), SnapshotError> {
        let account = self.registry.require(id)?;
        let state = checked(snapshot, self.registry.routes()).await??;
        Ok(self.registry.replace(&account, state).await?)
    }

    /// Creates an account as a copy of the account `id` with these sections and the values of `new`.
    pub async fn fork(
        &self,
        id: &AccountId,
        new: NewAccount,
        with: &[Section],
    ) -> Result<Arc<AccountState>, SnapshotError> {
        let original = self.registry.require(id)?;
        let (captured, data) = self.capture(&original).await?;
        // The document rounds the time of a running clock.
        let mut clock = captured.mode;
        let mut snapshot = Snapshot::of(captured, data, with).with_every_section();
        if let Some(id) = &new.plan {
            let plan = self.registry.plan(id)?;
            snapshot.plan = plan.id;
            snapshot.requests_per_minute = plan.requests_per_minute;
            snapshot.runner_requests_per_minute = plan.runner_requests_per_minute;
        }
        if let Some(balance) = new.balance {
            snapshot.balance = balance.to_string();
        }
        if let Some(at) = new.clock {
            clock = ClockMode::Frozen { at };
        }
        let from = original.made_from.clone().unwrap_or_else(|| original.id.clone());
        let origin = serde_json::to_string(&snapshot).map_err(InternalError::new)?;
        let mut state = checked(snapshot, self.registry.routes()).await??;
        state.memory.clock = clock;
        let profile = new.profile.or(original.profile);
        let new = NewAccount { from: Some(from), profile, ..new };
        Ok(self.registry.create_copy(new, state, origin).await?)
    }
}
