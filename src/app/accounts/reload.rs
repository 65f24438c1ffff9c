//! Replacing the fixtures while the server runs: what accounts may use changes, what they hold stays.

use std::sync::Arc;

use super::lifecycle::accounts_with_fixtures;
use super::record;
use super::{AccountIndex, AccountRegistry, AccountState, Credentials, RegistryOptions};
use crate::fixtures::Fixtures;
use crate::ids::IdKind;
use crate::storage::{AccountRecord, StorageError};

impl AccountRegistry {
    /// Replaces the fixtures. Rules, deployments, models, plans and keys are the new ones from now on.
    /// New accounts get a copy of the rest; the others keep what they hold until they are reset.
    /// Accounts that the fixtures no longer have are closed, and keep what they hold in case they
    /// return. Accounts created at run time stay.
    pub async fn replace_fixtures(&self, mut fixtures: Fixtures) -> Result<(), StorageError> {
        // No account is created, changed or removed meanwhile.
        let _guard = self.reload.write().await;
        let before = self.fixtures.current();
        if before.rules.is_same_as(&fixtures.rules) {
            // Unchanged rules stay, and with them how often they have answered in each account.
            fixtures.rules = Arc::clone(&before.rules);
        }
        let fixtures = Arc::new(fixtures);
        let stored = accounts_with_fixtures(&*self.storage, &fixtures, self.settings.seed).await?;
        self.fixtures.replace(Arc::clone(&fixtures));
        self.index.write().replace_fixtures(&fixtures, &stored, self.settings);
        Ok(())
    }
}

impl AccountIndex {
    /// Replaces the fixtures; `stored` are all accounts with what they have created.
    fn replace_fixtures(
        &mut self,
        fixtures: &Fixtures,
        stored: &[(AccountRecord, Vec<(IdKind, u64)>)],
        settings: RegistryOptions,
    ) {
        self.by_id.retain(|id, account| {
            let stays = account.made_from.is_some() || fixtures.account(id.as_str()).is_some();
            if !stays {
                // In-flight requests must not write into an account that may return.
                account.close();
            }
            stays
        });
        for (saved, made) in stored {
            let id = saved.id.clone();
            if let Some(account) = self.by_id.get(&id) {
                account.replace_fixtures(fixtures, saved);
            } else if let Some(account) = AccountState::of(saved, made, fixtures, settings) {
                self.by_id.insert(id, account);
            }
        }
        let registry: Vec<_> = self.by_id.values().cloned().collect();
        self.by_key.clear();
        for account in &registry {
            self.add(account);
        }
    }
}

impl AccountState {
    /// Replaces the fixtures; `saved` is the account's record.
    fn replace_fixtures(&self, fixtures: &Fixtures, saved: &AccountRecord) {
        let epoch = self.epoch();
        epoch.rules.set_fixtures(&fixtures.rules);
        let Some(original) = record::original(saved, fixtures) else { return };
        let keys = match &saved.made_from {
            Some(_) => self.keys(),
            None => original.keys.clone(),
        };
        *self.credentials.write() = Credentials { project: original.project.clone(), keys };
        if let Some(plan) = record::plan(saved, original, fixtures)
            && plan != epoch.plan()
        {
            epoch.set_plan(plan);
        }
    }
}
