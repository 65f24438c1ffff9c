//! The Characters API, and what its facts share.

mod access;
mod agents;
mod completions;
mod conversations;
mod images;
mod limits;
mod models;

use serde_json::{Value, json};

use crate::verify::expect::{Json, Seen, Unmet};
use crate::verify::fact::{Api, Fact, Need};
use crate::verify::probe::{Probe, Who};

/// The tables, in the order they are asked in.
pub(super) const TABLES: &[&[Fact]] = &[
    access::FACTS,
    models::FACTS,
    completions::FACTS,
    conversations::FACTS,
    agents::FACTS,
    images::FACTS,
    limits::FACTS,
];

const API: Api = Api::Characters;
/// What it takes to be answered by a model.
const ANSWERED: &[Need] = &[Need::Key, Need::Model, Need::Spending];
/// What it takes to begin a conversation, which asks no model.
const BEGUN: &[Need] = &[Need::Key, Need::Model];
/// What it takes to have a picture made.
const DRAWN: &[Need] = &[Need::Key, Need::SdModel, Need::Spending];

/// Messages that a conversation begins with.
const INITIAL: [(&str, &str); 2] =
    [("user", "Please call me Ada."), ("agent", "Gladly, Ada. What can I do for you?")];
/// What is said in it.
const QUESTION: &str = "What is a lighthouse for? One short sentence, please.";

impl Probe {
    /// A `GET` with the account's own key.
    async fn look(&self, path: &str) -> Result<Seen, Unmet> {
        self.get(API, Who::Own, path).await
    }

    /// A `POST` with the account's own key.
    async fn make(&self, path: &str, body: &Value) -> Result<Seen, Unmet> {
        self.post(API, Who::Own, path, body).await
    }

    /// What is known to belong to this run by its name.
    fn title(&self, what: &str) -> String {
        format!("mynah verify {} {what}", self.run)
    }

    /// The answer that began the shared conversation.
    async fn begun(&self) -> Result<Seen, Unmet> {
        let messages = INITIAL.map(|(role, content)| json!({"role": role, "content": content}));
        let body = json!({
            "title": self.title("conversation"),
            "system_prompt": "You answer in one short sentence.",
            "llm_id": self.model(),
            "messages": messages,
        });
        let make = async || self.make("/conversations", &body).await;
        self.memo.dialogue.get_or_init(make).await.clone()
    }

    /// The shared conversation's id.
    async fn dialogue(&self) -> Result<String, Unmet> {
        id_of(self.begun().await).map_err(Unmet::into_ground)
    }

    /// The answer to what was said in the shared conversation.
    async fn said(&self) -> Result<Seen, Unmet> {
        let path = format!("/conversations/{}/messages", self.dialogue().await?);
        let body = json!({"content": QUESTION});
        let make = async || self.make(&path, &body).await;
        self.memo.said.get_or_init(make).await.clone()
    }

    /// The answer that made the shared agent.
    async fn agent_made(&self) -> Result<Seen, Unmet> {
        let body = json!({
            "name": self.title("agent"),
            "appearance_prompt": "Professional, suit and tie",
            "personality_prompt": "Knowledgeable about finance, patient",
            "description": "An agent specialized in financial advice",
            "sd_model_id": self.sd_model(),
            "age": 35,
        });
        let make = async || self.make("/agents", &body).await;
        self.memo.agent.get_or_init(make).await.clone()
    }

    /// The shared agent's id.
    async fn agent(&self) -> Result<String, Unmet> {
        id_of(self.agent_made().await).map_err(Unmet::into_ground)
    }
}

fn id_of(made: Result<Seen, Unmet>) -> Result<String, Unmet> {
    Ok(made?.made()?.filled("/id")?.to_owned())
}

/// Fails unless it is the documented error, with this status.
fn refused(seen: &Seen, status: u16) -> Result<(), Unmet> {
    seen.status(&[status])?.json()?.filled("/error").map(|_| ())
}

/// The item of a bare array that has this id.
fn item<'a>(list: &'a Json<'_>, id: &str) -> Result<Option<&'a Value>, Unmet> {
    let items = list.list("")?;
    Ok(items.iter().find(|item| item.get("id").and_then(Value::as_str) == Some(id)))
}
