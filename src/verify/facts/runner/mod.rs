//! The Runner API, and the conversations that its facts share.

mod conversation;
mod lists;
mod messages;
mod refusals;
mod run;
mod stream;

use serde_json::{Value, json};

use crate::verify::expect::{Seen, Unmet};
use crate::verify::fact::{Api, Fact, Need};
use crate::verify::probe::{Probe, Who, said};

/// The tables, in the order they are asked in.
pub(super) const TABLES: &[&[Fact]] = &[
    run::FACTS,
    stream::FACTS,
    conversation::FACTS,
    messages::FACTS,
    lists::FACTS,
    refusals::FACTS,
];

const API: Api = Api::Runner;
/// What it takes to be answered by a deployment.
const ANSWERED: &[Need] = &[Need::Key, Need::Deployment, Need::Spending];
/// What it takes to be refused by one.
const REFUSED: &[Need] = &[Need::Key, Need::Deployment];

/// The label that finds what a run has made.
const LABEL: &str = "mynah_verify";

/// The first message of the shared conversation: long, for what counts its tokens.
const FIRST: &str = "Please keep this list in mind, we shall come back to it: a lantern, two coils \
    of rope, a tin of biscuits, three maps of the northern coast, a compass, a blue blanket, nine \
    candles, a kettle, a bag of salt, a barometer, some twine, a pair of boots, and one umbrella.";
/// The second.
const SECOND: &str = "Which of these things would you take on a walk? One word will do.";
/// The third, which is answered in a stream.
const THIRD: &str = "And which would you leave at home? One short sentence, please.";

impl Probe {
    /// A request to the deployment, with the account's own key.
    async fn ask_deployment(&self, rest: &str, body: &Value) -> Result<Seen, Unmet> {
        self.post(API, Who::Own, &format!("/{}{rest}", self.deployment()), body).await
    }

    /// The answer that started the shared conversation.
    async fn started(&self) -> Result<Seen, Unmet> {
        let make = async || {
            let mut body = said(FIRST);
            set(&mut body, "meta", json!({LABEL: self.run, "part": "a", "n": 1}));
            self.ask_deployment("/conversation", &body).await
        };
        self.memo.started.get_or_init(make).await.clone()
    }

    /// The answer that started another one, with variables.
    async fn second_started(&self) -> Result<Seen, Unmet> {
        let make = async || {
            let mut body = said("Good morning! Please answer in one short sentence.");
            set(&mut body, "meta", json!({LABEL: self.run, "part": "b", "n": 2}));
            set(&mut body, "variables", json!({"customer_name": "Ada", "CUSTOMER_TIER": "pro"}));
            self.ask_deployment("/conversation", &body).await
        };
        self.memo.second_started.get_or_init(make).await.clone()
    }

    /// The shared conversation's id.
    async fn thread(&self) -> Result<String, Unmet> {
        id_of(self.started().await).map_err(Unmet::into_ground)
    }

    /// The answer that continued the shared conversation without a stream.
    async fn continued(&self) -> Result<Seen, Unmet> {
        let thread = self.thread().await?;
        let make = async || self.go_on("/conversation", &thread, SECOND, Some(5)).await;
        self.memo.continued.get_or_init(make).await.clone()
    }

    /// The shared conversation's id, when it has two turns.
    async fn thread_of_two(&self) -> Result<String, Unmet> {
        let thread = self.thread().await?;
        let continued = self.continued().await.map_err(Unmet::into_ground)?;
        continued.good().map_err(Unmet::into_ground)?;
        Ok(thread)
    }

    /// The stream that continued the shared conversation.
    async fn streamed(&self) -> Result<Seen, Unmet> {
        let thread = self.thread_of_two().await?;
        let make = async || self.go_on("/conversation/stream", &thread, THIRD, Some(5)).await;
        self.memo.streamed.get_or_init(make).await.clone()
    }

    /// Both conversations' ids.
    async fn two_threads(&self) -> Result<[String; 2], Unmet> {
        let first = self.thread().await?;
        let second = id_of(self.second_started().await).map_err(Unmet::into_ground)?;
        Ok([first, second])
    }

    /// Says `text` in a conversation.
    async fn go_on(
        &self,
        rest: &str,
        conversation: &str,
        text: &str,
        history_limit: Option<u32>,
    ) -> Result<Seen, Unmet> {
        let mut body = said(text);
        set(&mut body, "conversation_id", json!(conversation));
        if let Some(limit) = history_limit {
            set(&mut body, "history_limit", json!(limit));
        }
        self.ask_deployment(rest, &body).await
    }
}

/// Sets a field of an object.
fn set(body: &mut Value, field: &str, value: Value) {
    if let Some(body) = body.as_object_mut() {
        body.insert(field.to_owned(), value);
    }
}

fn id_of(started: Result<Seen, Unmet>) -> Result<String, Unmet> {
    Ok(started?.good()?.filled("/conversation_id")?.to_owned())
}
