//! Triggers: created, read, started from.

use serde_json::{Value, json};

use super::refusals::invalid;
use super::{ANSWERED, API, REFUSED, set};
use crate::check::{Check, choice, newest_sdk};
use crate::context::{Credential, TestContext, text_body};
use crate::expect::{CheckFailure, Response};

const LEDGER: &str = "Runner API: triggers";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "runner.trigger.create",
        title: "a trigger is answered with id, deployment, content, times and whether it has expired",
        source: newest_sdk("client.trigger.create"),
        needs: REFUSED,
        run: |context| Box::pin(create(context)),
    },
    Check {
        id: "runner.trigger.optional_fields",
        title: "a trigger keeps variables and ui_surface",
        source: newest_sdk("client.trigger.create"),
        needs: REFUSED,
        run: |context| Box::pin(optional_fields(context)),
    },
    Check {
        id: "runner.trigger.life",
        title: "a trigger expires by default, and never with ttl_hours null",
        source: newest_sdk("client.trigger.create"),
        needs: REFUSED,
        run: |context| Box::pin(life(context)),
    },
    Check {
        id: "runner.trigger.get",
        title: "a trigger is read by its id",
        source: newest_sdk("client.trigger.get"),
        needs: REFUSED,
        run: |context| Box::pin(get(context)),
    },
    Check {
        id: "runner.trigger.start",
        title: "a conversation starts from a trigger, which then names it",
        source: newest_sdk("triggerId"),
        needs: ANSWERED,
        run: |context| Box::pin(start(context)),
    },
    Check {
        id: "runner.trigger.unknown",
        title: "an unknown trigger is 404, read or started from",
        source: choice(LEDGER),
        needs: REFUSED,
        run: |context| Box::pin(unknown(context)),
    },
    Check {
        id: "runner.trigger.on_continuation",
        title: "trigger_id on a continuation is refused",
        source: choice(LEDGER),
        needs: ANSWERED,
        run: |context| Box::pin(on_continuation(context)),
    },
    Check {
        id: "runner.trigger.fields",
        title: "a trigger needs content, and a life above 0",
        source: choice(LEDGER),
        needs: REFUSED,
        run: |context| Box::pin(fields(context)),
    },
];

/// A new trigger with one more field.
async fn created(
    context: &TestContext,
    more: Option<(&str, Value)>,
) -> Result<Response, CheckFailure> {
    let mut body = text_body("A parcel is late.");
    if let Some((field, value)) = more {
        set(&mut body, field, value);
    }
    context.post_to_deployment("/trigger", &body).await
}

/// Fails unless the response is a success with JSON; gives the id in it.
fn id_of(created: &Response) -> Result<String, CheckFailure> {
    created.status(&[200, 201])?;
    Ok(created.json()?.non_empty_text("/id")?.to_owned())
}

async fn read(context: &TestContext, id: &str) -> Result<Response, CheckFailure> {
    let path = format!("/{}/trigger/{id}", context.deployment());
    context.get(API, Credential::Main, &path).await
}

async fn create(context: &TestContext) -> Result<(), CheckFailure> {
    let created = created(context, None).await?;
    id_of(&created)?;
    let body = created.json()?;
    body.non_empty_text("/deployment_id")?;
    body.integer("/workflow_id")?;
    body.is("/content", &json!([{"type": "text", "text": "A parcel is late."}]))?;
    body.non_empty_text("/created_at")?;
    body.is("/expired", &json!(false))
}

async fn optional_fields(context: &TestContext) -> Result<(), CheckFailure> {
    for (field, value) in
        [("variables", json!({"customer_name": "Ada"})), ("ui_surface", json!("parcels"))]
    {
        let created = created(context, Some((field, value.clone()))).await?;
        id_of(&created)?;
        created.json()?.is(&format!("/{field}"), &value)?;
    }
    Ok(())
}

async fn life(context: &TestContext) -> Result<(), CheckFailure> {
    let usual = created(context, None).await?;
    id_of(&usual)?;
    usual.json()?.non_empty_text("/expires_at")?;
    let forever = created(context, Some(("ttl_hours", Value::Null))).await?;
    id_of(&forever)?;
    let body = forever.json()?;
    let end = body.value.pointer("/expires_at");
    body.check(end.is_none_or(Value::is_null), "no expires_at")
}

async fn get(context: &TestContext) -> Result<(), CheckFailure> {
    let created = created(context, None).await?;
    let id = id_of(&created).map_err(CheckFailure::into_blocked)?;
    let found = read(context, &id).await?;
    let (expected, found) = (created.json()?, found.ok_json()?);
    for field in ["id", "deployment_id", "content", "created_at", "expires_at", "expired"] {
        let pointer = format!("/{field}");
        found.is(&pointer, expected.value.pointer(&pointer).unwrap_or(&Value::Null))?;
    }
    Ok(())
}

async fn start(context: &TestContext) -> Result<(), CheckFailure> {
    let created = created(context, None).await?;
    let id = id_of(&created).map_err(CheckFailure::into_blocked)?;
    let mut body = text_body("What can I do about it? One short sentence, please.");
    set(&mut body, "trigger_id", json!(id));
    let started = context.post_to_deployment("/conversation", &body).await?;
    let conversation = started.ok_json()?.non_empty_text("/conversation_id")?.to_owned();
    let used = read(context, &id).await?;
    let used = used.ok_json()?;
    used.is("/conversation_id", &json!(conversation))?;
    used.integer("/workflow_log_id").map(|_| ())
}

async fn unknown(context: &TestContext) -> Result<(), CheckFailure> {
    let id = format!("no-such-trigger-{}", context.run);
    read(context, &id).await?.status(&[404])?;
    let mut body = text_body("Hello?");
    set(&mut body, "trigger_id", json!(id));
    context.post_to_deployment("", &body).await?.status(&[404]).map(|_| ())
}

async fn on_continuation(context: &TestContext) -> Result<(), CheckFailure> {
    let conversation = context.runner_conversation_id().await?;
    let created = created(context, None).await?;
    let mut body = text_body("Hello?");
    set(&mut body, "conversation_id", json!(conversation));
    set(&mut body, "trigger_id", json!(id_of(&created).map_err(CheckFailure::into_blocked)?));
    invalid(&context.post_to_deployment("/conversation", &body).await?)
}

async fn fields(context: &TestContext) -> Result<(), CheckFailure> {
    invalid(&context.post_to_deployment("/trigger", &json!({})).await?)?;
    invalid(&context.post_to_deployment("/trigger", &json!({"content": []})).await?)?;
    invalid(&created(context, Some(("ttl_hours", json!(0)))).await?)
}
