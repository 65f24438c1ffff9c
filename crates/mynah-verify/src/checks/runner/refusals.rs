//! Authentication, invalid requests and error envelopes.

use serde_json::{Value, json};

use super::{API, REFUSED};
use crate::check::{Check, choice, notes, overview, rest, sdk};
use crate::context::{Credential, TestContext, text_body};
use crate::expect::{CheckFailure, Response};
use crate::need::Need;

const TYPES: [&str; 4] = ["api_error", "invalid_request_error", "auth_error", "rate_limit_error"];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "runner.key.missing",
        title: "a missing key is 401",
        source: notes("Authentication"),
        needs: &[Need::Deployment],
        run: |context| Box::pin(missing_key(context)),
    },
    Check {
        id: "runner.key.unknown",
        title: "an unknown key is 401",
        source: notes("Authentication"),
        needs: &[Need::Deployment],
        run: |context| Box::pin(unknown_key(context)),
    },
    Check {
        id: "runner.key.header",
        title: "the key travels in x-api-key",
        source: overview("Authentication"),
        needs: &[Need::Key],
        run: |context| Box::pin(key_header(context)),
    },
    Check {
        id: "runner.key.other_project",
        title: "a key of another project is 403",
        source: notes("Authentication"),
        needs: &[Need::SecondKey, Need::Deployment],
        run: |context| Box::pin(other_project(context)),
    },
    Check {
        id: "runner.key.before_body",
        title: "the key is checked before the body",
        source: choice("Runner API: authentication"),
        needs: &[Need::Deployment],
        run: |context| Box::pin(before_body(context)),
    },
    Check {
        id: "runner.deployment.unknown",
        title: "an unknown deployment is 404",
        source: notes("Errors"),
        needs: &[Need::Key],
        run: |context| Box::pin(unknown_deployment(context)),
    },
    Check {
        id: "runner.content.required",
        title: "missing content is refused, and the error names the field",
        source: notes("Errors"),
        needs: REFUSED,
        run: |context| Box::pin(content_required(context)),
    },
    Check {
        id: "runner.content.empty",
        title: "content must be a non-empty array",
        source: sdk("Error notes"),
        needs: REFUSED,
        run: |context| Box::pin(content_empty(context)),
    },
    Check {
        id: "runner.content.parts",
        title: "a part needs the fields of its type: text for a text, mime_type and file_uri for a file",
        source: notes("Content and variables"),
        needs: REFUSED,
        run: |context| Box::pin(content_parts(context)),
    },
    Check {
        id: "runner.conversation.stream_without_id",
        title: "a conversation's stream needs conversation_id",
        source: rest("Request body"),
        needs: REFUSED,
        run: |context| Box::pin(stream_without_id(context)),
    },
    Check {
        id: "runner.stream.refused",
        title: "an error before the first word is an ordinary error response, not a stream",
        source: choice("Runner API: streams"),
        needs: REFUSED,
        run: |context| Box::pin(stream_refused(context)),
    },
    Check {
        id: "runner.errors.envelope",
        title: "errors come in one of the three documented envelopes",
        source: notes("Errors"),
        needs: REFUSED,
        run: |context| Box::pin(envelope(context)),
    },
    Check {
        id: "runner.errors.codes",
        title: "type, param and code are those of Mynah's ledger",
        source: choice("Runner API: errors"),
        needs: REFUSED,
        run: |context| Box::pin(codes(context)),
    },
];

/// Whether a body is one of the envelopes documented for this status.
fn is_envelope(status: u16, body: &Value) -> bool {
    let text_or_null =
        |field: &str| body.pointer(field).is_none_or(|value| value.is_string() || value.is_null());
    let kind = body.pointer("/error/type").and_then(Value::as_str);
    let first = kind.is_some_and(|kind| TYPES.contains(&kind))
        && body.pointer("/error/message").is_some_and(Value::is_string)
        && text_or_null("/error/param")
        && text_or_null("/error/code");
    let has = |error: &Value, field| error.get(field).is_some();
    let third = |errors: &Vec<Value>| {
        let whole = |error| has(error, "loc") && has(error, "msg") && has(error, "type");
        status == 422 && !errors.is_empty() && errors.iter().all(whole)
    };
    let detail = body.get("detail");
    first || detail.is_some_and(|d| d.is_string() || d.as_array().is_some_and(third))
}

fn check_envelope(response: &Response) -> Result<(), CheckFailure> {
    let body = response.json()?;
    body.check(is_envelope(response.status, &body.value), "one of the documented envelopes")
}

/// Fails unless the request was refused as invalid, with any of the documented statuses.
pub(super) fn invalid(response: &Response) -> Result<(), CheckFailure> {
    response.status(&[400, 422])?;
    check_envelope(response)
}

async fn run_as(context: &TestContext, who: Credential) -> Result<Response, CheckFailure> {
    context.post(API, who, &format!("/{}", context.deployment()), &text_body("Hello?")).await
}

async fn missing_key(context: &TestContext) -> Result<(), CheckFailure> {
    run_as(context, Credential::None).await?.status(&[401]).map(|_| ())
}

async fn unknown_key(context: &TestContext) -> Result<(), CheckFailure> {
    run_as(context, Credential::Unknown).await?.status(&[401]).map(|_| ())
}

async fn key_header(context: &TestContext) -> Result<(), CheckFailure> {
    context.get(API, Credential::Main, "/conversations?page_size=1").await?.ok_json().map(|_| ())
}

async fn other_project(context: &TestContext) -> Result<(), CheckFailure> {
    run_as(context, Credential::Second).await?.status(&[403]).map(|_| ())
}

async fn before_body(context: &TestContext) -> Result<(), CheckFailure> {
    let path = format!("/{}", context.deployment());
    let options = context.signed(API, Credential::Unknown)?.body("{\"content\": [");
    context.send(API, reqwest::Method::POST, &path, options).await?.status(&[401]).map(|_| ())
}

async fn unknown_deployment(context: &TestContext) -> Result<(), CheckFailure> {
    let path = format!("/no-such-deployment-{}", context.run);
    context
        .post(API, Credential::Main, &path, &text_body("Hello?"))
        .await?
        .status(&[404])
        .map(|_| ())
}

async fn content_required(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.post_to_deployment("", &json!({})).await?;
    invalid(&response)?;
    let named = response.text().contains("content");
    response.check(named, "an error that names content", response.text())
}

async fn content_empty(context: &TestContext) -> Result<(), CheckFailure> {
    for content in [json!([]), json!("Hello?")] {
        invalid(&context.post_to_deployment("", &json!({"content": content})).await?)?;
    }
    Ok(())
}

async fn content_parts(context: &TestContext) -> Result<(), CheckFailure> {
    for part in [
        json!({"type": "text"}),
        json!({"type": "image", "mime_type": "image/jpeg"}),
        json!({"type": "video", "file_uri": "https://example.com/video.mp4"}),
    ] {
        invalid(&context.post_to_deployment("", &json!({"content": [part]})).await?)?;
    }
    Ok(())
}

async fn stream_without_id(context: &TestContext) -> Result<(), CheckFailure> {
    invalid(&context.post_to_deployment("/conversation/stream", &text_body("Hello?")).await?)
}

async fn stream_refused(context: &TestContext) -> Result<(), CheckFailure> {
    invalid(&context.post_to_deployment("/stream", &json!({"content": []})).await?)
}

async fn envelope(context: &TestContext) -> Result<(), CheckFailure> {
    check_envelope(&run_as(context, Credential::Unknown).await?)?;
    check_envelope(&context.post_to_deployment("", &json!({})).await?)
}

async fn codes(context: &TestContext) -> Result<(), CheckFailure> {
    let same = |response: &Response, [kind, param, code]: [&str; 3]| {
        let body = response.json()?;
        let param = if param.is_empty() { Value::Null } else { json!(param) };
        body.is("/error/type", &json!(kind))?;
        body.is("/error/param", &param)?;
        body.is("/error/code", &json!(code))
    };
    same(&run_as(context, Credential::None).await?, ["auth_error", "", "missing_api_key"])?;
    same(&run_as(context, Credential::Unknown).await?, ["auth_error", "", "invalid_api_key"])?;
    let invalid = "invalid_request_error";
    for (body, param, code) in [
        (json!({}), "content", "missing_required_field"),
        (json!({"content": []}), "content", "empty_array"),
        (json!({"content": "Hello?"}), "content", "invalid_type"),
        (json!({"content": [{"type": "poem"}]}), "content[0].type", "invalid_value"),
        (json!({"content": [{"type": "text"}]}), "content[0].text", "missing_required_field"),
    ] {
        same(&context.post_to_deployment("", &body).await?, [invalid, param, code])?;
    }
    let broken = context.signed(API, Credential::Main)?.body("{");
    let path = format!("/{}", context.deployment());
    let response = context.send(API, reqwest::Method::POST, &path, broken).await?;
    same(&response, [invalid, "", "invalid_json"])?;
    Ok(())
}
