//! Checks of the Runner API and the conversations that they share.

mod agent_runs;
mod conversation;
mod history;
mod lists;
mod messages;
mod refusals;
mod run;
mod stream;
mod triggers;

use serde_json::{Value, json};

use crate::api::Api;
use crate::check::Check;
use crate::context::{Credential, TestContext, text_body};
use crate::expect::{CheckFailure, Response};
use crate::need::Need;

/// The tables in the order of execution.
pub(super) const TABLES: &[&[Check]] = &[
    run::CHECKS,
    stream::CHECKS,
    conversation::CHECKS,
    messages::CHECKS,
    lists::CHECKS,
    triggers::CHECKS,
    agent_runs::CHECKS,
    history::CHECKS,
    refusals::CHECKS,
];

const API: Api = Api::Runner;
/// Needs of a check that a deployment answers.
const ANSWERED: &[Need] = &[Need::Key, Need::Deployment, Need::Spending];
/// Needs of a check that a deployment refuses.
const REFUSED: &[Need] = &[Need::Key, Need::Deployment];

/// The meta label of conversations that a run creates.
const LABEL: &str = "mynah_verify";

/// The first message of the shared conversation; long, so that its token count is distinctive.
const FIRST: &str = "Please keep this list in mind, we shall come back to it: a lantern, two coils \
    of rope, a tin of biscuits, three maps of the northern coast, a compass, a blue blanket, nine \
    candles, a kettle, a bag of salt, a barometer, some twine, a pair of boots, and one umbrella.";
/// The second.
const SECOND: &str = "Which of these things would you take on a walk? One word will do.";
/// The third, which is answered in a stream.
const THIRD: &str = "And which would you leave at home? One short sentence, please.";

impl TestContext {
    /// A request to the deployment, with the account's own key.
    async fn post_to_deployment(&self, rest: &str, body: &Value) -> Result<Response, CheckFailure> {
        self.post(API, Credential::Main, &format!("/{}{rest}", self.deployment()), body).await
    }

    /// The response that started the shared conversation.
    async fn started(&self) -> Result<Response, CheckFailure> {
        let post = async || {
            let mut body = text_body(FIRST);
            set(&mut body, "meta", json!({LABEL: self.run, "part": "a", "n": 1}));
            self.post_to_deployment("/conversation", &body).await
        };
        self.shared.started.get_or_init(post).await.clone()
    }

    /// The response that started another conversation, with variables.
    async fn second_started(&self) -> Result<Response, CheckFailure> {
        let post = async || {
            let mut body = text_body("Good morning! Please answer in one short sentence.");
            set(&mut body, "meta", json!({LABEL: self.run, "part": "b", "n": 2}));
            set(&mut body, "variables", json!({"customer_name": "Ada", "CUSTOMER_TIER": "pro"}));
            self.post_to_deployment("/conversation", &body).await
        };
        self.shared.second_started.get_or_init(post).await.clone()
    }

    /// The shared conversation's id.
    async fn runner_conversation_id(&self) -> Result<String, CheckFailure> {
        id_of(self.started().await).map_err(CheckFailure::into_blocked)
    }

    /// The response that continued the shared conversation without a stream.
    async fn continued(&self) -> Result<Response, CheckFailure> {
        let conversation = self.runner_conversation_id().await?;
        let post = async || {
            self.continue_conversation("/conversation", &conversation, SECOND, Some(5)).await
        };
        self.shared.continued.get_or_init(post).await.clone()
    }

    /// The shared conversation's id, when it has two turns.
    async fn conversation_of_two_turns(&self) -> Result<String, CheckFailure> {
        let conversation = self.runner_conversation_id().await?;
        let continued = self.continued().await.map_err(CheckFailure::into_blocked)?;
        continued.ok_json().map_err(CheckFailure::into_blocked)?;
        Ok(conversation)
    }

    /// The stream that continued the shared conversation.
    async fn streamed(&self) -> Result<Response, CheckFailure> {
        let conversation = self.conversation_of_two_turns().await?;
        let post = async || {
            self.continue_conversation("/conversation/stream", &conversation, THIRD, Some(5)).await
        };
        self.shared.streamed.get_or_init(post).await.clone()
    }

    /// Both conversations' ids.
    async fn two_conversation_ids(&self) -> Result<[String; 2], CheckFailure> {
        let first = self.runner_conversation_id().await?;
        let second = id_of(self.second_started().await).map_err(CheckFailure::into_blocked)?;
        Ok([first, second])
    }

    /// Sends `text` to a conversation.
    async fn continue_conversation(
        &self,
        rest: &str,
        conversation: &str,
        text: &str,
        history_limit: Option<u32>,
    ) -> Result<Response, CheckFailure> {
        let mut body = text_body(text);
        set(&mut body, "conversation_id", json!(conversation));
        if let Some(limit) = history_limit {
            set(&mut body, "history_limit", json!(limit));
        }
        self.post_to_deployment(rest, &body).await
    }
}

/// Sets a field of an object.
fn set(body: &mut Value, field: &str, value: Value) {
    if let Some(body) = body.as_object_mut() {
        body.insert(field.to_owned(), value);
    }
}

fn id_of(started: Result<Response, CheckFailure>) -> Result<String, CheckFailure> {
    Ok(started?.ok_json()?.non_empty_text("/conversation_id")?.to_owned())
}
