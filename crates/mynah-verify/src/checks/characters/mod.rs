//! Checks of the Characters API and the objects that they share.

mod access;
mod agents;
mod completions;
mod conversations;
mod images;
mod limits;
mod models;

use serde_json::{Value, json};

use crate::api::Api;
use crate::check::Check;
use crate::context::{Credential, TestContext};
use crate::expect::{CheckFailure, Json, Response};
use crate::need::Need;

/// The tables in the order of execution.
pub(super) const TABLES: &[&[Check]] = &[
    access::CHECKS,
    models::CHECKS,
    completions::CHECKS,
    conversations::CHECKS,
    agents::CHECKS,
    images::CHECKS,
    limits::CHECKS,
];

const API: Api = Api::Characters;
/// Needs of a check that a model answers.
const ANSWERED: &[Need] = &[Need::Key, Need::Model, Need::Spending];
/// Needs of a check that creates a conversation, which uses no model.
const CONVERSATION: &[Need] = &[Need::Key, Need::Model];
/// Needs of a check that creates an image.
const IMAGE: &[Need] = &[Need::Key, Need::SdModel, Need::Spending];

/// Messages that a conversation is created with.
const INITIAL_MESSAGES: [(&str, &str); 2] =
    [("user", "Please call me Ada."), ("agent", "Gladly, Ada. What can I do for you?")];
/// The message sent to it.
const QUESTION: &str = "What is a lighthouse for? One short sentence, please.";

impl TestContext {
    /// A `GET` with the account's own key.
    async fn get_own(&self, path: &str) -> Result<Response, CheckFailure> {
        self.get(API, Credential::Main, path).await
    }

    /// A `POST` with the account's own key.
    async fn post_own(&self, path: &str, body: &Value) -> Result<Response, CheckFailure> {
        self.post(API, Credential::Main, path, body).await
    }

    /// A name that marks an object as this run's.
    fn title(&self, what: &str) -> String {
        format!("mynah verify {} {what}", self.run)
    }

    /// The response that created the shared conversation.
    async fn created_conversation(&self) -> Result<Response, CheckFailure> {
        let messages =
            INITIAL_MESSAGES.map(|(role, content)| json!({"role": role, "content": content}));
        let body = json!({
            "title": self.title("conversation"),
            "system_prompt": "You answer in one short sentence.",
            "llm_id": self.model(),
            "messages": messages,
        });
        let post = async || self.post_own("/conversations", &body).await;
        self.shared.conversation.get_or_init(post).await.clone()
    }

    /// The shared conversation's id.
    async fn characters_conversation_id(&self) -> Result<String, CheckFailure> {
        id_of(self.created_conversation().await).map_err(CheckFailure::into_blocked)
    }

    /// The response to the message sent to the shared conversation.
    async fn sent_message(&self) -> Result<Response, CheckFailure> {
        let path = format!("/conversations/{}/messages", self.characters_conversation_id().await?);
        let body = json!({"content": QUESTION});
        let post = async || self.post_own(&path, &body).await;
        self.shared.message.get_or_init(post).await.clone()
    }

    /// The response that created the shared agent.
    async fn created_agent(&self) -> Result<Response, CheckFailure> {
        let body = json!({
            "name": self.title("agent"),
            "appearance_prompt": "Professional, suit and tie",
            "personality_prompt": "Knowledgeable about finance, patient",
            "description": "An agent specialized in financial advice",
            "sd_model_id": self.sd_model(),
            "age": 35,
        });
        let post = async || self.post_own("/agents", &body).await;
        self.shared.agent.get_or_init(post).await.clone()
    }

    /// The shared agent's id.
    async fn agent_id(&self) -> Result<String, CheckFailure> {
        id_of(self.created_agent().await).map_err(CheckFailure::into_blocked)
    }
}

fn id_of(created: Result<Response, CheckFailure>) -> Result<String, CheckFailure> {
    Ok(created?.created_json()?.non_empty_text("/id")?.to_owned())
}

/// Fails unless the response is the documented error with this status.
fn refused(response: &Response, status: u16) -> Result<(), CheckFailure> {
    response.status(&[status])?.json()?.non_empty_text("/error").map(|_| ())
}

/// The item with this id in an array.
fn item<'a>(list: &'a Json<'_>, id: &str) -> Result<Option<&'a Value>, CheckFailure> {
    let items = list.list("")?;
    Ok(items.iter().find(|item| item.get("id").and_then(Value::as_str) == Some(id)))
}
