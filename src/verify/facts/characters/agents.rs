//! Agents and their avatars.

use serde_json::{Value, json};

use super::images::is_picture;
use super::{DRAWN, item, refused};
use crate::verify::expect::Unmet;
use crate::verify::fact::{Fact, Need, characters, choice};
use crate::verify::probe::{Probe, escaped};

const WITH_SD_MODEL: &[Need] = &[Need::Key, Need::SdModel];

pub(super) const FACTS: &[Fact] = &[
    Fact {
        id: "characters.agents.create",
        title: "a new agent comes back with its texts and an id, its age ahead of its appearance",
        source: characters("Agents"),
        needs: DRAWN,
        check: |probe| Box::pin(create(probe)),
    },
    Fact {
        id: "characters.agents.avatar",
        title: "avatar_url leads to a picture",
        source: characters("Agents"),
        needs: DRAWN,
        check: |probe| Box::pin(avatar(probe)),
    },
    Fact {
        id: "characters.agents.get",
        title: "an agent can be got by its id, as it was made",
        source: characters("Agents"),
        needs: DRAWN,
        check: |probe| Box::pin(get(probe)),
    },
    Fact {
        id: "characters.agents.list",
        title: "the list is an array that has it",
        source: characters("Agents"),
        needs: DRAWN,
        check: |probe| Box::pin(list(probe)),
    },
    Fact {
        id: "characters.agents.of_age",
        title: "an agent under 18 is refused: 400",
        source: characters("Agents"),
        needs: WITH_SD_MODEL,
        check: |probe| Box::pin(of_age(probe)),
    },
    Fact {
        id: "characters.agents.required",
        title: "name and sd_model_id are required, else 400",
        source: characters("Agents"),
        needs: WITH_SD_MODEL,
        check: |probe| Box::pin(required(probe)),
    },
    Fact {
        id: "characters.agents.unknown",
        title: "an unknown agent is 404",
        source: characters("Errors"),
        needs: &[Need::Key],
        check: |probe| Box::pin(unknown(probe)),
    },
    Fact {
        id: "characters.agents.unknown_sd_model",
        title: "an unknown sd_model_id is 404, and a language model 400",
        source: choice("Characters API: agents"),
        needs: &[Need::Key, Need::Model],
        check: |probe| Box::pin(unknown_sd_model(probe)),
    },
];

async fn create(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.agent_made().await?;
    let body = seen.made()?;
    body.filled("/id")?;
    body.is("/name", &json!(probe.title("agent")))?;
    body.is("/appearance_prompt", &json!("35 years old, Professional, suit and tie"))?;
    body.is("/personality_prompt", &json!("Knowledgeable about finance, patient"))?;
    body.is("/description", &json!("An agent specialized in financial advice"))
}

async fn avatar(probe: &Probe) -> Result<(), Unmet> {
    probe.agent().await?;
    let seen = probe.agent_made().await?;
    let url = seen.made()?.filled("/avatar_url")?.to_owned();
    is_picture(&probe.fetch(&url).await?)
}

async fn get(probe: &Probe) -> Result<(), Unmet> {
    let id = probe.agent().await?;
    let made = probe.agent_made().await?.made()?.value;
    let seen = probe.look(&format!("/agents/{}", escaped(&id))).await?;
    let body = seen.good()?;
    for field in ["id", "name", "appearance_prompt", "personality_prompt", "description"] {
        body.is(&format!("/{field}"), made.get(field).unwrap_or(&Value::Null))?;
    }
    Ok(())
}

async fn list(probe: &Probe) -> Result<(), Unmet> {
    let id = probe.agent().await?;
    let seen = probe.look("/agents").await?;
    let list = seen.good()?;
    list.check(item(&list, &id)?.is_some(), format!("the agent {id}"))
}

async fn of_age(probe: &Probe) -> Result<(), Unmet> {
    let body = json!({"name": probe.title("minor"), "sd_model_id": probe.sd_model(), "age": 17});
    refused(&probe.make("/agents", &body).await?, 400)
}

async fn required(probe: &Probe) -> Result<(), Unmet> {
    for body in [json!({"sd_model_id": probe.sd_model()}), json!({"name": probe.title("nobody")})] {
        refused(&probe.make("/agents", &body).await?, 400)?;
    }
    Ok(())
}

async fn unknown(probe: &Probe) -> Result<(), Unmet> {
    refused(&probe.look("/agents/no-such-agent").await?, 404)
}

async fn unknown_sd_model(probe: &Probe) -> Result<(), Unmet> {
    for (model, status) in [("no-such-model", 404), (probe.model(), 400)] {
        let body = json!({"name": probe.title("nobody"), "sd_model_id": model});
        refused(&probe.make("/agents", &body).await?, status)?;
    }
    Ok(())
}
