//! Authentication, and access to deployments and conversations.
//!
//! Source: notes.md, "Authentication (Runner API)"; contract, "Authentication".

use std::sync::Arc;

use thiserror::Error;

use super::accounts::{AccountRegistry, AccountSession, AccountState};
use super::request_log::RequestTrace;
use crate::domain::Deployment;
use crate::fixtures::FixtureHandle;
use crate::ids::DeploymentId;

/// Why a request has no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The request has no key but needs one.
    #[error("no API key was sent")]
    Missing,
    /// No account has the key.
    #[error("the API key is not known")]
    Unknown,
}

/// Why a caller may not use a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    /// There is no account for the key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key's account belongs to another project than the deployment.
    #[error("the API key belongs to another project than deployment `{0}`")]
    ForbiddenDeployment(DeploymentId),
    /// The deployment is public, but not for the origin of the request.
    #[error("the origin is not on the allowlist of deployment `{0}`")]
    OriginNotAllowed(DeploymentId),
    /// There is no such deployment.
    #[error("there is no deployment `{0}`")]
    UnknownDeployment(DeploymentId),
}

/// Finds the account of a key and checks its access.
#[derive(Debug, Clone)]
pub struct Authenticator {
    registry: Arc<AccountRegistry>,
    fixtures: FixtureHandle,
}

/// The account of the key of a request.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// An account.
    Account(AccountSession),
    /// No key was sent.
    MissingKey,
    /// No account has the key.
    UnknownKey,
}

impl Authentication {
    /// The account, or why there is none.
    pub fn session(&self) -> Result<&AccountSession, KeyError> {
        match self {
            Self::Account(session) => Ok(session),
            Self::MissingKey => Err(KeyError::Missing),
            Self::UnknownKey => Err(KeyError::Unknown),
        }
    }
}

/// A client that may use a deployment.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account that the use is attributed to.
    pub session: AccountSession,
    /// The deployment.
    pub deployment: Arc<Deployment>,
}

/// A client that may read Runner conversations.
#[derive(Debug, Clone)]
pub struct ConversationReader {
    /// The account of the key, when a known one was sent.
    pub account: Option<Arc<AccountState>>,
    /// Public deployments, with their owners: their conversations can be read without a key.
    pub public: Vec<PublicDeployment>,
    /// Whether the refusal of a conversation that is not visible says that the key is unknown.
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
    /// The error for a conversation that was not found: without a known key the reader does not
    /// learn whether it exists. `None` if the key is known.
    pub fn missing_access(&self) -> Option<KeyError> {
        match (&self.account, self.key_sent) {
            (Some(_), _) => None,
            (None, true) => Some(KeyError::Unknown),
            (None, false) => Some(KeyError::Missing),
        }
    }
}

impl Authenticator {
    /// Authenticates against the accounts of `registry`, for the deployments of `fixtures`.
    pub fn new(registry: Arc<AccountRegistry>, fixtures: FixtureHandle) -> Self {
        Self { registry, fixtures }
    }

    /// Finds the account of `key`. Its session records facts in `trace`.
    pub fn authenticate(&self, key: Option<&str>, trace: &Arc<RequestTrace>) -> Authentication {
        let Some(key) = key else { return Authentication::MissingKey };
        match self.registry.by_key(key) {
            Some(account) => Authentication::Account(AccountSession::new(account, trace)),
            None => Authentication::UnknownKey,
        }
    }

    /// The caller of deployment `id`, from a web page of `origin` if that is given.
    ///
    /// A key must be of the deployment's project. A public deployment needs no key but an origin on
    /// its allowlist; its use is attributed to the account whose key was sent all the same, if that
    /// is one of the project, else to the owner.
    pub fn caller(
        &self,
        id: &str,
        authentication: &Authentication,
        origin: Option<&str>,
        trace: &Arc<RequestTrace>,
    ) -> Result<Caller, AuthError> {
        let fixtures = self.fixtures.current();
        let Some(deployment) = fixtures.deployments.get(id) else {
            // Only clients with a known key learn which deployments exist.
            authentication.session()?;
            return Err(AuthError::UnknownDeployment(DeploymentId::from(id)));
        };
        let deployment = Arc::clone(deployment);
        let of_project = |session: &&AccountSession| session.project() == deployment.project;
        let session = if let Some(allowlist) = &deployment.public {
            if !allowlist.allows(origin) {
                return Err(AuthError::OriginNotAllowed(deployment.id.clone()));
            }
            match authentication.session().ok().filter(of_project) {
                Some(session) => session.clone(),
                None => AccountSession::new(self.owner(&deployment)?, trace),
            }
        } else {
            let session = Some(authentication.session()?).filter(of_project);
            session.ok_or_else(|| AuthError::ForbiddenDeployment(deployment.id.clone()))?.clone()
        };
        Ok(Caller { session, deployment })
    }

    /// The reader with this key on a web page of `origin`.
    pub fn reader(
        &self,
        authentication: &Authentication,
        origin: Option<&str>,
    ) -> ConversationReader {
        let fixtures = self.fixtures.current();
        let public = fixtures.deployments.values().filter_map(|deployment| {
            let allowlist = deployment.public.as_ref()?;
            Some(PublicDeployment {
                owner: self.owner(deployment).ok()?,
                id: deployment.id.clone(),
                origin_allowed: allowlist.allows(origin),
            })
        });
        ConversationReader {
            account: authentication.session().ok().map(AccountSession::account),
            public: public.collect(),
            key_sent: !matches!(authentication, Authentication::MissingKey),
        }
    }

    fn owner(&self, deployment: &Deployment) -> Result<Arc<AccountState>, AuthError> {
        let owner = self.registry.by_id(&deployment.owner);
        owner.ok_or_else(|| AuthError::UnknownDeployment(deployment.id.clone()))
    }
}
