//! Conversations and their messages (characters.txt, "Manage ongoing conversations", "Manage
//! messages within a conversation").

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::auth::CharactersAccount;
use super::completions::{MessageBody, ReplyAnswer, messages as checked_messages, role_name};
use super::error::CharactersError;
use crate::app::generation::characters::{NewConversation, NewMessage};
use crate::app::{ConversationQueries, Generation};
use crate::clock::rfc3339;
use crate::domain::conversation::{Conversation, Message, text_of};
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::http::Shared;
use crate::http::base_url::BaseUrl;
use crate::http::extract::{Body, InPath, Object};
use crate::http::response::json::Json;
use crate::http::response::lists::listed;
use crate::http::routes::{Routes, get};
use crate::ids::{AgentId, ConversationId, LlmId, MessageId};

pub(super) fn routes() -> Routes<Shared> {
    Routes::new()
        .route("/api/v1/conversations", get(list_conversations).post(create_conversation))
        .route("/api/v1/conversations/{id}", get(get_conversation))
        .route("/api/v1/conversations/{id}/messages", get(list_messages).post(create_message))
}

/// The longest title, in characters.
const LONGEST_TITLE: usize = 200;

/// A conversation to create.
#[derive(Debug, Deserialize)]
pub(super) struct NewConversationBody {
    title: String,
    system_prompt: Option<String>,
    llm_id: LlmId,
    agent_id: Option<AgentId>,
    messages: Option<Vec<Object<MessageBody>>>,
}

/// A message to answer.
#[derive(Debug, Deserialize)]
pub(super) struct NewMessageBody {
    content: String,
    llm_id: Option<LlmId>,
    verbose: Option<bool>,
}

/// A conversation.
#[derive(Serialize)]
pub(super) struct ConversationItem {
    id: ConversationId,
    title: String,
    system_prompt: String,
    llm_id: String,
    last_message_at: String,
    agent_id: Option<AgentId>,
}

/// A message in a list.
#[derive(Serialize)]
pub(super) struct MessageItem {
    id: MessageId,
    content: String,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_url: Option<String>,
    created_at: String,
}

impl NewConversationBody {
    fn checked(self) -> Result<NewConversation, FieldError> {
        if !(1..=LONGEST_TITLE).contains(&self.title.chars().count()) {
            let message = format!("title must have 1 to {LONGEST_TITLE} characters");
            return Err(FieldError::new("title", FieldErrorKind::BadValue, message));
        }
        Ok(NewConversation {
            title: self.title,
            system_prompt: self.system_prompt.unwrap_or_default(),
            llm: self.llm_id,
            agent: self.agent_id,
            messages: checked_messages(self.messages.unwrap_or_default())?,
        })
    }
}

impl NewMessageBody {
    fn checked(self, conversation: ConversationId) -> Result<NewMessage, FieldError> {
        if self.content.is_empty() {
            let message = "content must not be empty";
            return Err(FieldError::new("content", FieldErrorKind::BadValue, message));
        }
        Ok(NewMessage {
            conversation,
            content: self.content,
            llm: self.llm_id,
            verbose: self.verbose.unwrap_or_default(),
        })
    }
}

impl From<Conversation> for ConversationItem {
    fn from(conversation: Conversation) -> Self {
        Self {
            id: conversation.id,
            title: conversation.name,
            system_prompt: conversation.system_prompt,
            llm_id: conversation.target.id().to_owned(),
            last_message_at: rfc3339(conversation.updated_at),
            agent_id: conversation.agent,
        }
    }
}

impl MessageItem {
    fn new(message: Message, base: &BaseUrl) -> Self {
        Self {
            content: text_of(&message.parts).into_owned(),
            role: role_name(message.role),
            image_url: message.image.map(|id| base.image(id.as_str())),
            created_at: rfc3339(message.created_at),
            id: message.id,
        }
    }
}

/// `GET /api/v1/conversations`: latest first.
pub(super) async fn list_conversations(
    CharactersAccount(session): CharactersAccount,
    State(conversations): State<ConversationQueries>,
) -> Result<Response, CharactersError> {
    let found = conversations.list_characters_conversations(&session).await?;
    Ok(listed(found, ConversationItem::from, |items| items))
}

/// `POST /api/v1/conversations`.
pub(super) async fn create_conversation(
    CharactersAccount(session): CharactersAccount,
    State(generation): State<Generation>,
    Body(body): Body<NewConversationBody>,
) -> Result<(StatusCode, Json<ConversationItem>), CharactersError> {
    let conversation = generation.create_conversation(&session, body.checked()?).await?;
    Ok((StatusCode::CREATED, Json(conversation.into())))
}

/// `GET /api/v1/conversations/{id}`.
pub(super) async fn get_conversation(
    CharactersAccount(session): CharactersAccount,
    InPath(id): InPath<ConversationId>,
    State(conversations): State<ConversationQueries>,
) -> Result<Json<ConversationItem>, CharactersError> {
    Ok(Json(conversations.get_characters_conversation(&session, id).await?.into()))
}

/// `GET /api/v1/conversations/{conversation_id}/messages`: oldest first.
pub(super) async fn list_messages(
    CharactersAccount(session): CharactersAccount,
    InPath(id): InPath<ConversationId>,
    State(conversations): State<ConversationQueries>,
    base: BaseUrl,
) -> Result<Response, CharactersError> {
    let found = conversations.list_characters_messages(&session, id).await?;
    Ok(listed(found, move |message| MessageItem::new(message, &base), |items| items))
}

/// `POST /api/v1/conversations/{conversation_id}/messages`: the agent's answer.
pub(super) async fn create_message(
    CharactersAccount(session): CharactersAccount,
    InPath(id): InPath<ConversationId>,
    State(generation): State<Generation>,
    Body(body): Body<NewMessageBody>,
) -> Result<(StatusCode, Json<ReplyAnswer>), CharactersError> {
    let completion = generation.send_message(&session, body.checked(id)?).await?;
    Ok((StatusCode::CREATED, Json(completion.into())))
}
