//! Keys, and what another account sees.

use super::{API, BEGUN, refused};
use crate::verify::expect::Unmet;
use crate::verify::fact::{Fact, Need, characters, choice};
use crate::verify::probe::{Probe, Who, escaped};

const OF_ANOTHER: &[Need] = &[Need::Key, Need::SecondKey, Need::Model];

pub(super) const FACTS: &[Fact] = &[
    Fact {
        id: "characters.key.bearer",
        title: "the key travels as a Bearer token",
        source: characters("API Key Header"),
        needs: &[Need::Key],
        check: |probe| Box::pin(bearer(probe)),
    },
    Fact {
        id: "characters.key.required",
        title: "without a key, or with an unknown one, it is 401 with an error",
        source: characters("All API requests require authentication"),
        needs: &[],
        check: |probe| Box::pin(required(probe)),
    },
    Fact {
        id: "characters.key.challenge",
        title: "a 401 says WWW-Authenticate: Bearer",
        source: choice("Characters API: authentication and errors"),
        needs: &[],
        check: |probe| Box::pin(challenge(probe)),
    },
    Fact {
        id: "characters.isolation.ids",
        title: "another account's conversation is 404",
        source: choice("Characters API: what both APIs share"),
        needs: OF_ANOTHER,
        check: |probe| Box::pin(ids_of_another(probe)),
    },
    Fact {
        id: "characters.isolation.lists",
        title: "lists hold one's own only",
        source: choice("Characters API: what both APIs share"),
        needs: OF_ANOTHER,
        check: |probe| Box::pin(lists_of_another(probe)),
    },
    Fact {
        id: "characters.errors.envelope",
        title: "an error is {\"error\": a text} and nothing else",
        source: characters("Errors"),
        needs: BEGUN,
        check: |probe| Box::pin(envelope(probe)),
    },
];

async fn bearer(probe: &Probe) -> Result<(), Unmet> {
    probe.look("/models?type=llm").await?.status(&[200]).map(|_| ())
}

async fn required(probe: &Probe) -> Result<(), Unmet> {
    for who in [Who::Nobody, Who::Stranger] {
        refused(&probe.get(API, who, "/models?type=llm").await?, 401)?;
    }
    Ok(())
}

async fn challenge(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.get(API, Who::Nobody, "/models?type=llm").await?;
    seen.status(&[401])?;
    let challenge = seen.header("www-authenticate");
    seen.check(challenge.starts_with("Bearer"), "WWW-Authenticate: Bearer", challenge)
}

async fn ids_of_another(probe: &Probe) -> Result<(), Unmet> {
    let path = format!("/conversations/{}", escaped(&probe.dialogue().await?));
    refused(&probe.get(API, Who::Second, &path).await?, 404)
}

async fn lists_of_another(probe: &Probe) -> Result<(), Unmet> {
    let id = probe.dialogue().await?;
    let seen = probe.get(API, Who::Second, "/conversations").await?;
    let list = seen.good()?;
    let stranger = super::item(&list, &id)?;
    seen.check(stranger.is_none(), "nothing of another account", id)
}

async fn envelope(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.look("/conversations/no-such-conversation").await?;
    let body = seen.status(&[404])?.json()?;
    body.filled("/error")?;
    let fields = body.value.as_object().map(serde_json::Map::len);
    body.check(fields == Some(1), "the field error and no other")
}
