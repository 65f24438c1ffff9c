//! The agent runs of an account (docs/control.md, "Agent runs").

use std::sync::Arc;

use super::Error;
use super::thread::ServerHandle;
use crate::app::AccountState;
use crate::app::agent_runs::StoredRun;
use crate::domain::agent_run::ToolResult;
use crate::ids::RunId;

/// The agent runs of an account: [`Account::runs`](super::Account::runs).
#[derive(Debug, Clone, Copy)]
pub struct AccountRuns<'a> {
    pub(super) server: &'a ServerHandle,
    pub(super) state: &'a Arc<AccountState>,
}

impl AccountRuns<'_> {
    /// The latest 100 runs, those of the latest activity first.
    pub async fn list(&self) -> Result<Vec<StoredRun>, Error> {
        let (runs, account) = (self.server.agent_runs.clone(), Arc::clone(self.state));
        Ok(self.server.run(async move { runs.list(&account).await }).await??)
    }

    /// Resumes a run in the client's place, with a result for each of its pending calls; returns it.
    pub async fn resume(&self, id: &str, results: Vec<ToolResult>) -> Result<StoredRun, Error> {
        let (runs, account) = (self.server.agent_runs.clone(), Arc::clone(self.state));
        let id = RunId::from(id);
        let resumed = self.server.run(async move { runs.resume_run(account, id, results).await });
        resumed.await?.map_err(|error| Error::Refused(error.into()))
    }
}
