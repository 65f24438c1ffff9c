//! Agents (characters.txt, "Manage AI agents with customizable appearances and personalities").

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::auth::CharactersAccount;
use super::error::CharactersError;
use crate::app::Agents;
use crate::app::agents::NewAgent;
use crate::domain::catalog::Agent;
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::http::Shared;
use crate::http::base_url::BaseUrl;
use crate::http::extract::{Body, InPath, WholeNumber};
use crate::http::response::json::Json;
use crate::http::response::lists::listed;
use crate::http::routes::{Routes, get};
use crate::ids::{AgentId, SdModelId};

pub(super) fn routes() -> Routes<Shared> {
    Routes::new()
        .route("/api/v1/agents", get(list_agents).post(create_agent))
        .route("/api/v1/agents/{id}", get(get_agent))
}

/// The youngest an agent may be, in years.
const YOUNGEST: u64 = 18;

/// An agent to create.
#[derive(Debug, Deserialize)]
pub(super) struct AgentBody {
    name: String,
    appearance_prompt: Option<String>,
    personality_prompt: Option<String>,
    description: Option<String>,
    sd_model_id: SdModelId,
    age: Option<WholeNumber>,
}

/// An agent.
#[derive(Serialize)]
pub(super) struct AgentItem {
    id: AgentId,
    name: String,
    appearance_prompt: String,
    personality_prompt: String,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
}

impl AgentBody {
    fn checked(self) -> Result<NewAgent, FieldError> {
        if self.name.is_empty() {
            let message = "name must not be empty";
            return Err(FieldError::new("name", FieldErrorKind::BadValue, message));
        }
        let appearance = self.appearance_prompt.unwrap_or_default();
        let age = self.age.map(|age| age.within(YOUNGEST..=u64::MAX, "age")).transpose()?;
        let appearance_prompt = match age {
            None => appearance,
            Some(age) if appearance.is_empty() => format!("{age} years old"),
            Some(age) => format!("{age} years old, {appearance}"),
        };
        Ok(NewAgent {
            name: self.name,
            appearance_prompt,
            personality_prompt: self.personality_prompt.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
            sd_model: self.sd_model_id,
        })
    }
}

impl AgentItem {
    fn new(agent: Agent, base: &BaseUrl) -> Self {
        let avatar_url = agent.sd_model.is_some().then(|| base.image(agent.id.as_str()));
        Self {
            id: agent.id,
            name: agent.name,
            appearance_prompt: agent.appearance_prompt,
            personality_prompt: agent.personality_prompt,
            description: agent.description,
            avatar_url,
        }
    }
}

/// `GET /api/v1/agents`.
pub(super) async fn list_agents(
    CharactersAccount(session): CharactersAccount,
    State(agents): State<Agents>,
    base: BaseUrl,
) -> Result<Response, CharactersError> {
    let agents = agents.list(&session).await?;
    Ok(listed(agents, move |agent| AgentItem::new(agent, &base), |items| items))
}

/// `POST /api/v1/agents`.
pub(super) async fn create_agent(
    CharactersAccount(session): CharactersAccount,
    State(agents): State<Agents>,
    base: BaseUrl,
    Body(body): Body<AgentBody>,
) -> Result<(StatusCode, Json<AgentItem>), CharactersError> {
    let agent = agents.create(&session, body.checked()?).await?;
    Ok((StatusCode::CREATED, Json(AgentItem::new(agent, &base))))
}

/// `GET /api/v1/agents/{id}`.
pub(super) async fn get_agent(
    CharactersAccount(session): CharactersAccount,
    InPath(id): InPath<AgentId>,
    State(agents): State<Agents>,
    base: BaseUrl,
) -> Result<Json<AgentItem>, CharactersError> {
    Ok(Json(AgentItem::new(agents.get(&session, id).await?, &base)))
}
