//! All state of an account as one document (docs/control.md, "Snapshots").
//!
//! A snapshot has data, balance, plan, clock and the counts of ids, so that later ids are the same; and
//! what tests have prepared: rules, queue and faults with their counts. State in memory and in the
//! database is read at one moment.

mod document;
mod rows;
mod runs;
mod sections;
mod values;

use chrono::{DateTime, Utc};

pub use self::document::Snapshot;
pub use self::sections::Section;
use super::restored::RestoredState;
use super::{AccountState, LimitWindows};
use crate::app::faults::{AttachedFaultCounts, RunTimeFaults};
use crate::clock::ClockMode;
use crate::domain::Plan;
use crate::domain::error::{FieldError, InternalError};
use crate::domain::fault_rule::RouteTable;
use crate::ids::IdKind;
use crate::models::rules::capture::CapturedRules;

/// Checks `snapshot` and compiles its rules on a blocking thread.
pub(in crate::app) async fn checked(
    snapshot: Snapshot,
    routes: &'static RouteTable,
) -> Result<Result<RestoredState, FieldError>, InternalError> {
    let checking = tokio::task::spawn_blocking(move || snapshot.checked(routes));
    checking.await.map_err(InternalError::new)
}

/// The part of a snapshot that is not in the database.
pub(in crate::app) struct Captured {
    plan: Plan,
    now: DateTime<Utc>,
    pub(in crate::app) mode: ClockMode,
    /// Counts that the database does not have in full.
    requests: u64,
    workflow_logs: u64,
    rules: CapturedRules,
    faults: (RunTimeFaults, AttachedFaultCounts),
    windows: LimitWindows,
}

impl Captured {
    pub(in crate::app) fn of(account: &AccountState) -> Self {
        let epoch = account.epoch();
        Self {
            plan: epoch.plan(),
            now: account.clock.now(),
            mode: account.clock.mode(),
            requests: epoch.ids.count(IdKind::Request),
            workflow_logs: epoch.ids.count(IdKind::WorkflowLog),
            rules: epoch.rules.capture(),
            faults: epoch.faults.capture(),
            windows: epoch.windows(),
        }
    }
}
