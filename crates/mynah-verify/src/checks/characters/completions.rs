//! Completions, which are not stored.

use serde_json::{Value, json};

use super::{ANSWERED, CONVERSATION, QUESTION, refused};
use crate::check::{Check, characters, choice};
use crate::context::TestContext;
use crate::expect::{CheckFailure, Json};
use crate::need::Need;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "characters.completion.answer",
        title: "a completion is one message by the agent: id, content, role, created_at",
        source: characters("Completions"),
        needs: ANSWERED,
        run: |context| Box::pin(answer(context)),
    },
    Check {
        id: "characters.completion.agent",
        title: "agent_id may name the agent that answers",
        source: characters("Completions"),
        needs: &[Need::Key, Need::Model, Need::SdModel, Need::Spending],
        run: |context| Box::pin(agent(context)),
    },
    Check {
        id: "characters.completion.required",
        title: "a missing messages or llm_id is 400",
        source: characters("Completions"),
        needs: CONVERSATION,
        run: |context| Box::pin(required(context)),
    },
    Check {
        id: "characters.completion.unknown_model",
        title: "an unknown llm_id is 404, an image model 400",
        source: choice("Characters API: completions"),
        needs: &[Need::Key, Need::SdModel],
        run: |context| Box::pin(unknown_model(context)),
    },
    Check {
        id: "characters.completion.unknown_role",
        title: "a role other than system, user, agent or assistant is 400",
        source: choice("Characters API: completions"),
        needs: CONVERSATION,
        run: |context| Box::pin(unknown_role(context)),
    },
];

fn completion_body(context: &TestContext) -> Value {
    json!({
        "messages": [
            {"role": "system", "content": "You answer in one short sentence."},
            {"role": "user", "content": QUESTION},
        ],
        "llm_id": context.model(),
    })
}

/// Fails unless the response is a message by the agent.
pub(super) fn is_answer(body: &Json<'_>) -> Result<(), CheckFailure> {
    body.non_empty_text("/id")?;
    body.non_empty_text("/content")?;
    body.is("/role", &json!("agent"))?;
    body.time("/created_at").map(|_| ())
}

async fn answer(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.post_own("/completions", &completion_body(context)).await?;
    is_answer(&response.created_json()?)
}

async fn agent(context: &TestContext) -> Result<(), CheckFailure> {
    let agent = context.agent_id().await?;
    let mut body = completion_body(context);
    if let Some(body) = body.as_object_mut() {
        body.insert("agent_id".to_owned(), json!(agent));
    }
    let response = context.post_own("/completions", &body).await?;
    is_answer(&response.created_json()?)
}

async fn required(context: &TestContext) -> Result<(), CheckFailure> {
    let model = context.model();
    for body in [
        json!({"llm_id": model}),
        json!({"llm_id": model, "messages": "Hello?"}),
        json!({"messages": [{"role": "user", "content": QUESTION}]}),
    ] {
        refused(&context.post_own("/completions", &body).await?, 400)?;
    }
    Ok(())
}

async fn unknown_model(context: &TestContext) -> Result<(), CheckFailure> {
    for (model, status) in [("no-such-model", 404), (context.sd_model(), 400)] {
        let body = json!({"llm_id": model, "messages": [{"role": "user", "content": QUESTION}]});
        refused(&context.post_own("/completions", &body).await?, status)?;
    }
    Ok(())
}

async fn unknown_role(context: &TestContext) -> Result<(), CheckFailure> {
    let messages = json!([{"role": "poet", "content": QUESTION}]);
    let body = json!({"llm_id": context.model(), "messages": messages});
    refused(&context.post_own("/completions", &body).await?, 400)
}
