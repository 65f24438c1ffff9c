//! Conversations: started, continued, remembered.

use serde_json::{Value, json};

use super::stream::is_plain_text;
use super::{ANSWERED, FIRST, SECOND, THIRD, set};
use crate::api::Api;
use crate::check::{Check, choice, notes, overview, rest, sdk};
use crate::context::{Credential, TestContext, text_body, text_of};
use crate::expect::{CheckFailure, Response};
use crate::need::Need;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "runner.conversation.start",
        title: "a first message returns conversation_id, name, content and both token counts",
        source: rest("Example response"),
        needs: ANSWERED,
        run: |context| Box::pin(start(context)),
    },
    Check {
        id: "runner.conversation.uuid",
        title: "conversation_id is a UUID",
        source: overview("Conversation API Parameters"),
        needs: ANSWERED,
        run: |context| Box::pin(uuid(context)),
    },
    Check {
        id: "runner.conversation.more_fields",
        title: "model, request_id, created_at and updated_at, if present, are well-formed",
        source: notes("Content and variables"),
        needs: ANSWERED,
        run: |context| Box::pin(more_fields(context)),
    },
    Check {
        id: "runner.conversation.variables",
        title: "a first message accepts variables and meta",
        source: overview("Conversation API Parameters"),
        needs: ANSWERED,
        run: |context| Box::pin(variables(context)),
    },
    Check {
        id: "runner.conversation.continue",
        title: "with conversation_id the same endpoint continues a conversation, without a stream",
        source: notes("Conversations"),
        needs: ANSWERED,
        run: |context| Box::pin(continues(context)),
    },
    Check {
        id: "runner.conversation.stream",
        title: "a conversation continues in a stream of plain text",
        source: rest("POST /v1/runner/{deployment_id}/conversation/stream"),
        needs: ANSWERED,
        run: |context| Box::pin(streams(context)),
    },
    Check {
        id: "runner.conversation.stream_is_whole",
        title: "the joined pieces of a stream are the stored answer",
        source: overview("Key Points"),
        needs: ANSWERED,
        run: |context| Box::pin(stream_is_whole(context)),
    },
    Check {
        id: "runner.conversation.memory",
        title: "a conversation keeps its messages, turn by turn, oldest first",
        source: rest("GET /v1/runner/conversation/{conversation_id}/messages"),
        needs: ANSWERED,
        run: |context| Box::pin(memory(context)),
    },
    Check {
        id: "runner.conversation.history_limit",
        title: "history_limit is the number of turns that the model is shown (by input tokens)",
        source: overview("Conversation API Parameters"),
        needs: ANSWERED,
        run: |context| Box::pin(history_limit(context)),
    },
    Check {
        id: "runner.conversation.meta_on_continuation",
        title: "meta on a continuation is refused",
        source: sdk("Error notes"),
        needs: ANSWERED,
        run: |context| Box::pin(refused_on_continuation(context, "meta")),
    },
    Check {
        id: "runner.conversation.variables_on_continuation",
        title: "variables on a continuation are refused",
        source: sdk("Error notes"),
        needs: ANSWERED,
        run: |context| Box::pin(refused_on_continuation(context, "variables")),
    },
    Check {
        id: "runner.conversation.history_limit_range",
        title: "history_limit is a whole number from 0 to 1000, else 400",
        source: choice("Runner API: conversations"),
        needs: ANSWERED,
        run: |context| Box::pin(history_limit_range(context)),
    },
    Check {
        id: "runner.conversation.other_deployment",
        title: "a conversation of another deployment is 409",
        source: choice("Runner API: conversations"),
        needs: &[Need::Key, Need::Deployment, Need::JsonDeployment, Need::Spending],
        run: |context| Box::pin(other_deployment(context)),
    },
];

/// The messages on the first page of 100 of a conversation.
pub(super) async fn stored_messages(
    context: &TestContext,
    conversation: &str,
) -> Result<(Response, Vec<Value>), CheckFailure> {
    let path = format!("/conversation/{conversation}/messages?page=1&page_size=100");
    let response = context.get(Api::Runner, Credential::Main, &path).await?;
    let items = response.ok_json()?.list("/items")?.to_vec();
    Ok((response, items))
}

/// Role and trimmed text of a stored message.
fn role_and_text(message: &Value) -> (String, String) {
    let role = message.get("role").and_then(Value::as_str).unwrap_or_default().to_owned();
    let text = message.get("content").map(text_of).unwrap_or_default();
    (role, text.trim().to_owned())
}

async fn start(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.started().await?;
    let body = response.ok_json()?;
    body.non_empty_text("/conversation_id")?;
    body.non_empty_text("/name")?;
    body.non_empty_text("/content")?;
    let (input, output) = (body.integer("/input_tokens")?, body.integer("/output_tokens")?);
    body.check(input > 0 && output > 0, "more than 0 tokens of each kind")
}

async fn uuid(context: &TestContext) -> Result<(), CheckFailure> {
    let conversation = context.runner_conversation_id().await?;
    let response = context.started().await?;
    response.check(uuid::Uuid::parse_str(&conversation).is_ok(), "a UUID", conversation)
}

async fn more_fields(context: &TestContext) -> Result<(), CheckFailure> {
    context.runner_conversation_id().await?;
    let response = context.started().await?;
    let body = response.ok_json()?;
    for field in ["/model", "/request_id"].into_iter().filter(|field| body.has(field)) {
        body.non_empty_text(field)?;
    }
    for field in ["/created_at", "/updated_at"].into_iter().filter(|field| body.has(field)) {
        body.time(field)?;
    }
    Ok(())
}

async fn variables(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.second_started().await?;
    response.ok_json()?.non_empty_text("/conversation_id").map(|_| ())
}

async fn continues(context: &TestContext) -> Result<(), CheckFailure> {
    let conversation = context.runner_conversation_id().await?;
    let response = context.continued().await?;
    let body = response.ok_json()?;
    body.is("/conversation_id", &json!(conversation))?;
    body.non_empty_text("/content").map(|_| ())
}

async fn streams(context: &TestContext) -> Result<(), CheckFailure> {
    is_plain_text(&context.streamed().await?)
}

async fn stream_is_whole(context: &TestContext) -> Result<(), CheckFailure> {
    let stream = context.streamed().await.map_err(CheckFailure::into_blocked)?;
    is_plain_text(&stream).map_err(CheckFailure::into_blocked)?;
    let (response, messages) =
        stored_messages(context, &context.runner_conversation_id().await?).await?;
    let mut after =
        messages.iter().map(role_and_text).skip_while(|(_, text)| text != THIRD).skip(1);
    let answer = after.next().map(|(_, text)| text).unwrap_or_default();
    let streamed = stream.text();
    response.check(
        answer == streamed.trim(),
        format!("the answer that was streamed: {streamed}"),
        answer,
    )
}

async fn memory(context: &TestContext) -> Result<(), CheckFailure> {
    let conversation = context.conversation_of_two_turns().await?;
    let (first, second) = (context.started().await?, context.continued().await?);
    let (first, second) = (first.ok_json()?, second.ok_json()?);
    let expected = [
        ("user", FIRST),
        ("assistant", first.text("/content")?),
        ("user", SECOND),
        ("assistant", second.text("/content")?),
    ];
    let expected = expected.map(|(role, text)| (role.to_owned(), text.trim().to_owned()));
    let (response, messages) = stored_messages(context, &conversation).await?;
    let kept: Vec<(String, String)> =
        messages.iter().take(expected.len()).map(role_and_text).collect();
    response.check(kept == expected, format!("{expected:?}"), format!("{kept:?}"))
}

async fn history_limit(context: &TestContext) -> Result<(), CheckFailure> {
    let conversation = context.conversation_of_two_turns().await?;
    let question = "How many things were on my list? One word will do.";
    // In this order, a server that ignores the limit shows more the second time, not less.
    let many =
        context.continue_conversation("/conversation", &conversation, question, Some(5)).await?;
    let one =
        context.continue_conversation("/conversation", &conversation, question, Some(1)).await?;
    let with_one = one.ok_json()?.integer("/input_tokens")?;
    let with_many = many.ok_json()?.integer("/input_tokens")?;
    // The list in the first message alone is longer than this.
    one.check(
        with_many > with_one + 30,
        format!("far fewer input tokens with 1 turn shown than the {with_many} with 5"),
        format!("{with_one} input tokens"),
    )
}

async fn refused_on_continuation(context: &TestContext, field: &str) -> Result<(), CheckFailure> {
    let conversation = context.runner_conversation_id().await?;
    let mut body = text_body(SECOND);
    set(&mut body, "conversation_id", json!(conversation));
    set(&mut body, field, json!({"userId": "user_123"}));
    let response = context.post_to_deployment("/conversation", &body).await?;
    super::refusals::invalid(&response)
}

async fn history_limit_range(context: &TestContext) -> Result<(), CheckFailure> {
    let conversation = context.runner_conversation_id().await?;
    for limit in [json!(-1), json!(1001), json!(1.5), json!("five")] {
        let mut body = text_body(SECOND);
        set(&mut body, "conversation_id", json!(conversation));
        set(&mut body, "history_limit", limit);
        let response = context.post_to_deployment("/conversation", &body).await?;
        response.status(&[400])?.json()?.is("/error/param", &json!("history_limit"))?;
    }
    Ok(())
}

async fn other_deployment(context: &TestContext) -> Result<(), CheckFailure> {
    let conversation = context.runner_conversation_id().await?;
    let mut body = text_body(SECOND);
    set(&mut body, "conversation_id", json!(conversation));
    let path = format!("/{}/conversation", context.json_deployment());
    let response = context.post(Api::Runner, Credential::Main, &path, &body).await?;
    response.status(&[409])?.json()?.is("/error/code", &json!("deployment_mismatch"))
}
