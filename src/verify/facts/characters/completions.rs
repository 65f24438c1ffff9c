//! Completions: messages in, one message out, and nothing kept.

use serde_json::{Value, json};

use super::{ANSWERED, BEGUN, QUESTION, refused};
use crate::verify::expect::{Json, Unmet};
use crate::verify::fact::{Fact, Need, characters, choice};
use crate::verify::probe::Probe;

pub(super) const FACTS: &[Fact] = &[
    Fact {
        id: "characters.completion.answer",
        title: "a completion is one message of the agent: id, content, role, created_at",
        source: characters("Completions"),
        needs: ANSWERED,
        check: |probe| Box::pin(answer(probe)),
    },
    Fact {
        id: "characters.completion.agent",
        title: "agent_id may name the agent that answers",
        source: characters("Completions"),
        needs: &[Need::Key, Need::Model, Need::SdModel, Need::Spending],
        check: |probe| Box::pin(agent(probe)),
    },
    Fact {
        id: "characters.completion.required",
        title: "without messages or llm_id it is 400",
        source: characters("Completions"),
        needs: BEGUN,
        check: |probe| Box::pin(required(probe)),
    },
    Fact {
        id: "characters.completion.unknown_model",
        title: "an unknown llm_id is 404, and a model that makes pictures 400",
        source: choice("Characters API: completions"),
        needs: &[Need::Key, Need::SdModel],
        check: |probe| Box::pin(unknown_model(probe)),
    },
    Fact {
        id: "characters.completion.unknown_role",
        title: "another role than system, user, agent or assistant is 400",
        source: choice("Characters API: completions"),
        needs: BEGUN,
        check: |probe| Box::pin(unknown_role(probe)),
    },
];

fn asked(probe: &Probe) -> Value {
    json!({
        "messages": [
            {"role": "system", "content": "You answer in one short sentence."},
            {"role": "user", "content": QUESTION},
        ],
        "llm_id": probe.model(),
    })
}

/// Fails unless it is a message of the agent.
pub(super) fn is_answer(body: &Json<'_>) -> Result<(), Unmet> {
    body.filled("/id")?;
    body.filled("/content")?;
    body.is("/role", &json!("agent"))?;
    body.time("/created_at").map(|_| ())
}

async fn answer(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.make("/completions", &asked(probe)).await?;
    is_answer(&seen.made()?)
}

async fn agent(probe: &Probe) -> Result<(), Unmet> {
    let agent = probe.agent().await?;
    let mut body = asked(probe);
    if let Some(body) = body.as_object_mut() {
        body.insert("agent_id".to_owned(), json!(agent));
    }
    let seen = probe.make("/completions", &body).await?;
    is_answer(&seen.made()?)
}

async fn required(probe: &Probe) -> Result<(), Unmet> {
    let model = probe.model();
    for body in [
        json!({"llm_id": model}),
        json!({"llm_id": model, "messages": "Hello?"}),
        json!({"messages": [{"role": "user", "content": QUESTION}]}),
    ] {
        refused(&probe.make("/completions", &body).await?, 400)?;
    }
    Ok(())
}

async fn unknown_model(probe: &Probe) -> Result<(), Unmet> {
    for (model, status) in [("no-such-model", 404), (probe.sd_model(), 400)] {
        let body = json!({"llm_id": model, "messages": [{"role": "user", "content": QUESTION}]});
        refused(&probe.make("/completions", &body).await?, status)?;
    }
    Ok(())
}

async fn unknown_role(probe: &Probe) -> Result<(), Unmet> {
    let messages = json!([{"role": "poet", "content": QUESTION}]);
    let body = json!({"llm_id": probe.model(), "messages": messages});
    refused(&probe.make("/completions", &body).await?, 400)
}
