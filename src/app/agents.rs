//! Agents of the Characters API.

use std::sync::Arc;

use thiserror::Error;

use super::accounts::{AccountSession, AccountState, SessionWriteError, stored};
use super::faults::{AttachedFaults, InjectedError};
use super::item_list::Items;
use crate::domain::Credits;
use crate::domain::catalog::{Agent, ModelLookupError, avatar_prompt};
use crate::domain::error::InternalError;
use crate::fixtures::FixtureHandle;
use crate::ids::{AgentId, IdKind, SdModelId};
use crate::storage::Storage;

/// The use cases of agents.
#[derive(Debug, Clone)]
pub struct Agents {
    storage: Arc<dyn Storage>,
    fixtures: FixtureHandle,
}

/// An agent to be created.
#[derive(Debug, Clone)]
pub struct NewAgent {
    /// The name, a part of the avatar's prompt.
    pub name: String,
    /// Its appearance, beginning with the age.
    pub appearance_prompt: String,
    /// Its personality.
    pub personality_prompt: String,
    /// Its role.
    pub description: String,
    /// The image model of its avatar.
    pub sd_model: SdModelId,
}

/// Why an agent was not created or not found.
#[derive(Debug, Error)]
pub enum AgentError {
    /// The request names a model that cannot draw.
    #[error(transparent)]
    ModelLookup(#[from] ModelLookupError),
    /// The account has no such agent.
    #[error("there is no agent `{0}`")]
    UnknownAgent(AgentId),
    /// The balance does not cover the cost.
    #[error("insufficient account balance: this costs {cost} credits")]
    InsufficientBalance {
        /// The cost of the avatar.
        cost: Credits,
    },
    /// A fault of the model was injected.
    #[error(transparent)]
    Injected(#[from] InjectedError),
    /// Nothing was stored.
    #[error(transparent)]
    Write(#[from] SessionWriteError),
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

impl Agents {
    /// Uses the image models of `fixtures`; stores agents in `storage`.
    pub fn new(storage: Arc<dyn Storage>, fixtures: FixtureHandle) -> Self {
        Self { storage, fixtures }
    }

    /// The account's agents in the order of their creation.
    pub async fn list(&self, account: &AccountState) -> Result<Items<Agent>, InternalError> {
        let owner = account.row;
        let batch = self.storage.list_agents(owner, 0).await.map_err(InternalError::new)?;
        let items = Items::new(&self.storage, batch, move |storage, ordinal| async move {
            storage.agent(owner, ordinal).await
        });
        Ok(items.with_more(
            move |storage, after| async move { storage.list_agents(owner, after).await },
        ))
    }

    /// An agent of the account.
    pub async fn get(&self, account: &AccountState, id: AgentId) -> Result<Agent, AgentError> {
        let found = self.storage.find_agent(account.row, id.clone()).await;
        found.map_err(InternalError::new)?.ok_or(AgentError::UnknownAgent(id))
    }

    /// Creates an agent and charges for its avatar.
    pub async fn create(
        &self,
        session: &AccountSession,
        new: NewAgent,
    ) -> Result<Agent, AgentError> {
        let model = self.fixtures.current().sd_model(&new.sd_model, "sd_model_id")?;
        let attached = AttachedFaults { owner: model.id.as_str(), faults: &model.faults };
        session.apply_attached_fault(attached).await?;
        let cost = model.cost_per_image;
        let mut ids = session.epoch().ids.allocation();
        let ordinal = ids.next(IdKind::Agent);
        let avatar = avatar_prompt(&new.name, &new.appearance_prompt);
        let agent = Agent {
            id: session.epoch().ids.agent(ordinal, &format!("{} {avatar}", model.id)),
            name: new.name,
            appearance_prompt: new.appearance_prompt,
            personality_prompt: new.personality_prompt,
            description: new.description,
            sd_model: Some(new.sd_model),
        };
        let scope = session.write_scope(&ids);
        let outcome = self.storage.create_agent(scope, cost, (ordinal, agent.clone())).await;
        if !stored(outcome, ids)? {
            return Err(AgentError::InsufficientBalance { cost });
        }
        session.trace().set_charge(cost);
        Ok(agent)
    }
}
