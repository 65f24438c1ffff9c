//! Other fixtures under running worlds: what an account may use changes, what it holds stays.

use std::sync::Arc;

use futures::FutureExt as _;

use super::lifecycle::minter;
use super::lifecycle::plan_of;
use super::{AccountIndex, AccountRegistry, AccountState, Credentials, RegistryOptions};
use crate::fixtures::Fixtures;
use crate::ids::IdKind;
use crate::storage::accounts;
use crate::storage::{self, AccountRecord, NewAccountRecord, StoreError};

impl AccountRegistry {
    /// Goes on with other fixtures. Rules, deployments, models, plans and keys are the new ones
    /// from now on; new accounts get their copy of the rest, the others keep what they hold until
    /// they are reset. Accounts that the fixtures no longer have are closed, and what they hold is
    /// kept for when they come back; accounts made at run time stay.
    pub async fn adopt(&self, mut fixtures: Fixtures) -> Result<(), StoreError> {
        let before = self.fixtures.current();
        if before.rules.is_same_as(&fixtures.rules) {
            // The same rules go on, and with them every account's place in them.
            fixtures.rules = Arc::clone(&before.rules);
        }
        let fixtures = Arc::new(fixtures);
        let (original, settings, shared, found) =
            (Arc::clone(&fixtures), self.settings, self.fixtures.clone(), self.index.clone());
        let settle = storage::act(move |db| {
            async move {
                original.settle(db, settings.seed).await?;
                accounts::all(db).await
            }
            .boxed()
        });
        let go_on = move |settled: &Vec<(AccountRecord, Vec<(IdKind, u64)>)>| {
            shared.replace(Arc::clone(&fixtures));
            found.write().go_on_with(&fixtures, settled, settings);
        };
        self.store.write_then(settle, go_on).await.map(drop)
    }
}

impl AccountIndex {
    /// Goes on with other fixtures, where `settled` is what the store remembers of every account.
    /// Called by the writer: no account is made, changed or removed meanwhile.
    fn go_on_with(
        &mut self,
        fixtures: &Fixtures,
        settled: &[(AccountRecord, Vec<(IdKind, u64)>)],
        settings: RegistryOptions,
    ) {
        self.by_id.retain(|id, account| {
            let stays = account.made_from.is_some() || fixtures.account(id.as_str()).is_some();
            if !stays {
                // What is still being answered for it must not be stored: it may come back.
                account.close();
            }
            stays
        });
        for (saved, made) in settled {
            let id = saved.id.clone();
            if let Some(account) = self.by_id.get(&id) {
                account.go_on_with(fixtures, saved);
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
    /// Goes on with other fixtures, where `saved` is its row.
    fn go_on_with(&self, fixtures: &Fixtures, saved: &AccountRecord) {
        let epoch = self.epoch();
        epoch.rules.set_fixtures(&fixtures.rules);
        let of = saved.made_from.as_ref().unwrap_or(&saved.id);
        let Some(original) = fixtures.account(of.as_str()) else { return };
        let keys = match &saved.made_from {
            Some(_) => self.keys(),
            None => original.keys.clone(),
        };
        *self.credentials.write() = Credentials { project: original.project.clone(), keys };
        if let Some(plan) = plan_of(saved, original, fixtures)
            && plan != epoch.plan()
        {
            epoch.set_plan(plan);
        }
    }
}

impl Fixtures {
    /// Gives accounts that the store does not know yet their copy of the fixtures.
    pub(super) async fn settle(
        &self,
        db: &mut storage::Connection,
        servers_seed: u64,
    ) -> Result<(), StoreError> {
        let known = accounts::all(db).await?;
        for account in &self.accounts {
            if !known.iter().any(|(saved, _)| saved.id == account.id) {
                let (row, _) = accounts::next(db).await?;
                accounts::insert(db, row, &NewAccountRecord::of_fixtures(account)).await?;
                let ids = minter(&accounts::find(db, row).await?, servers_seed);
                self.seed(db, row, &ids).await?;
            }
        }
        Ok(())
    }
}
