//! Conversations and their messages.

use serde_json::{Value, json};

use super::completions::is_answer;
use super::{ANSWERED, CONVERSATION, INITIAL_MESSAGES, QUESTION, item, refused};
use crate::check::{Check, characters, choice};
use crate::context::{TestContext, escape_segment};
use crate::expect::{CheckFailure, Response};
use crate::need::Need;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "characters.conversations.create",
        title: "a new conversation is returned with the given fields, an id and last_message_at",
        source: characters("Conversations"),
        needs: CONVERSATION,
        run: |context| Box::pin(create(context)),
    },
    Check {
        id: "characters.conversations.created",
        title: "a new conversation is 201, with agent_id null if none was given",
        source: choice("Characters API: conversations and messages"),
        needs: CONVERSATION,
        run: |context| Box::pin(created(context)),
    },
    Check {
        id: "characters.conversations.get",
        title: "a conversation can be fetched by its id, as it was created",
        source: characters("Conversations"),
        needs: CONVERSATION,
        run: |context| Box::pin(get(context)),
    },
    Check {
        id: "characters.conversations.list",
        title: "the list is an array that contains it",
        source: characters("Conversations"),
        needs: CONVERSATION,
        run: |context| Box::pin(list(context)),
    },
    Check {
        id: "characters.conversations.required",
        title: "title and llm_id are required, else 400",
        source: choice("Characters API: conversations and messages"),
        needs: CONVERSATION,
        run: |context| Box::pin(required(context)),
    },
    Check {
        id: "characters.conversations.unknown",
        title: "an unknown conversation is 404",
        source: characters("Errors"),
        needs: &[Need::Key],
        run: |context| Box::pin(unknown(context)),
    },
    Check {
        id: "characters.messages.answer",
        title: "a message is answered with the agent's message: id, content, role, created_at",
        source: characters("Messages"),
        needs: ANSWERED,
        run: |context| Box::pin(answer(context)),
    },
    Check {
        id: "characters.messages.alternate",
        title: "the initial messages, the new message and the answer are in order, oldest first",
        source: characters("Messages"),
        needs: ANSWERED,
        run: |context| Box::pin(alternate(context)),
    },
    Check {
        id: "characters.messages.required",
        title: "a message without content is 400",
        source: characters("Errors"),
        needs: CONVERSATION,
        run: |context| Box::pin(content_required(context)),
    },
    Check {
        id: "characters.messages.last_message_at",
        title: "last_message_at is the time of the last message, and the latest conversation comes first",
        source: choice("Characters API: conversations and messages"),
        needs: ANSWERED,
        run: |context| Box::pin(last_message_at(context)),
    },
    Check {
        id: "characters.messages.verbose",
        title: "verbose adds thoughts, which are otherwise absent; llm_id applies to one message",
        source: choice("Characters API: conversations and messages"),
        needs: ANSWERED,
        run: |context| Box::pin(verbose(context)),
    },
];

async fn create(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.created_conversation().await?;
    let body = response.created_json()?;
    body.non_empty_text("/id")?;
    body.is("/title", &json!(context.title("conversation")))?;
    body.is("/system_prompt", &json!("You answer in one short sentence."))?;
    body.is("/llm_id", &json!(context.model()))?;
    body.time("/last_message_at").map(|_| ())
}

async fn created(context: &TestContext) -> Result<(), CheckFailure> {
    context.characters_conversation_id().await?;
    let response = context.created_conversation().await?;
    response.status(&[201])?.json()?.is("/agent_id", &Value::Null)
}

async fn get(context: &TestContext) -> Result<(), CheckFailure> {
    let id = context.characters_conversation_id().await?;
    let created = context.created_conversation().await?.created_json()?.value;
    let response = context.get_own(&format!("/conversations/{}", escape_segment(&id))).await?;
    let body = response.ok_json()?;
    for field in ["id", "title", "system_prompt", "llm_id"] {
        body.is(&format!("/{field}"), created.get(field).unwrap_or(&Value::Null))?;
    }
    body.time("/last_message_at").map(|_| ())
}

async fn list(context: &TestContext) -> Result<(), CheckFailure> {
    let id = context.characters_conversation_id().await?;
    let response = context.get_own("/conversations").await?;
    let list = response.ok_json()?;
    list.check(item(&list, &id)?.is_some(), format!("the conversation {id}"))
}

async fn required(context: &TestContext) -> Result<(), CheckFailure> {
    let model = context.model();
    for body in
        [json!({"llm_id": model}), json!({"title": "T"}), json!({"title": "", "llm_id": model})]
    {
        refused(&context.post_own("/conversations", &body).await?, 400)?;
    }
    Ok(())
}

async fn unknown(context: &TestContext) -> Result<(), CheckFailure> {
    let path = "/conversations/no-such-conversation";
    refused(&context.get_own(path).await?, 404)?;
    refused(&context.get_own(&format!("{path}/messages")).await?, 404)
}

async fn answer(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.sent_message().await?;
    is_answer(&response.created_json()?)
}

/// The shared conversation's messages.
async fn messages(context: &TestContext) -> Result<Response, CheckFailure> {
    context
        .get_own(&format!(
            "/conversations/{}/messages",
            escape_segment(&context.characters_conversation_id().await?)
        ))
        .await
}

async fn alternate(context: &TestContext) -> Result<(), CheckFailure> {
    let sent = context.sent_message().await.map_err(CheckFailure::into_blocked)?;
    let sent = sent.created_json().map_err(CheckFailure::into_blocked)?;
    let answer = sent.text("/content").map_err(CheckFailure::into_blocked)?;
    let response = messages(context).await?;
    let list = response.ok_json()?;
    let expected = INITIAL_MESSAGES.into_iter().chain([("user", QUESTION), ("agent", answer)]);
    for (place, (role, content)) in expected.enumerate() {
        list.is(&format!("/{place}/role"), &json!(role))?;
        list.is(&format!("/{place}/content"), &json!(content))?;
        list.non_empty_text(&format!("/{place}/id"))?;
        list.time(&format!("/{place}/created_at"))?;
    }
    Ok(())
}

async fn content_required(context: &TestContext) -> Result<(), CheckFailure> {
    let path = format!(
        "/conversations/{}/messages",
        escape_segment(&context.characters_conversation_id().await?)
    );
    refused(&context.post_own(&path, &json!({})).await?, 400)
}

async fn last_message_at(context: &TestContext) -> Result<(), CheckFailure> {
    let path = format!(
        "/conversations/{}/messages",
        escape_segment(&context.characters_conversation_id().await?)
    );
    let sent = context.post_own(&path, &json!({"content": QUESTION})).await?;
    let sent = sent.created_json().map_err(CheckFailure::into_blocked)?;
    let response = context.get_own("/conversations").await?;
    let list = response.ok_json()?;
    list.is("/0/id", &json!(context.characters_conversation_id().await?))?;
    list.is("/0/last_message_at", sent.at("/created_at")?)
}

async fn verbose(context: &TestContext) -> Result<(), CheckFailure> {
    let path = format!(
        "/conversations/{}/messages",
        escape_segment(&context.characters_conversation_id().await?)
    );
    let body = json!({"content": QUESTION, "verbose": true, "llm_id": context.model()});
    let response = context.post_own(&path, &body).await?;
    response.created_json()?.text("/thoughts")?;
    let response = context.sent_message().await.map_err(CheckFailure::into_blocked)?;
    let body = response.created_json().map_err(CheckFailure::into_blocked)?;
    body.check(!body.has("/thoughts"), "no thoughts without verbose")
}
