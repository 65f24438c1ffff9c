//! Accounts of a server inside a test: made, changed, reset, copied and removed.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::thread::ServerHandle;
use super::{
    AccountChanges, AccountClock, Credits, Error, Faults, Plan, Replies, Section, Snapshot, Time,
};
use crate::app::AccountState;
use crate::app::accounts;
use crate::domain::{Api, ApiKey};
use crate::ids::AccountId;

/// An account to make, when it is awaited: [`Mynah::account`](super::Mynah::account),
/// [`Account::fork`]. What is not said is as in the account it is copied from.
#[derive(Debug, Clone)]
#[must_use = "it is made when it is awaited"]
pub struct AccountBuilder {
    core: ServerHandle,
    new: accounts::NewAccount,
    /// The account whose state it begins with; that of the fixtures otherwise.
    fork_of: Option<AccountId>,
    /// What a fork takes along.
    with: Vec<Section>,
}

impl AccountBuilder {
    pub(super) fn new(core: ServerHandle) -> Self {
        Self {
            core,
            new: accounts::NewAccount::default(),
            fork_of: None,
            with: Section::ALL.to_vec(),
        }
    }

    /// The fixture account to copy; the first of the fixtures otherwise.
    pub fn copy_of(mut self, id: &str) -> Self {
        self.new.from = Some(AccountId::from(id));
        self
    }

    /// Its plan: `free`, `pro`.
    pub fn plan(mut self, plan: impl Into<String>) -> Self {
        self.new.plan = Some(plan.into());
        self
    }

    /// The credits it starts with: `"12.5".parse()?`.
    pub fn balance(mut self, balance: Credits) -> Self {
        self.new.balance = Some(balance);
        self
    }

    /// Its own seed: it draws the same ids as any other account of this seed, whatever else the
    /// server does.
    pub fn seed(mut self, seed: u64) -> Self {
        self.new.seed = Some(seed);
        self
    }

    /// Where its clock stands still.
    pub fn clock(mut self, at: Time) -> Self {
        self.new.clock = Some(at);
        self
    }

    /// How long it may be without a request before it is removed; no sooner than the last
    /// [`Account`] of it is dropped. For a server that is shared by many tests.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.new.ttl = Some(ttl);
        self
    }

    /// What a fork takes along besides data, balance, plan and clock: rules, queue, faults … all of
    /// it where this is not said. Only for [`Account::fork`].
    pub fn with(mut self, sections: &[Section]) -> Self {
        self.with = sections.to_vec();
        self
    }

    /// Makes it; to await the builder is the same.
    pub async fn make(self) -> Result<Account, Error> {
        let Self { core, new, fork_of, with } = self;
        let (registry, snapshots) = (Arc::clone(&core.registry), core.snapshots.clone());
        let making = async move {
            match fork_of {
                Some(id) => snapshots.fork(&id, new, &with).await,
                None => Ok(registry.make(new).await?),
            }
        };
        let account = core.run(making).await??;
        Ok(Account::new(core, account))
    }
}

impl IntoFuture for AccountBuilder {
    type Output = Result<Account, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

/// An account, to be given to the client under test by URL and key. Clones are the same account.
#[derive(Debug, Clone)]
pub struct Account {
    pub(super) core: ServerHandle,
    pub(super) state: Arc<AccountState>,
    key: ApiKey,
}

impl Account {
    pub(super) fn new(core: ServerHandle, account: Arc<AccountState>) -> Self {
        let key = account.keys().into_iter().next().unwrap_or_else(|| ApiKey::new(""));
        Self { core, state: account, key }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        self.state.id.as_str()
    }

    /// What opens it, in either API: the first of its keys.
    pub fn key(&self) -> &str {
        self.key.reveal()
    }

    /// Where the Runner API begins: `http://127.0.0.1:PORT/v1/runner`.
    pub fn runner_url(&self) -> String {
        self.core.url(Api::Runner.prefix())
    }

    /// Where the Characters API begins: `http://127.0.0.1:PORT/api/v1`.
    pub fn characters_url(&self) -> String {
        self.core.url(Api::Characters.prefix())
    }

    /// Its time: what it says, and to set, freeze, run on and advance it.
    pub fn clock(&self) -> AccountClock<'_> {
        AccountClock { server: &self.core, state: &self.state }
    }

    /// What its model answers.
    pub fn replies(&self) -> Replies<'_> {
        Replies(&self.state)
    }

    /// What is to go wrong in it.
    pub fn faults(&self) -> Faults<'_> {
        Faults(&self.state)
    }

    /// Its plan as it is now, with its limits.
    pub fn plan(&self) -> Plan {
        self.state.plan()
    }

    /// Its balance.
    pub async fn balance(&self) -> Result<Credits, Error> {
        let (registry, account) = (Arc::clone(&self.core.registry), Arc::clone(&self.state));
        Ok(self.core.run(async move { registry.balance(&account).await }).await??)
    }

    /// Changes its plan, limits or balance. A change of plan or limits starts a window.
    pub async fn change(&self, changes: AccountChanges) -> Result<(), Error> {
        let (registry, id) = (Arc::clone(&self.core.registry), self.state.id.clone());
        self.core.run(async move { registry.change(&id, changes).await }).await??;
        Ok(())
    }

    /// Puts it back to how it was made: data, balance, ids, replies, faults, limits, clock, journal.
    pub async fn reset(&self) -> Result<(), Error> {
        let (registry, id) = (Arc::clone(&self.core.registry), self.state.id.clone());
        self.core.run(async move { registry.reset(&id).await }).await??;
        Ok(())
    }

    /// Removes it, with all it holds: its key is not known any more. Its journal can still be read.
    /// Accounts of the fixtures stay.
    pub async fn remove(&self) -> Result<(), Error> {
        let (registry, id) = (Arc::clone(&self.core.registry), self.state.id.clone());
        Ok(self.core.run(async move { registry.remove(&id).await }).await??)
    }

    /// All its state as one document, which can be written as JSON.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let (snapshots, id) = (self.core.snapshots.clone(), self.state.id.clone());
        Ok(self.core.run(async move { snapshots.take(&id, &Section::ALL).await }).await??)
    }

    /// Puts `snapshot` in the place of all its state, but for what belongs to a section that it does
    /// not have ([`Snapshot::only`]).
    pub async fn restore(&self, snapshot: Snapshot) -> Result<(), Error> {
        let (snapshots, id) = (self.core.snapshots.clone(), self.state.id.clone());
        Ok(self.core.run(async move { snapshots.restore(&id, snapshot).await }).await??)
    }

    /// A new account that begins with the state this one is in when it is made.
    pub fn fork(&self) -> AccountBuilder {
        AccountBuilder {
            fork_of: Some(self.state.id.clone()),
            ..AccountBuilder::new(self.core.clone())
        }
    }
}
