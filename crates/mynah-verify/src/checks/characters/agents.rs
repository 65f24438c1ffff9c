//! Agents and their avatars.

use serde_json::{Value, json};

use super::images::is_picture;
use super::{IMAGE, item, refused};
use crate::check::{Check, characters, choice};
use crate::context::{TestContext, escape_segment};
use crate::expect::CheckFailure;
use crate::need::Need;

const WITH_SD_MODEL: &[Need] = &[Need::Key, Need::SdModel];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "characters.agents.create",
        title: "a new agent is returned with its texts and an id, its age before its appearance",
        source: characters("Agents"),
        needs: IMAGE,
        run: |context| Box::pin(create(context)),
    },
    Check {
        id: "characters.agents.avatar",
        title: "avatar_url serves a picture",
        source: characters("Agents"),
        needs: IMAGE,
        run: |context| Box::pin(avatar(context)),
    },
    Check {
        id: "characters.agents.get",
        title: "an agent can be fetched by its id, as it was created",
        source: characters("Agents"),
        needs: IMAGE,
        run: |context| Box::pin(get(context)),
    },
    Check {
        id: "characters.agents.list",
        title: "the list is an array that contains it",
        source: characters("Agents"),
        needs: IMAGE,
        run: |context| Box::pin(list(context)),
    },
    Check {
        id: "characters.agents.of_age",
        title: "an agent under 18 is refused: 400",
        source: characters("Agents"),
        needs: WITH_SD_MODEL,
        run: |context| Box::pin(of_age(context)),
    },
    Check {
        id: "characters.agents.required",
        title: "name and sd_model_id are required, else 400",
        source: characters("Agents"),
        needs: WITH_SD_MODEL,
        run: |context| Box::pin(required(context)),
    },
    Check {
        id: "characters.agents.unknown",
        title: "an unknown agent is 404",
        source: characters("Errors"),
        needs: &[Need::Key],
        run: |context| Box::pin(unknown(context)),
    },
    Check {
        id: "characters.agents.unknown_sd_model",
        title: "an unknown sd_model_id is 404, and a language model 400",
        source: choice("Characters API: agents"),
        needs: &[Need::Key, Need::Model],
        run: |context| Box::pin(unknown_sd_model(context)),
    },
];

async fn create(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.created_agent().await?;
    let body = response.created_json()?;
    body.non_empty_text("/id")?;
    body.is("/name", &json!(context.title("agent")))?;
    body.is("/appearance_prompt", &json!("35 years old, Professional, suit and tie"))?;
    body.is("/personality_prompt", &json!("Knowledgeable about finance, patient"))?;
    body.is("/description", &json!("An agent specialized in financial advice"))
}

async fn avatar(context: &TestContext) -> Result<(), CheckFailure> {
    context.agent_id().await?;
    let response = context.created_agent().await?;
    let url = response.created_json()?.non_empty_text("/avatar_url")?.to_owned();
    is_picture(&context.fetch(&url).await?)
}

async fn get(context: &TestContext) -> Result<(), CheckFailure> {
    let id = context.agent_id().await?;
    let created = context.created_agent().await?.created_json()?.value;
    let response = context.get_own(&format!("/agents/{}", escape_segment(&id))).await?;
    let body = response.ok_json()?;
    for field in ["id", "name", "appearance_prompt", "personality_prompt", "description"] {
        body.is(&format!("/{field}"), created.get(field).unwrap_or(&Value::Null))?;
    }
    Ok(())
}

async fn list(context: &TestContext) -> Result<(), CheckFailure> {
    let id = context.agent_id().await?;
    let response = context.get_own("/agents").await?;
    let list = response.ok_json()?;
    list.check(item(&list, &id)?.is_some(), format!("the agent {id}"))
}

async fn of_age(context: &TestContext) -> Result<(), CheckFailure> {
    let body =
        json!({"name": context.title("minor"), "sd_model_id": context.sd_model(), "age": 17});
    refused(&context.post_own("/agents", &body).await?, 400)
}

async fn required(context: &TestContext) -> Result<(), CheckFailure> {
    for body in
        [json!({"sd_model_id": context.sd_model()}), json!({"name": context.title("nobody")})]
    {
        refused(&context.post_own("/agents", &body).await?, 400)?;
    }
    Ok(())
}

async fn unknown(context: &TestContext) -> Result<(), CheckFailure> {
    refused(&context.get_own("/agents/no-such-agent").await?, 404)
}

async fn unknown_sd_model(context: &TestContext) -> Result<(), CheckFailure> {
    for (model, status) in [("no-such-model", 404), (context.model(), 400)] {
        let body = json!({"name": context.title("nobody"), "sd_model_id": model});
        refused(&context.post_own("/agents", &body).await?, status)?;
    }
    Ok(())
}
