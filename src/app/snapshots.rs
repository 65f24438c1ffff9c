//! Snapshots: all state of an account as one document, to be put back or copied.
//!
//! A snapshot holds what the two APIs show and what follows from it: data, balance, plan, clock and
//! how many of each kind were made, so that what is made next gets the same ids; and what tests have
//! prepared: rules, queue, faults, with how far each is. What is kept in memory and what is in the
//! store are read at one moment (docs/control.md, "Snapshots").

mod document;
mod rows;
mod sections;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use thiserror::Error;

pub use self::document::Snapshot;
pub use self::sections::Section;
use super::accounts::{AccountError, AccountRegistry, AccountState, LimitWindows, NewAccount, RestoredState};
use super::faults::{AttachedFaultCounts, RunTimeFaults};
use crate::clock::ClockMode;
use crate::domain::fault_rule::RouteTable;
use crate::domain::Plan;
use crate::domain::error::{FieldError, InternalError};
use crate::ids::{AccountId, IdKind};
use crate::models::rules::capture::CapturedRules;
use crate::storage::{AccountData, Store};

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
    store: Store,
    registry: Arc<AccountRegistry>,
}

impl Snapshots {
    /// Snapshots of the accounts of `worlds`, whose data is in `store`.
    pub fn new(store: Store, registry: Arc<AccountRegistry>) -> Self {
        Self { store, registry }
    }

    /// All state of the account `id`, with these sections.
    pub async fn take(&self, id: &AccountId, with: &[Section]) -> Result<Snapshot, SnapshotError> {
        let account = self.registry.require(id)?;
        let (captured, holdings) = self.capture(&account).await?;
        Ok(Snapshot::of(captured, holdings, with))
    }

    /// All state of `world` as of one moment.
    async fn capture(&self, account: &Arc<AccountState>) -> Result<(Captured, AccountData), SnapshotError> {
        let owner = account.row;
        let captured_account = Arc::clone(account);
        let capture = move || Captured::of(&captured_account);
        let taken = self.store.account_data(owner, capture).await;
        let (captured, holdings) = taken.map_err(InternalError::new)?;
        let holdings = holdings.ok_or_else(|| AccountError::UnknownAccount(account.id.clone()))?;
        Ok((captured, holdings))
    }

    /// Puts `snapshot` in the place of the state of the account `id`. What a section that it does
    /// not have would hold stays as it is.
    pub async fn restore(&self, id: &AccountId, snapshot: Snapshot) -> Result<(), SnapshotError> {
        let account = self.registry.require(id)?;
        let state = checked(snapshot, self.registry.routes()).await??;
        Ok(self.registry.replace(&account, state).await?)
    }

    /// Makes a new account from a copy of the account `id`, with these sections; what `new` says is
    /// so in the copy.
    pub async fn fork(
        &self,
        id: &AccountId,
        new: NewAccount,
        with: &[Section],
    ) -> Result<Arc<AccountState>, SnapshotError> {
        let original = self.registry.require(id)?;
        let (captured, holdings) = self.capture(&original).await?;
        // To the last bit, which the document does not have of a clock that runs.
        let mut clock = captured.mode;
        let mut snapshot = Snapshot::of(captured, holdings, with).with_every_section();
        if let Some(plan) = &new.plan {
            let usual = self.registry.plan(plan)?;
            snapshot.plan = usual.id;
            snapshot.requests_per_minute = usual.requests_per_minute;
            snapshot.runner_requests_per_minute = usual.runner_requests_per_minute;
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
        let new = NewAccount { from: Some(from), ..new };
        Ok(self.registry.make_copy(new, state, origin).await?)
    }
}

/// Checks `snapshot` and compiles its rules, where nobody else has to wait for it.
pub(super) async fn checked(
    snapshot: Snapshot,
    routes: &'static RouteTable,
) -> Result<Result<RestoredState, FieldError>, InternalError> {
    let checking = tokio::task::spawn_blocking(move || snapshot.checked(routes));
    checking.await.map_err(InternalError::new)
}

/// What a snapshot holds of an account that is not in the store.
struct Captured {
    plan: Plan,
    now: DateTime<Utc>,
    mode: ClockMode,
    /// Requests made: the only kind that is counted in memory alone.
    requests: u64,
    book: CapturedRules,
    faults: (RunTimeFaults, AttachedFaultCounts),
    windows: LimitWindows,
}

impl Captured {
    fn of(account: &AccountState) -> Self {
        let epoch = account.epoch();
        Self {
            plan: epoch.plan(),
            now: account.clock.now(),
            mode: account.clock.mode(),
            requests: epoch.ids.made(IdKind::Request),
            book: epoch.rules.capture(),
            faults: epoch.faults.capture(),
            windows: epoch.windows(),
        }
    }
}
