//! Conversations (runner-overview.txt, "Conversation API"; runner-conversation-rest.txt): start,
//! continue, continue in a stream, messages, lists.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::agent_runs::conversation_status;
use super::auth::{DeploymentAccess, ReadAccess, RunnerAccount};
use super::content::{ContentBody, content, history_limit, meta, meta_filter};
use super::error::RunnerError;
use super::run::Content;
use super::run_fields::RunFields;
use super::{MessageContent, Style};
use crate::app::conversations::{ConversationFilter, Page, PageRequest, RunnerMessages, Summary};
use crate::app::generation::runner::{ConversationReply, RunRequest};
use crate::app::{ConversationQueries, Generation};
use crate::domain::Part;
use crate::domain::conversation::{Message, Meta, Variables, text_of};
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::http::Shared;
use crate::http::context::KnownRequestId;
use crate::http::extract::{Body, InPath, WholeNumber};
use crate::http::response::json::Json;
use crate::http::response::lists;
use crate::http::response::pages::ListQuery;
use crate::http::response::text_stream::TextStream;
use crate::http::routes::{Routes, get, post};
use crate::ids::{ConversationId, DeploymentId, MessageId, RequestId, TriggerId};

pub(super) fn routes() -> Routes<Shared> {
    Routes::new()
        .route("/v1/runner/{deployment_id}/conversation", post(run_conversation))
        .route("/v1/runner/{deployment_id}/conversation/stream", post(stream_conversation))
        .route("/v1/runner/conversation/{conversation_id}/messages", get(list_messages))
        .route("/v1/runner/conversations", get(list_conversations))
        .route("/v1/runner/{deployment_id}/conversations", get(list_deployment_conversations))
}

/// The default page size.
const PAGE_SIZE: u64 = 20;

/// The body of a first message and of a continuation.
#[derive(Debug, Deserialize)]
pub(super) struct MessageBody {
    conversation_id: Option<ConversationId>,
    content: ContentBody,
    history_limit: Option<WholeNumber>,
    variables: Option<Variables>,
    meta: Option<Meta>,
    trigger_id: Option<TriggerId>,
}

/// A body after its checks: a first message or a further one.
enum ConversationRequest {
    First { request: RunRequest, meta: Meta },
    Next { id: ConversationId, parts: Vec<Part>, history_limit: u64 },
}

impl MessageBody {
    fn checked(self) -> Result<ConversationRequest, FieldError> {
        let parts = content(self.content)?;
        let Some(id) = self.conversation_id else {
            let (variables, trigger) = (self.variables.unwrap_or_default(), self.trigger_id);
            let request = RunRequest { parts, variables, trigger };
            return Ok(ConversationRequest::First { request, meta: meta(self.meta)? });
        };
        for (field, given) in [
            ("variables", self.variables.is_some()),
            ("meta", self.meta.is_some()),
            ("trigger_id", self.trigger_id.is_some()),
        ] {
            if given {
                let message = format!("{field} is allowed with the first message only");
                return Err(FieldError::new(field, FieldErrorKind::NotAllowed, message));
            }
        }
        let history_limit = history_limit(self.history_limit.as_ref())?;
        Ok(ConversationRequest::Next { id, parts, history_limit })
    }
}

/// The answer to a message.
#[derive(Serialize)]
pub(super) struct MessageAnswer {
    conversation_id: ConversationId,
    name: String,
    content: Content,
    input_tokens: u64,
    output_tokens: u64,
    model: Arc<str>,
    request_id: RequestId,
    created_at: String,
    updated_at: String,
}

/// One page of a list.
#[derive(Serialize)]
pub(super) struct ListAnswer<T> {
    items: Vec<T>,
    total: u64,
    page: u64,
    page_size: u64,
    has_more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_status: Option<&'static str>,
    #[serde(flatten)]
    run: Option<RunFields>,
}

/// A conversation in a list.
#[derive(Serialize)]
pub(super) struct ConversationItem {
    id: ConversationId,
    name: String,
    meta: Box<RawValue>,
    created_at: String,
    updated_at: String,
    message_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(flatten)]
    run: Option<RunFields>,
}

/// A message in a list.
#[derive(Serialize)]
pub(super) struct MessageItem {
    id: MessageId,
    role: &'static str,
    content: MessageItemContent,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum MessageItemContent {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Serialize)]
struct Metadata {
    finish_reason: &'static str,
}

/// A page of conversations as an answer.
fn listed(page: PageRequest, found: Page<Summary>, now: DateTime<Utc>, style: Style) -> Response {
    let Page { items, total } = found;
    let item = move |summary| ConversationItem::new(summary, now, style);
    lists::listed(items, item, move |items| ListAnswer::new(items, total, page))
}

impl<T> ListAnswer<T> {
    fn new(items: Vec<T>, total: u64, page: PageRequest) -> Self {
        let (has_more, PageRequest { page, page_size }) = (page.has_more(total), page);
        Self { items, total, page, page_size, has_more, conversation_status: None, run: None }
    }
}

impl ConversationItem {
    fn new(conversation: Summary, now: DateTime<Utc>, style: Style) -> Self {
        let completed_at = conversation.completed_at;
        let run = conversation.run.map(|run| RunFields::new(run, completed_at, now, style));
        Self {
            status: run.as_ref().map(|_| conversation_status(completed_at)),
            run,
            id: conversation.id,
            name: conversation.name,
            meta: conversation.meta,
            created_at: style.time(conversation.created_at),
            updated_at: style.time(conversation.updated_at),
            message_count: conversation.message_count,
        }
    }
}

impl MessageItem {
    fn new(message: Message, style: Style) -> Self {
        let text_alone = message.parts.iter().all(|part| part.as_text().is_some());
        let content = match style.message_content {
            MessageContent::Text if text_alone => {
                MessageItemContent::Text(text_of(&message.parts).into_owned())
            }
            MessageContent::Text | MessageContent::Parts => {
                MessageItemContent::Parts(message.parts)
            }
        };
        Self {
            id: message.id,
            role: message.role.name(),
            content,
            created_at: style.time(message.created_at),
            metadata: message.aborted.then_some(Metadata { finish_reason: "aborted" }),
        }
    }
}

/// `POST /v1/runner/{deployment_id}/conversation`: a first message, or with `conversation_id` a
/// further one.
pub(super) async fn run_conversation(
    DeploymentAccess(caller): DeploymentAccess,
    KnownRequestId(request_id): KnownRequestId,
    style: Style,
    State(generation): State<Generation>,
    Body(body): Body<MessageBody>,
) -> Result<Json<MessageAnswer>, RunnerError> {
    let ConversationReply { conversation, answer } = match body.checked()? {
        ConversationRequest::First { request, meta } => {
            generation.start_conversation(&caller, request, meta).await?
        }
        ConversationRequest::Next { id, parts, history_limit } => {
            generation.continue_conversation(&caller, id, parts, history_limit).await?
        }
    };
    Ok(Json(MessageAnswer {
        content: Content::new(answer.text, answer.output)?,
        conversation_id: conversation.id,
        name: conversation.name,
        input_tokens: answer.input_tokens,
        output_tokens: answer.output_tokens,
        model: answer.model,
        request_id,
        created_at: style.time(conversation.created_at),
        updated_at: style.time(conversation.updated_at),
    }))
}

/// `POST /v1/runner/{deployment_id}/conversation/stream`: a further message, answered word by
/// word.
pub(super) async fn stream_conversation(
    DeploymentAccess(caller): DeploymentAccess,
    State(generation): State<Generation>,
    Body(body): Body<MessageBody>,
) -> Result<TextStream, RunnerError> {
    match body.checked()? {
        ConversationRequest::First { .. } => Err(FieldError::missing("conversation_id").into()),
        ConversationRequest::Next { id, parts, history_limit } => {
            let words = generation.stream_continuation(&caller, id, parts, history_limit).await?;
            Ok(TextStream::new(words, &caller.session))
        }
    }
}

/// `GET /v1/runner/conversation/{conversation_id}/messages`: oldest first.
pub(super) async fn list_messages(
    ReadAccess(reader): ReadAccess,
    InPath(id): InPath<ConversationId>,
    State(conversations): State<ConversationQueries>,
    style: Style,
    query: ListQuery,
) -> Result<Response, RunnerError> {
    let (page, _) = query.page(PAGE_SIZE)?;
    let RunnerMessages { page: Page { items, total }, extent, now } =
        conversations.list_runner_messages(reader, id, page).await?;
    let item = move |message| MessageItem::new(message, style);
    Ok(lists::listed(items, item, move |items| {
        let completed_at = extent.completed_at;
        let run = extent.run.map(|run| RunFields::new(run, completed_at, now, style));
        let conversation_status = run.as_ref().map(|_| conversation_status(completed_at));
        ListAnswer { conversation_status, run, ..ListAnswer::new(items, total, page) }
    }))
}

/// `GET /v1/runner/conversations`: those of all deployments, newest activity first.
pub(super) async fn list_conversations(
    RunnerAccount(session): RunnerAccount,
    State(conversations): State<ConversationQueries>,
    style: Style,
    query: ListQuery,
) -> Result<Response, RunnerError> {
    let (page, labels) = query.page(PAGE_SIZE)?;
    let filter = ConversationFilter { deployment: None, meta: meta_filter(labels)? };
    let found = conversations.list_runner_conversations(&session, filter, page).await?;
    Ok(listed(page, found, session.clock.now(), style))
}

/// `GET /v1/runner/{deployment_id}/conversations`: those of one deployment, newest activity first.
pub(super) async fn list_deployment_conversations(
    DeploymentAccess(caller): DeploymentAccess,
    State(conversations): State<ConversationQueries>,
    style: Style,
    query: ListQuery,
) -> Result<Response, RunnerError> {
    let (page, labels) = query.page(PAGE_SIZE)?;
    let deployment: DeploymentId = caller.deployment.id.clone();
    let filter = ConversationFilter { deployment: Some(deployment), meta: meta_filter(labels)? };
    let found = conversations.list_runner_conversations(&caller.session, filter, page).await?;
    Ok(listed(page, found, caller.session.clock.now(), style))
}
