//! Accounts of a server inside a test: create, change, reset, fork and remove.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::thread::ServerHandle;
use super::{
    AccountChanges, AccountClock, AccountRuns, AccountTriggers, Credits, Error, Faults, Plan,
    Profile, Replies, Section, Snapshot, Time,
};
use crate::app::AccountState;
use crate::app::accounts;
use crate::domain::{Api, ApiKey};
use crate::ids::AccountId;

/// Creates an account when it is awaited: [`Mynah::account`](super::Mynah::account),
/// [`Account::fork`]. Values that are not set are those of the account that is copied.
#[derive(Debug, Clone)]
#[must_use = "it is created when it is awaited"]
pub struct AccountBuilder {
    server: ServerHandle,
    new: accounts::NewAccount,
    /// The account that is forked; a fixture account if `None`.
    fork_of: Option<AccountId>,
    /// The sections that a fork copies.
    with: Vec<Section>,
}

impl AccountBuilder {
    pub(super) fn new(server: ServerHandle) -> Self {
        Self {
            server,
            new: accounts::NewAccount::default(),
            fork_of: None,
            with: Section::ALL.to_vec(),
        }
    }

    /// The fixture account to copy. Default: the first one.
    pub fn copy_of(mut self, id: &str) -> Self {
        self.new.from = Some(AccountId::from(id));
        self
    }

    /// The plan: `free`, `pro`.
    pub fn plan(mut self, plan: impl Into<String>) -> Self {
        self.new.plan = Some(plan.into());
        self
    }

    /// The initial credits: `"12.5".parse()?`.
    pub fn balance(mut self, balance: Credits) -> Self {
        self.new.balance = Some(balance);
        self
    }

    /// The seed. Accounts with the same seed and requests get the same ids.
    pub fn seed(mut self, seed: u64) -> Self {
        self.new.seed = Some(seed);
        self
    }

    /// The profile of the Runner API's answers; the server's otherwise.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.new.profile = Some(profile);
        self
    }

    /// Freezes the clock at this time.
    pub fn clock(mut self, at: Time) -> Self {
        self.new.clock = Some(at);
        self
    }

    /// Removes the account after this time without a request, but not before the last [`Account`] of
    /// it is dropped. For a server that is shared by many tests.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.new.ttl = Some(ttl);
        self
    }

    /// What a fork copies besides data, balance, plan and clock: rules, queue, faults … Default: all of
    /// it. Only for [`Account::fork`].
    pub fn with(mut self, sections: &[Section]) -> Self {
        self.with = sections.to_vec();
        self
    }

    /// Creates the account; awaiting the builder does the same.
    pub async fn make(self) -> Result<Account, Error> {
        let Self { server, new, fork_of, with } = self;
        let (registry, snapshots) = (Arc::clone(&server.registry), server.snapshots.clone());
        let create = async move {
            match fork_of {
                Some(id) => snapshots.fork(&id, new, &with).await,
                None => Ok(registry.create(new).await?),
            }
        };
        let account = server.run(create).await??;
        Ok(Account::new(server, account))
    }
}

impl IntoFuture for AccountBuilder {
    type Output = Result<Account, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

/// An account. The client under test gets its URL and key. Clones are the same account.
#[derive(Debug, Clone)]
pub struct Account {
    pub(super) server: ServerHandle,
    pub(super) state: Arc<AccountState>,
    key: Option<ApiKey>,
}

impl Account {
    pub(super) fn new(server: ServerHandle, account: Arc<AccountState>) -> Self {
        let key = account.keys().into_iter().next();
        Self { server, state: account, key }
    }

    /// The id.
    pub fn id(&self) -> &str {
        self.state.id.as_str()
    }

    /// The key for both APIs: the first one, if there are several.
    ///
    /// # Panics
    ///
    /// If the fixtures give the account no key.
    #[expect(clippy::expect_used, reason = "a test that needs a key has to fail without one")]
    pub fn key(&self) -> &str {
        self.key.as_ref().expect("the fixtures give the account a key").reveal()
    }

    /// The base URL of the Runner API: `http://127.0.0.1:PORT/v1/runner`.
    pub fn runner_url(&self) -> String {
        self.server.url(Api::Runner.prefix())
    }

    /// The base URL of the Characters API: `http://127.0.0.1:PORT/api/v1`.
    pub fn characters_url(&self) -> String {
        self.server.url(Api::Characters.prefix())
    }

    /// The clock, to read, set, freeze and advance it.
    pub fn clock(&self) -> AccountClock<'_> {
        AccountClock { server: &self.server, state: &self.state }
    }

    /// The replies of its models.
    pub fn replies(&self) -> Replies<'_> {
        Replies(&self.state)
    }

    /// The faults.
    pub fn faults(&self) -> Faults<'_> {
        Faults(&self.state)
    }

    /// The triggers of the Runner API.
    pub fn triggers(&self) -> AccountTriggers<'_> {
        AccountTriggers { server: &self.server, state: &self.state }
    }

    /// The agent runs of the Runner API.
    pub fn runs(&self) -> AccountRuns<'_> {
        AccountRuns { server: &self.server, state: &self.state }
    }

    /// The current plan with its limits.
    pub fn plan(&self) -> Plan {
        self.state.plan()
    }

    /// The balance.
    pub async fn balance(&self) -> Result<Credits, Error> {
        let (registry, account) = (Arc::clone(&self.server.registry), Arc::clone(&self.state));
        Ok(self.server.run(async move { registry.balance(&account).await }).await??)
    }

    /// Changes the plan, limits or balance. A change of plan or limits starts a new window.
    pub async fn change(&self, changes: AccountChanges) -> Result<(), Error> {
        let (registry, id) = (Arc::clone(&self.server.registry), self.state.id.clone());
        self.server.run(async move { registry.change(&id, changes).await }).await??;
        Ok(())
    }

    /// Resets it to its state at creation: data, balance, ids, replies, faults, limits, clock, request
    /// log.
    pub async fn reset(&self) -> Result<(), Error> {
        let (registry, id) = (Arc::clone(&self.server.registry), self.state.id.clone());
        self.server.run(async move { registry.reset(&id).await }).await??;
        Ok(())
    }

    /// Removes it with its data; its key becomes unknown. The request log can still be read. Accounts
    /// of the fixtures cannot be removed.
    pub async fn remove(&self) -> Result<(), Error> {
        let (registry, id) = (Arc::clone(&self.server.registry), self.state.id.clone());
        Ok(self.server.run(async move { registry.remove(&id).await }).await??)
    }

    /// All its state as a document that can be serialised as JSON.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let (snapshots, id) = (self.server.snapshots.clone(), self.state.id.clone());
        Ok(self.server.run(async move { snapshots.take(&id, &Section::ALL).await }).await??)
    }

    /// Replaces its state by `snapshot`, except sections that the snapshot does not have
    /// ([`Snapshot::only`]).
    pub async fn restore(&self, snapshot: Snapshot) -> Result<(), Error> {
        let (snapshots, id) = (self.server.snapshots.clone(), self.state.id.clone());
        Ok(self.server.run(async move { snapshots.restore(&id, snapshot).await }).await??)
    }

    /// Creates an account with the current state of this one.
    pub fn fork(&self) -> AccountBuilder {
        AccountBuilder {
            fork_of: Some(self.state.id.clone()),
            ..AccountBuilder::new(self.server.clone())
        }
    }
}
