//! Runs: one message, one answer.

use serde_json::json;

use super::{ANSWERED, API, set};
use crate::check::{Check, choice, notes, overview};
use crate::context::{Credential, TestContext, text_body};
use crate::expect::{CheckFailure, Response};
use crate::need::Need;

const QUESTION: &str = "What is a lighthouse for? One short sentence, please.";
const STRUCTURED: &[Need] = &[Need::Key, Need::JsonDeployment, Need::Spending];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "runner.run.answer",
        title: "a run answers with content, model and both token counts",
        source: overview("Standard API"),
        needs: ANSWERED,
        run: |context| Box::pin(answer(context)),
    },
    Check {
        id: "runner.run.request_id",
        title: "if an answer has a request_id, it begins with req_",
        source: notes("Content and variables"),
        needs: ANSWERED,
        run: |context| Box::pin(request_id(context)),
    },
    Check {
        id: "runner.run.request_id_of_header",
        title: "an answer's request_id is the one in x-request-id",
        source: choice("Runner API: run"),
        needs: ANSWERED,
        run: |context| Box::pin(request_id_of_header(context)),
    },
    Check {
        id: "runner.run.structured",
        title: "a deployment with structured output answers with an object",
        source: notes("Content and variables"),
        needs: STRUCTURED,
        run: |context| Box::pin(structured(context)),
    },
    Check {
        id: "runner.run.multimodal",
        title: "the request with text, image and video is answered; no file is fetched",
        source: choice("Runner API: content"),
        needs: ANSWERED,
        run: |context| Box::pin(multimodal(context)),
    },
    Check {
        id: "runner.run.unknown_fields",
        title: "unknown fields are ignored",
        source: choice("Both APIs"),
        needs: ANSWERED,
        run: |context| Box::pin(unknown_fields(context)),
    },
];

impl TestContext {
    /// The response to a run.
    async fn run_once(&self) -> Result<Response, CheckFailure> {
        let post = async || self.post_to_deployment("", &text_body(QUESTION)).await;
        self.shared.run.get_or_init(post).await.clone()
    }
}

async fn answer(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.run_once().await?;
    let body = response.ok_json()?;
    body.non_empty_text("/content")?;
    body.non_empty_text("/model")?;
    let (input, output) = (body.integer("/input_tokens")?, body.integer("/output_tokens")?);
    body.check(input > 0 && output > 0, "more than 0 tokens of each kind")
}

async fn request_id(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.run_once().await.map_err(CheckFailure::into_blocked)?;
    let body = response.ok_json().map_err(CheckFailure::into_blocked)?;
    if body.has("/request_id") {
        let id = body.text("/request_id")?;
        body.check(id.len() > 4 && id.starts_with("req_"), "a request_id like req_…")?;
    }
    Ok(())
}

async fn request_id_of_header(context: &TestContext) -> Result<(), CheckFailure> {
    let response = context.run_once().await.map_err(CheckFailure::into_blocked)?;
    let body = response.ok_json().map_err(CheckFailure::into_blocked)?;
    body.is("/request_id", &json!(response.header("x-request-id")))
}

async fn structured(context: &TestContext) -> Result<(), CheckFailure> {
    let body = text_body("Rate the sentiment of this sentence: I like lighthouses.");
    let path = format!("/{}", context.json_deployment());
    let response = context.post(API, Credential::Main, &path, &body).await?;
    let body = response.ok_json()?;
    body.check(body.at("/content")?.is_object(), "content that is an object")
}

async fn multimodal(context: &TestContext) -> Result<(), CheckFailure> {
    let body = json!({"content": [
        {"type": "text", "text": "Analyze this image and video."},
        {"type": "image", "mime_type": "image/jpeg", "file_uri": "https://example.com/image.jpg"},
        {"type": "video", "mime_type": "video/mp4", "file_uri": "https://example.com/video.mp4"},
    ]});
    let response = context.post_to_deployment("", &body).await?;
    response.ok_json()?.non_empty_text("/content").map(|_| ())
}

async fn unknown_fields(context: &TestContext) -> Result<(), CheckFailure> {
    let mut body = text_body(QUESTION);
    set(&mut body, "mynah_verify_unknown", json!(true));
    context.post_to_deployment("", &body).await?.ok_json().map(|_| ())
}
