//! Keys, and what is refused and how that is said.

use serde_json::{Value, json};

use super::{API, REFUSED};
use crate::verify::expect::{Seen, Unmet};
use crate::verify::fact::{Fact, Need, choice, notes, overview, rest, sdk};
use crate::verify::probe::{Probe, Who, said};

const TYPES: [&str; 4] = ["api_error", "invalid_request_error", "auth_error", "rate_limit_error"];

pub(super) const FACTS: &[Fact] = &[
    Fact {
        id: "runner.key.missing",
        title: "without a key it is 401",
        source: notes("Authentication"),
        needs: &[Need::Deployment],
        check: |probe| Box::pin(missing_key(probe)),
    },
    Fact {
        id: "runner.key.unknown",
        title: "with an unknown key it is 401",
        source: notes("Authentication"),
        needs: &[Need::Deployment],
        check: |probe| Box::pin(unknown_key(probe)),
    },
    Fact {
        id: "runner.key.header",
        title: "the key travels in x-api-key",
        source: overview("Authentication"),
        needs: &[Need::Key],
        check: |probe| Box::pin(key_header(probe)),
    },
    Fact {
        id: "runner.key.other_project",
        title: "with a key of another project it is 403",
        source: notes("Authentication"),
        needs: &[Need::SecondKey, Need::Deployment],
        check: |probe| Box::pin(other_project(probe)),
    },
    Fact {
        id: "runner.key.before_body",
        title: "the key is looked at before the body",
        source: choice("Runner API: authentication"),
        needs: &[Need::Deployment],
        check: |probe| Box::pin(before_body(probe)),
    },
    Fact {
        id: "runner.deployment.unknown",
        title: "an unknown deployment is 404",
        source: notes("Errors"),
        needs: &[Need::Key],
        check: |probe| Box::pin(unknown_deployment(probe)),
    },
    Fact {
        id: "runner.content.required",
        title: "without content it is refused, and the field is named",
        source: notes("Errors"),
        needs: REFUSED,
        check: |probe| Box::pin(content_required(probe)),
    },
    Fact {
        id: "runner.content.empty",
        title: "content must be a non-empty array",
        source: sdk("Error notes"),
        needs: REFUSED,
        check: |probe| Box::pin(content_empty(probe)),
    },
    Fact {
        id: "runner.content.parts",
        title: "a part needs what its type has: text its text, a file its mime_type and file_uri",
        source: notes("Content and variables"),
        needs: REFUSED,
        check: |probe| Box::pin(content_parts(probe)),
    },
    Fact {
        id: "runner.conversation.stream_without_id",
        title: "a conversation's stream needs conversation_id",
        source: rest("Request body"),
        needs: REFUSED,
        check: |probe| Box::pin(stream_without_id(probe)),
    },
    Fact {
        id: "runner.stream.refused",
        title: "what is wrong before the first word is an ordinary error, not a stream",
        source: choice("Runner API: streams"),
        needs: REFUSED,
        check: |probe| Box::pin(stream_refused(probe)),
    },
    Fact {
        id: "runner.errors.envelope",
        title: "errors come in one of the three documented envelopes",
        source: notes("Errors"),
        needs: REFUSED,
        check: |probe| Box::pin(envelope(probe)),
    },
    Fact {
        id: "runner.errors.codes",
        title: "type, param and code are those of the ledger",
        source: choice("Runner API: errors"),
        needs: REFUSED,
        check: |probe| Box::pin(codes(probe)),
    },
];

/// Whether a body is one of the documented envelopes, for an answer of this status.
fn is_envelope(status: u16, body: &Value) -> bool {
    let text_or_null =
        |field: &str| body.pointer(field).is_none_or(|value| value.is_string() || value.is_null());
    let kind = body.pointer("/error/type").and_then(Value::as_str);
    let first = kind.is_some_and(|kind| TYPES.contains(&kind))
        && body.pointer("/error/message").is_some_and(Value::is_string)
        && text_or_null("/error/param")
        && text_or_null("/error/code");
    let has = |fault: &Value, field| fault.get(field).is_some();
    let third = |faults: &Vec<Value>| {
        let whole = |fault| has(fault, "loc") && has(fault, "msg") && has(fault, "type");
        status == 422 && !faults.is_empty() && faults.iter().all(whole)
    };
    let detail = body.get("detail");
    first || detail.is_some_and(|d| d.is_string() || d.as_array().is_some_and(third))
}

fn in_envelope(seen: &Seen) -> Result<(), Unmet> {
    let body = seen.json()?;
    body.check(is_envelope(seen.status, &body.value), "one of the documented envelopes")
}

/// Fails unless the request was refused as invalid, in any of the documented ways.
pub(super) fn invalid(seen: &Seen) -> Result<(), Unmet> {
    seen.status(&[400, 422])?;
    in_envelope(seen)
}

async fn run_as(probe: &Probe, who: Who) -> Result<Seen, Unmet> {
    probe.post(API, who, &format!("/{}", probe.deployment()), &said("Hello?")).await
}

async fn missing_key(probe: &Probe) -> Result<(), Unmet> {
    run_as(probe, Who::Nobody).await?.status(&[401]).map(|_| ())
}

async fn unknown_key(probe: &Probe) -> Result<(), Unmet> {
    run_as(probe, Who::Stranger).await?.status(&[401]).map(|_| ())
}

async fn key_header(probe: &Probe) -> Result<(), Unmet> {
    probe.get(API, Who::Own, "/conversations?page_size=1").await?.good().map(|_| ())
}

async fn other_project(probe: &Probe) -> Result<(), Unmet> {
    run_as(probe, Who::Second).await?.status(&[403]).map(|_| ())
}

async fn before_body(probe: &Probe) -> Result<(), Unmet> {
    let path = format!("/{}", probe.deployment());
    let ask = probe.signed(API, Who::Stranger)?.body("{\"content\": [");
    probe.send(API, reqwest::Method::POST, &path, ask).await?.status(&[401]).map(|_| ())
}

async fn unknown_deployment(probe: &Probe) -> Result<(), Unmet> {
    let path = format!("/no-such-deployment-{}", probe.run);
    probe.post(API, Who::Own, &path, &said("Hello?")).await?.status(&[404]).map(|_| ())
}

async fn content_required(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.ask_deployment("", &json!({})).await?;
    invalid(&seen)?;
    let named = seen.text().contains("content");
    seen.check(named, "an error that names content", seen.text())
}

async fn content_empty(probe: &Probe) -> Result<(), Unmet> {
    for content in [json!([]), json!("Hello?")] {
        invalid(&probe.ask_deployment("", &json!({"content": content})).await?)?;
    }
    Ok(())
}

async fn content_parts(probe: &Probe) -> Result<(), Unmet> {
    for part in [
        json!({"type": "text"}),
        json!({"type": "image", "mime_type": "image/jpeg"}),
        json!({"type": "video", "file_uri": "https://example.com/video.mp4"}),
    ] {
        invalid(&probe.ask_deployment("", &json!({"content": [part]})).await?)?;
    }
    Ok(())
}

async fn stream_without_id(probe: &Probe) -> Result<(), Unmet> {
    invalid(&probe.ask_deployment("/conversation/stream", &said("Hello?")).await?)
}

async fn stream_refused(probe: &Probe) -> Result<(), Unmet> {
    invalid(&probe.ask_deployment("/stream", &json!({"content": []})).await?)
}

async fn envelope(probe: &Probe) -> Result<(), Unmet> {
    in_envelope(&run_as(probe, Who::Stranger).await?)?;
    in_envelope(&probe.ask_deployment("", &json!({})).await?)
}

async fn codes(probe: &Probe) -> Result<(), Unmet> {
    let same = |seen: &Seen, [kind, param, code]: [&str; 3]| {
        let body = seen.json()?;
        let param = if param.is_empty() { Value::Null } else { json!(param) };
        body.is("/error/type", &json!(kind))?;
        body.is("/error/param", &param)?;
        body.is("/error/code", &json!(code))
    };
    same(&run_as(probe, Who::Nobody).await?, ["auth_error", "", "missing_api_key"])?;
    same(&run_as(probe, Who::Stranger).await?, ["auth_error", "", "invalid_api_key"])?;
    let invalid = "invalid_request_error";
    for (body, param, code) in [
        (json!({}), "content", "missing_required_field"),
        (json!({"content": []}), "content", "empty_array"),
        (json!({"content": "Hello?"}), "content", "invalid_type"),
        (json!({"content": [{"type": "poem"}]}), "content[0].type", "invalid_value"),
        (json!({"content": [{"type": "text"}]}), "content[0].text", "missing_required_field"),
    ] {
        same(&probe.ask_deployment("", &body).await?, [invalid, param, code])?;
    }
    let broken = probe.signed(API, Who::Own)?.body("{");
    let path = format!("/{}", probe.deployment());
    let seen = probe.send(API, reqwest::Method::POST, &path, broken).await?;
    same(&seen, [invalid, "", "invalid_json"])?;
    Ok(())
}
