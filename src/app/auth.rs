//! Who calls, and what they may use.
//!
//! Source: notes.md, "Authentication (Runner API)"; contract, "Authentication".

use std::sync::Arc;

use super::accounts::{AccountRegistry, AccountSession, AccountState};
use super::request_log::RequestTrace;
use crate::domain::{Deployment, Error};
use crate::fixtures::FixtureHandle;
use crate::ids::DeploymentId;

/// Tells who calls and what they may use.
#[derive(Debug, Clone)]
pub struct Authenticator {
    registry: Arc<AccountRegistry>,
    fixtures: FixtureHandle,
}

/// Someone who may use a deployment.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The visit to the account that the use is attributed to.
    pub session: AccountSession,
    /// The deployment.
    pub deployment: Arc<Deployment>,
}

/// Someone who may read conversations.
#[derive(Debug, Clone)]
pub struct ConversationReader {
    /// The account of the key, when a known one was sent.
    pub account: Option<Arc<AccountState>>,
    /// Public deployments, with their owners: their conversations can be read without a key.
    pub public: Vec<PublicDeployment>,
    /// What to answer when neither holds the conversation.
    key_sent: bool,
}

/// A public deployment as seen from the reader's web page.
#[derive(Debug, Clone)]
pub struct PublicDeployment {
    /// The account that owns it.
    pub owner: Arc<AccountState>,
    /// Its id.
    pub id: DeploymentId,
    /// Whether its allowlist has the reader's origin.
    pub origin_allowed: bool,
}

impl ConversationReader {
    /// Why a conversation that is nowhere to be seen is refused: for want of a good key, or
    /// because it is not there.
    pub fn refusal(&self, not_there: Error) -> Error {
        match (&self.account, self.key_sent) {
            (Some(_), _) => not_there,
            (None, true) => Error::UnknownKey,
            (None, false) => Error::MissingKey,
        }
    }
}

impl Authenticator {
    /// Access to the accounts of `worlds` and the deployments of `fixtures`.
    pub fn new(registry: Arc<AccountRegistry>, fixtures: FixtureHandle) -> Self {
        Self { registry, fixtures }
    }

    /// The account that `key` opens.
    pub fn account(&self, key: Option<&str>) -> Result<Arc<AccountState>, Error> {
        let key = key.ok_or(Error::MissingKey)?;
        self.registry.by_key(key).ok_or(Error::UnknownKey)
    }

    /// The caller who sent `key` and `origin` to deployment `id`, whose visit is written about in
    /// `notes`.
    ///
    /// A key must be of the deployment's project. A public deployment asks for no key but for an
    /// origin on its allowlist; its use is the account's whose key was sent all the same, if that
    /// is one of the project, else the owner's.
    pub fn caller(
        &self,
        id: &str,
        key: Option<&str>,
        origin: Option<&str>,
        notes: &Arc<RequestTrace>,
    ) -> Result<Caller, Error> {
        let fixtures = self.fixtures.current();
        let Some(deployment) = fixtures.deployments.get(id) else {
            // Only who has a key learns which deployments there are.
            self.account(key)?;
            return Err(Error::UnknownDeployment(DeploymentId::from(id)));
        };
        let deployment = Arc::clone(deployment);
        if let Some(allowlist) = &deployment.public {
            if !allowlist.allows(origin) {
                return Err(Error::OriginNotAllowed(deployment.id.clone()));
            }
            let of_project = key
                .and_then(|key| self.registry.by_key(key))
                .filter(|account| account.project() == deployment.project);
            let account = match of_project {
                Some(account) => account,
                None => self.owner(&deployment)?,
            };
            return Ok(Caller { session: AccountSession::new(account, notes), deployment });
        }
        let account = self.account(key)?;
        if account.project() != deployment.project {
            return Err(Error::ForbiddenDeployment(deployment.id.clone()));
        }
        Ok(Caller { session: AccountSession::new(account, notes), deployment })
    }

    /// Whose conversations someone with `key`, on a web page of `origin`, may read.
    pub fn reader(&self, key: Option<&str>, origin: Option<&str>) -> ConversationReader {
        let account = key.and_then(|key| self.registry.by_key(key));
        let fixtures = self.fixtures.current();
        let public = fixtures.deployments.values().filter_map(|deployment| {
            let allowlist = deployment.public.as_ref()?;
            Some(PublicDeployment {
                owner: self.owner(deployment).ok()?,
                id: deployment.id.clone(),
                origin_allowed: allowlist.allows(origin),
            })
        });
        ConversationReader { account, public: public.collect(), key_sent: key.is_some() }
    }

    fn owner(&self, deployment: &Deployment) -> Result<Arc<AccountState>, Error> {
        let owner = self.registry.by_id(&deployment.owner);
        owner.ok_or_else(|| Error::UnknownDeployment(deployment.id.clone()))
    }
}
