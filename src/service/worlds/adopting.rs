//! Other fixtures under running worlds: what an account may use changes, what it holds stays.

use std::collections::HashSet;
use std::sync::Arc;

use futures::FutureExt as _;

use super::making::{minter, plan_of};
use super::{Doors, World, Worlds};
use crate::ids::AccountId;
use crate::service::fixtures::Fixtures;
use crate::store::accounts::{self, NewRow};
use crate::store::{self, StoreError};

impl Worlds {
    /// Goes on with other fixtures. Rules, deployments, models, plans and keys are the new ones
    /// from now on; new accounts get their copy of the rest, the others keep what they hold until
    /// they are reset. Accounts that the fixtures no longer have are closed, and what they hold is
    /// kept for when they come back; accounts made at run time stay.
    pub async fn adopt(&self, mut fixtures: Fixtures) -> Result<(), StoreError> {
        let before = self.fixtures.current();
        if before.rules.says_what(&fixtures.rules) {
            // The same rules go on, and with them every account's place in them.
            fixtures.rules = Arc::clone(&before.rules);
        }
        let fixtures = Arc::new(fixtures);
        let open: HashSet<AccountId> = self.all().iter().map(|world| world.id.clone()).collect();
        let vanished: Vec<Arc<World>> = self
            .all()
            .into_iter()
            .filter(|world| world.made_from.is_none())
            .filter(|world| fixtures.account(world.id.as_str()).is_none())
            .collect();
        let (original, closing, seed) =
            (Arc::clone(&fixtures), vanished.clone(), self.settings.seed);
        let settle = store::act(move |db| {
            async move {
                // What is still being answered for them would store behind their successors' backs.
                for world in closing {
                    world.outdate();
                }
                original.settle(db, seed).await?;
                let mut settled = Vec::new();
                for saved in accounts::all(db).await? {
                    let mut made = None;
                    if !open.contains(saved.id.as_str()) {
                        made = Some(accounts::counters(db, saved.row()).await?);
                    }
                    settled.push((saved, made));
                }
                Ok(settled)
            }
            .boxed()
        });
        let settled = self.store.write(settle).await?;
        let mut found = self.found.write();
        self.fixtures.put(Arc::clone(&fixtures));
        for world in &vanished {
            found.by_id.remove(&world.id);
        }
        for (saved, made) in settled {
            let id = AccountId::from(saved.id.as_str());
            if let Some(world) = found.by_id.get(&id) {
                world.rules.adopt(&fixtures.rules);
                let of = saved.made_from.as_deref().unwrap_or(&saved.id);
                let Some(original) = fixtures.account(of) else { continue };
                let keys = match &saved.made_from {
                    Some(_) => world.keys(),
                    None => original.keys.clone(),
                };
                *world.doors.write() = Doors { project: original.project.clone(), keys };
                if let Some(plan) = plan_of(&saved, original, &fixtures)
                    && plan != world.plan()
                {
                    world.renew_terms(plan);
                }
            // One made at run time that is not there is on its way in or out.
            } else if let (None, Some(made)) = (&saved.made_from, made)
                && let Some(world) = self.world_of(&saved)
            {
                world.ids.resume(&made);
                found.by_id.insert(id, world);
            }
        }
        let worlds: Vec<_> = found.by_id.values().cloned().collect();
        found.by_key.clear();
        for world in &worlds {
            found.add(world);
        }
        Ok(())
    }
}

impl Fixtures {
    /// Gives accounts that the store does not know yet their copy of the fixtures.
    pub(super) async fn settle(
        &self,
        db: &mut store::Connection,
        servers_seed: u64,
    ) -> Result<(), StoreError> {
        let known = accounts::all(db).await?;
        for account in &self.accounts {
            if !known.iter().any(|saved| saved.id == account.id.as_str()) {
                let row = accounts::insert(db, &NewRow::of_fixtures(account)).await?;
                let ids = minter(&accounts::find(db, row).await?, servers_seed);
                self.seed(db, row, &ids).await?;
            }
        }
        Ok(())
    }
}
