//! Conversations: started, continued, remembered.

use serde_json::{Value, json};

use super::stream::is_plain_text;
use super::{ANSWERED, FIRST, SECOND, THIRD, set};
use crate::verify::expect::{Seen, Unmet};
use crate::verify::fact::{Api, Fact, Need, choice, notes, overview, rest, sdk};
use crate::verify::probe::{Probe, Who, said, text_of};

pub(super) const FACTS: &[Fact] = &[
    Fact {
        id: "runner.conversation.start",
        title: "a first message gives conversation_id, name, content and both counts of tokens",
        source: rest("Example response"),
        needs: ANSWERED,
        check: |probe| Box::pin(start(probe)),
    },
    Fact {
        id: "runner.conversation.uuid",
        title: "conversation_id is a UUID",
        source: overview("Conversation API Parameters"),
        needs: ANSWERED,
        check: |probe| Box::pin(uuid(probe)),
    },
    Fact {
        id: "runner.conversation.more_fields",
        title: "model, request_id, created_at and updated_at, where they are given, are well-formed",
        source: notes("Content and variables"),
        needs: ANSWERED,
        check: |probe| Box::pin(more_fields(probe)),
    },
    Fact {
        id: "runner.conversation.variables",
        title: "a first message takes variables and meta",
        source: overview("Conversation API Parameters"),
        needs: ANSWERED,
        check: |probe| Box::pin(variables(probe)),
    },
    Fact {
        id: "runner.conversation.continue",
        title: "with conversation_id the same endpoint continues, without a stream",
        source: notes("Conversations"),
        needs: ANSWERED,
        check: |probe| Box::pin(continues(probe)),
    },
    Fact {
        id: "runner.conversation.stream",
        title: "a conversation continues in a stream of plain text",
        source: rest("POST /v1/runner/{deployment_id}/conversation/stream"),
        needs: ANSWERED,
        check: |probe| Box::pin(streams(probe)),
    },
    Fact {
        id: "runner.conversation.stream_is_whole",
        title: "the pieces of a stream, joined, are the answer that is kept",
        source: overview("Key Points"),
        needs: ANSWERED,
        check: |probe| Box::pin(stream_is_whole(probe)),
    },
    Fact {
        id: "runner.conversation.memory",
        title: "a conversation keeps what was said, turn by turn, oldest first",
        source: rest("GET /v1/runner/conversation/{conversation_id}/messages"),
        needs: ANSWERED,
        check: |probe| Box::pin(memory(probe)),
    },
    Fact {
        id: "runner.conversation.history_limit",
        title: "history_limit is how many turns the model is shown (by the tokens that go in)",
        source: overview("Conversation API Parameters"),
        needs: ANSWERED,
        check: |probe| Box::pin(history_limit(probe)),
    },
    Fact {
        id: "runner.conversation.meta_on_continuation",
        title: "meta on a continuation is refused",
        source: sdk("Error notes"),
        needs: ANSWERED,
        check: |probe| Box::pin(refused_on_continuation(probe, "meta")),
    },
    Fact {
        id: "runner.conversation.variables_on_continuation",
        title: "variables on a continuation are refused",
        source: sdk("Error notes"),
        needs: ANSWERED,
        check: |probe| Box::pin(refused_on_continuation(probe, "variables")),
    },
    Fact {
        id: "runner.conversation.history_limit_range",
        title: "history_limit is a whole number from 0 to 1000, else 400",
        source: choice("Runner API: conversations"),
        needs: ANSWERED,
        check: |probe| Box::pin(history_limit_range(probe)),
    },
    Fact {
        id: "runner.conversation.other_deployment",
        title: "a conversation of another deployment is 409",
        source: choice("Runner API: conversations"),
        needs: &[Need::Key, Need::Deployment, Need::JsonDeployment, Need::Spending],
        check: |probe| Box::pin(other_deployment(probe)),
    },
];

/// All messages of a conversation that a first page of 100 has.
pub(super) async fn kept(probe: &Probe, thread: &str) -> Result<(Seen, Vec<Value>), Unmet> {
    let path = format!("/conversation/{thread}/messages?page=1&page_size=100");
    let seen = probe.get(Api::Runner, Who::Own, &path).await?;
    let items = seen.good()?.list("/items")?.to_vec();
    Ok((seen, items))
}

/// Role and text of a stored message, with the white space around it taken away.
fn spoken(message: &Value) -> (String, String) {
    let role = message.get("role").and_then(Value::as_str).unwrap_or_default().to_owned();
    let text = message.get("content").map(text_of).unwrap_or_default();
    (role, text.trim().to_owned())
}

async fn start(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.started().await?;
    let body = seen.good()?;
    body.filled("/conversation_id")?;
    body.filled("/name")?;
    body.filled("/content")?;
    let (input, output) = (body.whole("/input_tokens")?, body.whole("/output_tokens")?);
    body.check(input > 0 && output > 0, "more than 0 tokens of each kind")
}

async fn uuid(probe: &Probe) -> Result<(), Unmet> {
    let thread = probe.thread().await?;
    let seen = probe.started().await?;
    seen.check(uuid::Uuid::parse_str(&thread).is_ok(), "a UUID", thread)
}

async fn more_fields(probe: &Probe) -> Result<(), Unmet> {
    probe.thread().await?;
    let seen = probe.started().await?;
    let body = seen.good()?;
    for field in ["/model", "/request_id"].into_iter().filter(|field| body.has(field)) {
        body.filled(field)?;
    }
    for field in ["/created_at", "/updated_at"].into_iter().filter(|field| body.has(field)) {
        body.time(field)?;
    }
    Ok(())
}

async fn variables(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.second_started().await?;
    seen.good()?.filled("/conversation_id").map(|_| ())
}

async fn continues(probe: &Probe) -> Result<(), Unmet> {
    let thread = probe.thread().await?;
    let seen = probe.continued().await?;
    let body = seen.good()?;
    body.is("/conversation_id", &json!(thread))?;
    body.filled("/content").map(|_| ())
}

async fn streams(probe: &Probe) -> Result<(), Unmet> {
    is_plain_text(&probe.streamed().await?)
}

async fn stream_is_whole(probe: &Probe) -> Result<(), Unmet> {
    let stream = probe.streamed().await.map_err(Unmet::into_ground)?;
    is_plain_text(&stream).map_err(Unmet::into_ground)?;
    let (seen, messages) = kept(probe, &probe.thread().await?).await?;
    let mut after = messages.iter().map(spoken).skip_while(|(_, text)| text != THIRD).skip(1);
    let answer = after.next().map(|(_, text)| text).unwrap_or_default();
    let streamed = stream.text();
    seen.check(
        answer == streamed.trim(),
        format!("the answer that was streamed: {streamed}"),
        answer,
    )
}

async fn memory(probe: &Probe) -> Result<(), Unmet> {
    let thread = probe.thread_of_two().await?;
    let (first, second) = (probe.started().await?, probe.continued().await?);
    let (first, second) = (first.good()?, second.good()?);
    let said = [
        ("user", FIRST),
        ("assistant", first.text("/content")?),
        ("user", SECOND),
        ("assistant", second.text("/content")?),
    ];
    let said = said.map(|(role, text)| (role.to_owned(), text.trim().to_owned()));
    let (seen, messages) = kept(probe, &thread).await?;
    let kept: Vec<(String, String)> = messages.iter().take(said.len()).map(spoken).collect();
    seen.check(kept == said, format!("{said:?}"), format!("{kept:?}"))
}

async fn history_limit(probe: &Probe) -> Result<(), Unmet> {
    let thread = probe.thread_of_two().await?;
    let question = "How many things were on my list? One word will do.";
    // In this order: whoever ignores the limit is shown more the second time, not less.
    let many = probe.go_on("/conversation", &thread, question, Some(5)).await?;
    let one = probe.go_on("/conversation", &thread, question, Some(1)).await?;
    let with_one = one.good()?.whole("/input_tokens")?;
    let with_many = many.good()?.whole("/input_tokens")?;
    // The list in the first message alone is longer than this.
    one.check(
        with_many > with_one + 30,
        format!("far fewer input tokens with 1 turn shown than the {with_many} with 5"),
        format!("{with_one} input tokens"),
    )
}

async fn refused_on_continuation(probe: &Probe, field: &str) -> Result<(), Unmet> {
    let thread = probe.thread().await?;
    let mut body = said(SECOND);
    set(&mut body, "conversation_id", json!(thread));
    set(&mut body, field, json!({"userId": "user_123"}));
    let seen = probe.ask_deployment("/conversation", &body).await?;
    super::refusals::invalid(&seen)
}

async fn history_limit_range(probe: &Probe) -> Result<(), Unmet> {
    let thread = probe.thread().await?;
    for limit in [json!(-1), json!(1001), json!(1.5), json!("five")] {
        let mut body = said(SECOND);
        set(&mut body, "conversation_id", json!(thread));
        set(&mut body, "history_limit", limit);
        let seen = probe.ask_deployment("/conversation", &body).await?;
        seen.status(&[400])?.json()?.is("/error/param", &json!("history_limit"))?;
    }
    Ok(())
}

async fn other_deployment(probe: &Probe) -> Result<(), Unmet> {
    let thread = probe.thread().await?;
    let mut body = said(SECOND);
    set(&mut body, "conversation_id", json!(thread));
    let path = format!("/{}/conversation", probe.json_deployment());
    let seen = probe.post(Api::Runner, Who::Own, &path, &body).await?;
    seen.status(&[409])?.json()?.is("/error/code", &json!("deployment_mismatch"))
}
