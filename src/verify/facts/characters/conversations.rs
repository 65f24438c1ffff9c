//! Conversations and their messages.

use serde_json::{Value, json};

use super::completions::is_answer;
use super::{ANSWERED, BEGUN, INITIAL, QUESTION, item, refused};
use crate::verify::expect::{Seen, Unmet};
use crate::verify::fact::{Fact, Need, characters, choice};
use crate::verify::probe::{Probe, escaped};

pub(super) const FACTS: &[Fact] = &[
    Fact {
        id: "characters.conversations.create",
        title: "a new conversation comes back with what was given, an id and last_message_at",
        source: characters("Conversations"),
        needs: BEGUN,
        check: |probe| Box::pin(create(probe)),
    },
    Fact {
        id: "characters.conversations.created",
        title: "a new conversation is 201, with agent_id null where none was given",
        source: choice("Characters API: conversations and messages"),
        needs: BEGUN,
        check: |probe| Box::pin(created(probe)),
    },
    Fact {
        id: "characters.conversations.get",
        title: "a conversation can be got by its id, as it was made",
        source: characters("Conversations"),
        needs: BEGUN,
        check: |probe| Box::pin(get(probe)),
    },
    Fact {
        id: "characters.conversations.list",
        title: "the list is an array that has it",
        source: characters("Conversations"),
        needs: BEGUN,
        check: |probe| Box::pin(list(probe)),
    },
    Fact {
        id: "characters.conversations.required",
        title: "title and llm_id are required, else 400",
        source: choice("Characters API: conversations and messages"),
        needs: BEGUN,
        check: |probe| Box::pin(required(probe)),
    },
    Fact {
        id: "characters.conversations.unknown",
        title: "an unknown conversation is 404",
        source: characters("Errors"),
        needs: &[Need::Key],
        check: |probe| Box::pin(unknown(probe)),
    },
    Fact {
        id: "characters.messages.answer",
        title: "a message is answered with the agent's: id, content, role, created_at",
        source: characters("Messages"),
        needs: ANSWERED,
        check: |probe| Box::pin(answer(probe)),
    },
    Fact {
        id: "characters.messages.alternate",
        title: "the initial messages, what was said and the answer stand in order, oldest first",
        source: characters("Messages"),
        needs: ANSWERED,
        check: |probe| Box::pin(alternate(probe)),
    },
    Fact {
        id: "characters.messages.required",
        title: "a message without content is 400",
        source: characters("Errors"),
        needs: BEGUN,
        check: |probe| Box::pin(content_required(probe)),
    },
    Fact {
        id: "characters.messages.last_message_at",
        title: "last_message_at is when the last message was said, and the latest stands first",
        source: choice("Characters API: conversations and messages"),
        needs: ANSWERED,
        check: |probe| Box::pin(last_message_at(probe)),
    },
    Fact {
        id: "characters.messages.verbose",
        title: "verbose adds thoughts, which are else absent; llm_id is taken for one message",
        source: choice("Characters API: conversations and messages"),
        needs: ANSWERED,
        check: |probe| Box::pin(verbose(probe)),
    },
];

async fn create(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.begun().await?;
    let body = seen.made()?;
    body.filled("/id")?;
    body.is("/title", &json!(probe.title("conversation")))?;
    body.is("/system_prompt", &json!("You answer in one short sentence."))?;
    body.is("/llm_id", &json!(probe.model()))?;
    body.time("/last_message_at").map(|_| ())
}

async fn created(probe: &Probe) -> Result<(), Unmet> {
    probe.dialogue().await?;
    let seen = probe.begun().await?;
    seen.status(&[201])?.json()?.is("/agent_id", &Value::Null)
}

async fn get(probe: &Probe) -> Result<(), Unmet> {
    let id = probe.dialogue().await?;
    let made = probe.begun().await?.made()?.value;
    let seen = probe.look(&format!("/conversations/{}", escaped(&id))).await?;
    let body = seen.good()?;
    for field in ["id", "title", "system_prompt", "llm_id"] {
        body.is(&format!("/{field}"), made.get(field).unwrap_or(&Value::Null))?;
    }
    body.time("/last_message_at").map(|_| ())
}

async fn list(probe: &Probe) -> Result<(), Unmet> {
    let id = probe.dialogue().await?;
    let seen = probe.look("/conversations").await?;
    let list = seen.good()?;
    list.check(item(&list, &id)?.is_some(), format!("the conversation {id}"))
}

async fn required(probe: &Probe) -> Result<(), Unmet> {
    let model = probe.model();
    for body in
        [json!({"llm_id": model}), json!({"title": "T"}), json!({"title": "", "llm_id": model})]
    {
        refused(&probe.make("/conversations", &body).await?, 400)?;
    }
    Ok(())
}

async fn unknown(probe: &Probe) -> Result<(), Unmet> {
    let path = "/conversations/no-such-conversation";
    refused(&probe.look(path).await?, 404)?;
    refused(&probe.look(&format!("{path}/messages")).await?, 404)
}

async fn answer(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.said().await?;
    is_answer(&seen.made()?)
}

/// The shared conversation's messages.
async fn messages(probe: &Probe) -> Result<Seen, Unmet> {
    probe.look(&format!("/conversations/{}/messages", escaped(&probe.dialogue().await?))).await
}

async fn alternate(probe: &Probe) -> Result<(), Unmet> {
    let said = probe.said().await.map_err(Unmet::into_ground)?;
    let said = said.made().map_err(Unmet::into_ground)?;
    let answer = said.text("/content").map_err(Unmet::into_ground)?;
    let seen = messages(probe).await?;
    let list = seen.good()?;
    let expected = INITIAL.into_iter().chain([("user", QUESTION), ("agent", answer)]);
    for (place, (role, content)) in expected.enumerate() {
        list.is(&format!("/{place}/role"), &json!(role))?;
        list.is(&format!("/{place}/content"), &json!(content))?;
        list.filled(&format!("/{place}/id"))?;
        list.time(&format!("/{place}/created_at"))?;
    }
    Ok(())
}

async fn content_required(probe: &Probe) -> Result<(), Unmet> {
    let path = format!("/conversations/{}/messages", escaped(&probe.dialogue().await?));
    refused(&probe.make(&path, &json!({})).await?, 400)
}

async fn last_message_at(probe: &Probe) -> Result<(), Unmet> {
    let path = format!("/conversations/{}/messages", escaped(&probe.dialogue().await?));
    let said = probe.make(&path, &json!({"content": QUESTION})).await?;
    let said = said.made().map_err(Unmet::into_ground)?;
    let seen = probe.look("/conversations").await?;
    let list = seen.good()?;
    list.is("/0/id", &json!(probe.dialogue().await?))?;
    list.is("/0/last_message_at", said.at("/created_at")?)
}

async fn verbose(probe: &Probe) -> Result<(), Unmet> {
    let path = format!("/conversations/{}/messages", escaped(&probe.dialogue().await?));
    let body = json!({"content": QUESTION, "verbose": true, "llm_id": probe.model()});
    let seen = probe.make(&path, &body).await?;
    seen.made()?.text("/thoughts")?;
    let seen = probe.said().await.map_err(Unmet::into_ground)?;
    let body = seen.made().map_err(Unmet::into_ground)?;
    body.check(!body.has("/thoughts"), "no thoughts without verbose")
}
