//! `POST /api/v1/completions` (characters.txt, the Completions API).

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::auth::CharactersAccount;
use super::error::CharactersError;
use crate::app::Generation;
use crate::app::generation::characters::{Completion, CompletionRequest};
use crate::clock::rfc3339;
use crate::domain::conversation::Turn;
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::domain::{Part, Role};
use crate::http::Shared;
use crate::http::extract::{Body, Object};
use crate::http::response::json::Json;
use crate::http::routes::{Routes, post};
use crate::ids::{AgentId, LlmId, MessageId};

pub(super) fn routes() -> Routes<Shared> {
    Routes::new().route("/api/v1/completions", post(create_completion))
}

/// Messages to complete.
#[derive(Debug, Deserialize)]
pub(super) struct CompletionBody {
    messages: Vec<Object<MessageBody>>,
    llm_id: LlmId,
    agent_id: Option<AgentId>,
}

/// One message, before it is checked.
#[derive(Debug, Deserialize)]
pub(super) struct MessageBody {
    role: String,
    content: String,
}

/// The message that answers.
#[derive(Serialize)]
pub(super) struct ReplyAnswer {
    id: MessageId,
    content: String,
    role: &'static str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    thoughts: Option<String>,
}

impl From<Completion> for ReplyAnswer {
    fn from(completion: Completion) -> Self {
        Self {
            id: completion.id,
            content: completion.content,
            role: role_name(Role::Assistant),
            created_at: rfc3339(completion.created_at),
            thoughts: completion.thoughts,
        }
    }
}

/// What a role is called in this API.
pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "agent",
    }
}

/// Checks messages: roles `system`, `user` and `agent`, and `assistant` for the last.
pub(super) fn messages(bodies: Vec<Object<MessageBody>>) -> Result<Vec<Turn>, FieldError> {
    let checked = |(index, Object(body)): (usize, Object<MessageBody>)| {
        let role = match body.role.as_str() {
            "system" => Role::System,
            "user" => Role::User,
            "agent" | "assistant" => Role::Assistant,
            _ => {
                let field = format!("messages[{index}].role");
                let message = format!("{field} must be one of system, user, agent, assistant");
                return Err(FieldError::new(field, FieldErrorKind::BadValue, message));
            }
        };
        Ok(Turn { role, parts: vec![Part::text(body.content)] })
    };
    bodies.into_iter().enumerate().map(checked).collect()
}

impl CompletionBody {
    fn checked(self) -> Result<CompletionRequest, FieldError> {
        let mut history = messages(self.messages)?;
        let Some(Turn { parts: message, .. }) = history.pop() else {
            let message = "messages must be a non-empty array";
            return Err(FieldError::new("messages", FieldErrorKind::EmptyArray, message));
        };
        Ok(CompletionRequest { history, message, llm: self.llm_id, agent: self.agent_id })
    }
}

/// Answers the messages; nothing is stored.
pub(super) async fn create_completion(
    CharactersAccount(session): CharactersAccount,
    State(generation): State<Generation>,
    Body(body): Body<CompletionBody>,
) -> Result<Json<ReplyAnswer>, CharactersError> {
    let completion = generation.complete_messages(&session, body.checked()?).await?;
    Ok(Json(completion.into()))
}
