//! The triggers of an account (docs/control.md, "Triggers").

use std::sync::Arc;

use super::Error;
use super::thread::ServerHandle;
use crate::app::AccountState;
use crate::domain::Trigger;
use crate::ids::TriggerId;

/// The triggers of an account: [`Account::triggers`](super::Account::triggers).
#[derive(Debug, Clone, Copy)]
pub struct AccountTriggers<'a> {
    pub(super) server: &'a ServerHandle,
    pub(super) state: &'a Arc<AccountState>,
}

impl AccountTriggers<'_> {
    /// All triggers, in the order of their creation.
    pub async fn list(&self) -> Result<Vec<Trigger>, Error> {
        let (triggers, account) = (self.server.triggers.clone(), Arc::clone(self.state));
        Ok(self.server.run(async move { triggers.all(&account).await }).await??)
    }

    /// Has a trigger expire now; returns it.
    pub async fn expire(&self, id: &str) -> Result<Trigger, Error> {
        let (triggers, account) = (self.server.triggers.clone(), Arc::clone(self.state));
        let id = TriggerId::from(id);
        Ok(self.server.run(async move { triggers.expire(&account, id).await }).await??)
    }
}
