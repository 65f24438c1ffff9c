//! `POST /v1/runner/{deployment_id}` and `…/stream` (runner-overview.txt, "Standard API",
//! "Streaming API").

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::auth::DeploymentAccess;
use super::content::{ContentBody, content};
use super::error::RunnerError;
use crate::app::Generation;
use crate::app::generation::runner::RunRequest;
use crate::domain::OutputMode;
use crate::domain::conversation::Variables;
use crate::domain::error::InternalError;
use crate::http::Shared;
use crate::http::context::KnownRequestId;
use crate::http::extract::Body;
use crate::http::response::json::Json;
use crate::http::response::text_stream::TextStream;
use crate::http::routes::{Routes, post};
use crate::ids::{RequestId, TriggerId};

pub(super) fn routes() -> Routes<Shared> {
    Routes::new()
        .route("/v1/runner/{deployment_id}", post(run))
        .route("/v1/runner/{deployment_id}/stream", post(stream))
}

/// The body of both.
#[derive(Debug, Deserialize)]
pub(super) struct RunBody {
    content: ContentBody,
    variables: Option<Variables>,
    trigger_id: Option<TriggerId>,
}

impl RunBody {
    fn checked(self) -> Result<RunRequest, RunnerError> {
        Ok(RunRequest {
            parts: content(self.content)?,
            variables: self.variables.unwrap_or_default(),
            trigger: self.trigger_id,
        })
    }
}

/// The answer of a run.
#[derive(Serialize)]
pub(super) struct RunAnswer {
    content: Content,
    model: Arc<str>,
    output_tokens: u64,
    input_tokens: u64,
    request_id: RequestId,
}

/// An answer's `content`.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    /// The object of a structured answer.
    Structured(Box<RawValue>),
}

impl Content {
    /// The content of an answer whose text is `text`.
    pub(super) fn new(text: String, output: OutputMode) -> Result<Self, InternalError> {
        match output {
            OutputMode::Text => Ok(Self::Text(text)),
            OutputMode::Structured => {
                RawValue::from_string(text).map(Self::Structured).map_err(InternalError::new)
            }
        }
    }
}

/// `POST /v1/runner/{deployment_id}`: the whole answer.
pub(super) async fn run(
    DeploymentAccess(caller): DeploymentAccess,
    KnownRequestId(request_id): KnownRequestId,
    State(generation): State<Generation>,
    Body(body): Body<RunBody>,
) -> Result<Json<RunAnswer>, RunnerError> {
    let answer = generation.run(&caller, body.checked()?).await?;
    Ok(Json(RunAnswer {
        content: Content::new(answer.text, answer.output)?,
        model: answer.model,
        output_tokens: answer.output_tokens,
        input_tokens: answer.input_tokens,
        request_id,
    }))
}

/// `POST /v1/runner/{deployment_id}/stream`: the answer word by word.
pub(super) async fn stream(
    DeploymentAccess(caller): DeploymentAccess,
    State(generation): State<Generation>,
    Body(body): Body<RunBody>,
) -> Result<TextStream, RunnerError> {
    let words = generation.stream(&caller, body.checked()?).await?;
    Ok(TextStream::new(words, &caller.session))
}
