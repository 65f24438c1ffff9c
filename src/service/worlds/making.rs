//! Worlds come and go: opened from fixtures and store, made, changed, reset and removed.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use parking_lot::{Mutex, RwLock};

use super::{Doors, Found, Settings, Terms, World, Worlds};
use crate::backend::canned::RuleBook;
use crate::clock::{Clock, Stopwatch};
use crate::domain::error::FieldError;
use crate::domain::{Account, ApiKey, Credits, Error, Plan};
use crate::ids::{self, AccountId, Minter};
use crate::service::faults::Faults;
use crate::service::fixtures::{Fixtures, Shelf};
use crate::service::journal::{Journal, Watchers};
use crate::store::accounts::{self, NewRow, Saved};
use crate::store::snapshots::{self, Holdings};
use crate::store::{self, Store, StoreError};

/// An account to be made at run time. What is not said is as in the account it is copied from.
#[derive(Debug, Clone, Default)]
pub struct NewAccount {
    /// The fixture account to copy; the first of the fixtures otherwise.
    pub from: Option<AccountId>,
    /// Its plan.
    pub plan: Option<String>,
    /// The credits it starts with.
    pub balance: Option<Credits>,
    /// Its own seed: two accounts copied from one, with one seed, draw the same.
    pub seed: Option<u64>,
    /// Where its clock stands still.
    pub clock: Option<DateTime<Utc>>,
    /// How long it may be unused before it goes.
    pub ttl: Option<Duration>,
}

/// What is to change about an account.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Another plan.
    pub plan: Option<String>,
    /// Another balance.
    pub balance: Option<Credits>,
    /// The limit to the Characters API.
    pub requests_per_minute: LimitChange,
    /// The limit to the Runner API.
    pub runner_requests_per_minute: LimitChange,
}

/// What is to change about a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LimitChange {
    /// Nothing.
    #[default]
    Keep,
    /// It is the plan's again.
    Usual,
    /// It is another than the plan's.
    To(u32),
}

impl Worlds {
    /// The accounts of the fixtures, and those made at run time that the store remembers. Fixture
    /// accounts that the store does not know yet start with their copy of the fixtures.
    pub async fn open(
        fixtures: &Shelf,
        store: &Store,
        settings: Settings,
    ) -> Result<Self, StoreError> {
        let worlds = Self {
            fixtures: fixtures.clone(),
            store: store.clone(),
            settings,
            found: RwLock::new(Found::default()),
            watchers: Watchers::of_the_server(),
        };
        let original = fixtures.current();
        let settle = store::act(move |db| {
            async move {
                original.settle(db, settings.seed).await?;
                let mut settled = Vec::new();
                for saved in accounts::all(db).await? {
                    let made = accounts::counters(db, saved.row()).await?;
                    settled.push((saved, made));
                }
                Ok(settled)
            }
            .boxed()
        });
        for (saved, made) in store.write(settle).await? {
            if let Some(world) = worlds.world_of(&saved) {
                world.ids.resume(&made);
                worlds.found.write().add(&world);
            }
        }
        Ok(worlds)
    }

    /// Makes an account, with a key of its own and a copy of the fixtures.
    pub async fn make(&self, new: NewAccount) -> Result<Arc<World>, Error> {
        let fixtures = self.fixtures.current();
        let from = match &new.from {
            Some(id) => fixtures.account(id.as_str()),
            None => fixtures.accounts.first(),
        };
        let wanted = || new.from.clone().unwrap_or_else(|| AccountId::from(""));
        let from = from.ok_or_else(|| Error::UnknownAccount(wanted()))?;
        if let Some(plan) = &new.plan {
            fixtures.plan(plan, "plan")?;
        }
        let mut row = NewRow {
            balance: new.balance.unwrap_or(from.balance),
            made_from: Some(from.id.clone()),
            seed: new.seed,
            ttl: new.ttl.map(|ttl| ttl.as_secs()),
            plan: new.plan,
            clock: new.clock,
            ..NewRow::of_fixtures(from)
        };
        let seed = self.settings.seed;
        let act = store::act(move |db| {
            async move {
                let (owner, number) = accounts::next(db).await?;
                let (id, key) = ids::account_and_key(seed, number);
                (row.id, row.api_key) = (id, Some(ApiKey::new(key)));
                accounts::insert(db, owner, &row).await?;
                let saved = accounts::find(db, owner).await?;
                let ids = minter(&saved, seed);
                fixtures.seed(db, owner, &ids).await?;
                Ok((saved, accounts::counters(db, owner).await?))
            }
            .boxed()
        });
        let (saved, made) = self.store.write(act).await.map_err(Error::internal)?;
        let world = self.world_of(&saved).ok_or_else(|| Error::UnknownAccount(wanted()))?;
        world.ids.resume(&made);
        let mut found = self.found.write();
        found.add(&world);
        // The fixtures may have changed since it was put together.
        world.rules.adopt(&self.fixtures.current().rules);
        drop(found);
        Ok(world)
    }

    /// Removes an account made at run time, with all it holds. Fixture accounts stay.
    pub async fn remove(&self, id: &AccountId) -> Result<(), Error> {
        let world = self.named(id)?;
        if world.made_from.is_none() {
            return Err(Error::FixtureAccount(id.clone()));
        }
        self.found.write().remove(&world);
        world.journal.close();
        let act = store::act(move |db| {
            async move {
                world.outdate();
                accounts::remove(db, world.row).await
            }
            .boxed()
        });
        self.store.write(act).await.map_err(Error::internal)
    }

    /// Puts an account back to how it was made: data, balance, ids, rules, limits, clock, journal. What is
    /// still being answered is dropped, not stored.
    pub async fn reset(&self, id: &AccountId) -> Result<Arc<World>, Error> {
        let world = self.named(id)?;
        let (fixtures, reset) = (self.fixtures.current(), Arc::clone(&world));
        let original = fixtures.account(id.as_str()).filter(|_| world.made_from.is_none());
        let balance = original.map_or(world.balance, |original| original.balance);
        let seeds = Arc::clone(&fixtures);
        let act = store::act(move |db| {
            async move {
                reset.outdate();
                let ids = reset.ids.anew();
                accounts::clear(db, reset.row).await?;
                accounts::set_balance(db, reset.row, balance).await?;
                accounts::reset_terms(db, reset.row).await?;
                seeds.seed(db, reset.row, &ids).await?;
                let made = accounts::counters(db, reset.row).await?;
                Ok((accounts::find(db, reset.row).await?, made))
            }
            .boxed()
        });
        let (saved, made) = world.write(world.generation(), &self.store, act).await?;
        world.ids.restart();
        world.ids.resume(&made);
        world.rules.restart();
        world.journal.clear();
        world.faults.restart();
        world.clock.restart();
        let original = fixtures.account(saved.made_from.as_deref().unwrap_or(&saved.id));
        let plan = original.and_then(|original| plan_of(&saved, original, &fixtures));
        world.renew_terms(plan.unwrap_or_else(|| world.plan()));
        Ok(world)
    }

    /// Changes plan, limits or balance of an account. A change of plan or limits starts a window.
    pub async fn change(&self, id: &AccountId, changes: Changes) -> Result<Arc<World>, Error> {
        let world = self.named(id)?;
        let fixtures = self.fixtures.current();
        let mut plan = world.plan();
        if let Some(id) = &changes.plan {
            plan = fixtures.plan(id, "plan")?.clone();
        }
        let usual = fixtures.plan(&plan.id, "plan")?;
        match changes.requests_per_minute {
            LimitChange::Keep => {}
            LimitChange::Usual => plan.requests_per_minute = usual.requests_per_minute,
            LimitChange::To(limit) => plan.requests_per_minute = limit,
        }
        match changes.runner_requests_per_minute {
            LimitChange::Keep => {}
            LimitChange::Usual => {
                plan.runner_requests_per_minute = usual.runner_requests_per_minute;
            }
            LimitChange::To(limit) => plan.runner_requests_per_minute = Some(limit),
        }
        if let Some(balance) = changes.balance {
            let owner = world.row;
            let act = store::act(move |db| {
                async move { accounts::set_balance(db, owner, balance).await }.boxed()
            });
            world.write(world.generation(), &self.store, act).await?;
        }
        if plan != world.plan() {
            let limits = (plan.requests_per_minute, plan.runner_requests_per_minute);
            self.set_terms(&world, &plan.id, limits).await?;
        }
        Ok(world)
    }

    /// Puts `holdings` in the place of all that an account holds. What is still being answered is
    /// dropped, not stored.
    pub async fn replace(&self, world: &Arc<World>, holdings: Holdings) -> Result<(), Error> {
        let (replaced, made) = (Arc::clone(world), holdings.made.clone());
        let act = store::act(move |db| {
            async move {
                replaced.outdate();
                snapshots::write(db, replaced.row, &holdings).await
            }
            .boxed()
        });
        world.write(world.generation(), &self.store, act).await?;
        world.ids.restart();
        world.ids.resume(&made);
        world.rules.restart();
        Ok(())
    }

    /// Sets the account's plan and its limits, to the Characters API and to the Runner API. They
    /// start a window.
    pub async fn set_terms(
        &self,
        world: &Arc<World>,
        plan: &str,
        limits: (u32, Option<u32>),
    ) -> Result<(), Error> {
        let usual = self.plan(plan)?;
        let mut plan = usual.clone();
        (plan.requests_per_minute, plan.runner_requests_per_minute) = limits;
        // Only what is its own is kept: the rest follows the fixtures.
        let (characters, runner) = limits;
        let own = (
            Some(characters).filter(|limit| *limit != usual.requests_per_minute),
            runner.filter(|_| runner != usual.runner_requests_per_minute),
        );
        let (owner, id) = (world.row, plan.id.clone());
        let act = store::act(move |db| {
            async move { accounts::set_terms(db, owner, &id, own).await }.boxed()
        });
        world.write(world.generation(), &self.store, act).await?;
        world.renew_terms(plan);
        Ok(())
    }

    /// The plan called `id`.
    pub fn plan(&self, id: &str) -> Result<Plan, FieldError> {
        self.fixtures.current().plan(id, "plan").cloned()
    }

    /// The account's balance.
    pub async fn balance(&self, world: &World) -> Result<Credits, Error> {
        let owner = world.row;
        let look = store::act(move |db| async move { accounts::balance(db, owner).await }.boxed());
        self.store.read(look).await.map_err(Error::internal)
    }

    /// Removes the accounts that were not used for as long as they were made to last.
    pub async fn sweep(&self) {
        let idle: Vec<AccountId> = {
            let found = self.found.read();
            let idle = found.by_id.values().filter(|world| world.expired() && !world.in_use());
            idle.map(|world| world.id.clone()).collect()
        };
        for id in idle {
            if let Err(fault) = self.remove(&id).await {
                tracing::warn!(account = id.as_str(), error = fault.with_sources(), "not removed");
            }
        }
    }

    /// The world that a row describes; none where its fixture account is no more.
    pub(super) fn world_of(&self, saved: &Saved) -> Option<Arc<World>> {
        let fixtures = self.fixtures.current();
        let original = fixtures.account(saved.made_from.as_deref().unwrap_or(&saved.id))?;
        let plan = plan_of(saved, original, &fixtures)?;
        let keys = match &saved.api_key {
            Some(key) => vec![ApiKey::new(key)],
            None => original.keys.clone(),
        };
        Some(Arc::new(World {
            id: saved.id.as_str().into(),
            row: saved.row(),
            clock: Arc::new(
                saved
                    .first_clock()
                    .or(self.settings.clock)
                    .map_or_else(Clock::system, Clock::frozen),
            ),
            ids: minter(saved, self.settings.seed),
            rules: Arc::new(RuleBook::new(Arc::clone(&fixtures.rules))),
            journal: Arc::new(Journal::new(self.settings.journal_max)),
            faults: Faults::default(),
            made_from: saved.made_from.as_deref().map(AccountId::from),
            balance: saved.first_balance(),
            ttl: saved.ttl().map(Duration::from_secs),
            doors: RwLock::new(Doors { project: original.project.clone(), keys }),
            terms: RwLock::new(Terms::new(plan)),
            generation: AtomicU64::new(0),
            used: Mutex::new(Stopwatch::start()),
        }))
    }
}

/// The plan of an account that was copied from `original`, with what was changed about it; none
/// where it is a plan that there is no more.
pub(super) fn plan_of(saved: &Saved, original: &Account, fixtures: &Fixtures) -> Option<Plan> {
    let mut plan = original.plan.clone();
    if let Some(id) = &saved.plan {
        plan = fixtures.plan(id, "plan").ok()?.clone();
    }
    let (characters, runner) = saved.limits();
    plan.requests_per_minute = characters.unwrap_or(plan.requests_per_minute);
    plan.runner_requests_per_minute = runner.or(plan.runner_requests_per_minute);
    Some(plan)
}

/// The ids of an account. With a seed of its own they are those of any other account that was
/// copied from the same one with the same seed.
pub(super) fn minter(saved: &Saved, servers_seed: u64) -> Minter {
    match (saved.seed(), &saved.made_from) {
        (Some(seed), Some(from)) => Minter::new(seed, &AccountId::from(from.as_str())),
        _ => Minter::new(servers_seed, &AccountId::from(saved.id.as_str())),
    }
}

impl NewRow {
    pub(super) fn of_fixtures(account: &Account) -> Self {
        Self {
            id: account.id.clone(),
            balance: account.balance,
            made_from: None,
            api_key: None,
            seed: None,
            ttl: None,
            plan: None,
            clock: None,
        }
    }
}
