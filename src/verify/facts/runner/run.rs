//! Runs: one message, one answer.

use serde_json::json;

use super::{ANSWERED, API, set};
use crate::verify::expect::{Seen, Unmet};
use crate::verify::fact::{Fact, Need, choice, notes, overview};
use crate::verify::probe::{Probe, Who, said};

const QUESTION: &str = "What is a lighthouse for? One short sentence, please.";
const STRUCTURED: &[Need] = &[Need::Key, Need::JsonDeployment, Need::Spending];

pub(super) const FACTS: &[Fact] = &[
    Fact {
        id: "runner.run.answer",
        title: "a run answers with content, model and both counts of tokens",
        source: overview("Standard API"),
        needs: ANSWERED,
        check: |probe| Box::pin(answer(probe)),
    },
    Fact {
        id: "runner.run.request_id",
        title: "if an answer has a request_id, it begins with req_",
        source: notes("Content and variables"),
        needs: ANSWERED,
        check: |probe| Box::pin(request_id(probe)),
    },
    Fact {
        id: "runner.run.request_id_of_header",
        title: "an answer's request_id is the one in x-request-id",
        source: choice("Runner API: run"),
        needs: ANSWERED,
        check: |probe| Box::pin(request_id_of_header(probe)),
    },
    Fact {
        id: "runner.run.structured",
        title: "a deployment with structured output answers with an object",
        source: notes("Content and variables"),
        needs: STRUCTURED,
        check: |probe| Box::pin(structured(probe)),
    },
    Fact {
        id: "runner.run.multimodal",
        title: "the request with text, image and video is answered; no file is fetched",
        source: choice("Runner API: content"),
        needs: ANSWERED,
        check: |probe| Box::pin(multimodal(probe)),
    },
    Fact {
        id: "runner.run.unknown_fields",
        title: "unknown fields are ignored",
        source: choice("Both APIs"),
        needs: ANSWERED,
        check: |probe| Box::pin(unknown_fields(probe)),
    },
];

impl Probe {
    /// The answer to a run.
    async fn run_once(&self) -> Result<Seen, Unmet> {
        let ask = async || self.ask_deployment("", &said(QUESTION)).await;
        self.memo.run.get_or_init(ask).await.clone()
    }
}

async fn answer(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.run_once().await?;
    let body = seen.good()?;
    body.filled("/content")?;
    body.filled("/model")?;
    let (input, output) = (body.whole("/input_tokens")?, body.whole("/output_tokens")?);
    body.check(input > 0 && output > 0, "more than 0 tokens of each kind")
}

async fn request_id(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.run_once().await.map_err(Unmet::into_ground)?;
    let body = seen.good().map_err(Unmet::into_ground)?;
    if body.has("/request_id") {
        let id = body.text("/request_id")?;
        body.check(id.len() > 4 && id.starts_with("req_"), "a request_id like req_…")?;
    }
    Ok(())
}

async fn request_id_of_header(probe: &Probe) -> Result<(), Unmet> {
    let seen = probe.run_once().await.map_err(Unmet::into_ground)?;
    let body = seen.good().map_err(Unmet::into_ground)?;
    body.is("/request_id", &json!(seen.header("x-request-id")))
}

async fn structured(probe: &Probe) -> Result<(), Unmet> {
    let body = said("Rate the sentiment of this sentence: I like lighthouses.");
    let path = format!("/{}", probe.json_deployment());
    let seen = probe.post(API, Who::Own, &path, &body).await?;
    let body = seen.good()?;
    body.check(body.at("/content")?.is_object(), "an object as content")
}

async fn multimodal(probe: &Probe) -> Result<(), Unmet> {
    let body = json!({"content": [
        {"type": "text", "text": "Analyze this image and video."},
        {"type": "image", "mime_type": "image/jpeg", "file_uri": "https://example.com/image.jpg"},
        {"type": "video", "mime_type": "video/mp4", "file_uri": "https://example.com/video.mp4"},
    ]});
    let seen = probe.ask_deployment("", &body).await?;
    seen.good()?.filled("/content").map(|_| ())
}

async fn unknown_fields(probe: &Probe) -> Result<(), Unmet> {
    let mut body = said(QUESTION);
    set(&mut body, "mynah_verify_unknown", json!(true));
    probe.ask_deployment("", &body).await?.good().map(|_| ())
}
