//! Authentication, and isolation of accounts.

use super::{API, CONVERSATION, refused};
use crate::check::{Check, characters, choice};
use crate::context::{Credential, TestContext, escape_segment};
use crate::expect::CheckFailure;
use crate::need::Need;

const OF_ANOTHER: &[Need] = &[Need::Key, Need::SecondKey, Need::Model];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "characters.key.bearer",
        title: "the key travels as a Bearer token",
        source: characters("API Key Header"),
        needs: &[Need::Key],
        run: |context| Box::pin(bearer(context)),
    },
    Check {
        id: "characters.key.required",
        title: "a missing or unknown key is 401 with an error",
        source: characters("All API requests require authentication"),
        needs: &[],
        run: |context| Box::pin(required(context)),
    },
    Check {
        id: "characters.key.challenge",
        title: "a 401 says WWW-Authenticate: Bearer",
        source: choice("Characters API: authentication and errors"),
        needs: &[],
        run: |context| Box::pin(challenge(context)),
    },
    Check {
        id: "characters.isolation.ids",
        title: "another account's conversation is 404",
        source: choice("Characters API: what both APIs share"),
        needs: OF_ANOTHER,
        run: |context| Box::pin(ids_of_another(context)),
    },
    Check {
        id: "characters.isolation.lists",
        title: "lists contain only the account's own items",
        source: choice("Characters API: what both APIs share"),
        needs: OF_ANOTHER,
        run: |context| Box::pin(lists_of_another(context)),
    },
    Check {
        id: "characters.errors.envelope",
        title: "an error is {\"error\": a text} and nothing else",
        source: characters("Errors"),
        needs: CONVERSATION,
        run: |context| Box::pin(envelope(context)),
    },
];

async fn bearer(context: &TestContext) -> Result<(), CheckFailure> {
    context.get_own("/models?type=llm").await?.status(&[200]).map(|_| ())
}

async fn required(context: &TestContext) -> Result<(), CheckFailure> {
    for who in [Credential::None, Credential::Unknown] {
        refused(&context.get(API, who, "/models?type=llm").await?, 401)?;
    }
    Ok(())
}

async fn challenge(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.get(API, Credential::None, "/models?type=llm").await?;
    response.status(&[401])?;
    let challenge = response.header("www-authenticate");
    response.check(challenge.starts_with("Bearer"), "WWW-Authenticate: Bearer", challenge)
}

async fn ids_of_another(context: &TestContext) -> Result<(), CheckFailure> {
    let path =
        format!("/conversations/{}", escape_segment(&context.characters_conversation_id().await?));
    refused(&context.get(API, Credential::Second, &path).await?, 404)
}

async fn lists_of_another(context: &TestContext) -> Result<(), CheckFailure> {
    let id = context.characters_conversation_id().await?;
    let response = context.get(API, Credential::Second, "/conversations").await?;
    let list = response.ok_json()?;
    let foreign = super::item(&list, &id)?;
    response.check(foreign.is_none(), "no items of another account", id)
}

async fn envelope(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.get_own("/conversations/no-such-conversation").await?;
    let body = response.status(&[404])?.json()?;
    body.non_empty_text("/error")?;
    let fields = body.value.as_object().map(serde_json::Map::len);
    body.check(fields == Some(1), "the field error and no others")
}
