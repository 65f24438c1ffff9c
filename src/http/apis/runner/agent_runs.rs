//! Agent runs: `POST /v2/runner/{deployment_id}/conversation` starts, continues or resumes a run, and
//! `GET …/conversation/{conversation_id}/history` shows a conversation with its tool calls. The API's
//! documents do not know them; docs/contract.md names the source.

mod body;
mod history;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use self::body::{RunBody, RunInput};
use self::history::{HistoryAnswer, HistoryQuery};
use super::auth::DeploymentAccess;
use super::error::RunnerError;
use super::run::Content;
use super::{Style, TimeFormat};
use crate::app::AgentRuns;
use crate::app::agent_runs::RecordedStep;
use crate::domain::Deployment;
use crate::domain::agent_run::{ProgressEntry, RunStep};
use crate::domain::error::InternalError;
use crate::http::Shared;
use crate::http::context::KnownRequestId;
use crate::http::extract::{Body, PairInPath};
use crate::http::response::json::Json;
use crate::http::response::pages::ListQuery;
use crate::http::response::tool_call::ToolCallAnswer;
use crate::http::routes::{Routes, get, post};
use crate::ids::{ConversationId, DeploymentId, RequestId, RunId};

pub(super) fn routes() -> Routes<Shared> {
    Routes::new().route("/v2/runner/{deployment_id}/conversation", post(run_agent)).route(
        "/v2/runner/{deployment_id}/conversation/{conversation_id}/history",
        get(get_history),
    )
}

/// The answer of a run (agents-and-triggers.md, 1.4).
#[derive(Serialize)]
pub(super) struct RunStepAnswer {
    conversation_id: ConversationId,
    name: String,
    run_id: RunId,
    run_status: &'static str,
    status: &'static str,
    conversation_status: &'static str,
    completed_at: Option<String>,
    client_tool_calls: Vec<ToolCallAnswer>,
    progress: Vec<ProgressEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
    input_tokens: u64,
    output_tokens: u64,
    model: Arc<str>,
    request_id: RequestId,
    created_at: String,
    updated_at: String,
}

/// The status of a conversation.
pub(super) fn conversation_status(completed_at: Option<DateTime<Utc>>) -> &'static str {
    if completed_at.is_some() { "completed" } else { "active" }
}

/// `time` with milliseconds at least: clients sort items by it.
pub(super) fn precise_time(style: Style, time: DateTime<Utc>) -> String {
    match style.times {
        TimeFormat::Seconds => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        TimeFormat::Micros => style.time(time),
    }
}

impl RunStepAnswer {
    fn new(
        recorded: RecordedStep,
        deployment: &Deployment,
        request_id: RequestId,
        style: Style,
    ) -> Result<Self, InternalError> {
        let RecordedStep { conversation, step } = recorded;
        let content = step.answer.clone().map(|text| Content::new(text, deployment.output));
        let completed_at = conversation.completed_at.or(step.completed_conversation());
        Ok(Self {
            status: legacy_status(&step),
            run_status: step.status.name(),
            conversation_status: conversation_status(completed_at),
            completed_at: completed_at.map(|time| precise_time(style, time)),
            content: content.transpose()?,
            conversation_id: conversation.id,
            name: conversation.name,
            run_id: step.run_id,
            client_tool_calls: step.calls.into_iter().map(Into::into).collect(),
            progress: step.progress,
            input_tokens: step.input_tokens,
            output_tokens: step.output_tokens,
            model: Arc::clone(&deployment.model),
            request_id,
            created_at: precise_time(style, conversation.created_at),
            updated_at: precise_time(style, step.at),
        })
    }
}

/// The `status` of the SDK's versions 1.3 and 1.4, which know two.
fn legacy_status(step: &RunStep) -> &'static str {
    if step.is_waiting() { "requires_client_action" } else { "completed" }
}

/// `POST /v2/runner/{deployment_id}/conversation`: a first message, with `conversation_id` a further
/// one, with `tool_results` the results of the client's tools.
pub(super) async fn run_agent(
    DeploymentAccess(caller): DeploymentAccess,
    KnownRequestId(request_id): KnownRequestId,
    style: Style,
    State(runs): State<AgentRuns>,
    Body(body): Body<RunBody>,
) -> Result<Json<RunStepAnswer>, RunnerError> {
    let recorded = match body.checked()? {
        RunInput::Start(start) => runs.start(&caller, start).await?,
        RunInput::Continue(message) => runs.continue_run(&caller, message).await?,
        RunInput::Resume(results) => runs.resume(&caller, results).await?,
    };
    Ok(Json(RunStepAnswer::new(recorded, &caller.deployment, request_id, style)?))
}

/// `GET /v2/runner/{deployment_id}/conversation/{conversation_id}/history`: the newest page first, the
/// items of a page oldest first.
pub(super) async fn get_history(
    DeploymentAccess(caller): DeploymentAccess,
    PairInPath(_, id): PairInPath<DeploymentId, ConversationId>,
    style: Style,
    State(runs): State<AgentRuns>,
    query: ListQuery,
) -> Result<Response, RunnerError> {
    let HistoryQuery { before, limit } = HistoryQuery::checked(query)?;
    let history = runs.history(&caller, id, before, limit).await?;
    Ok(HistoryAnswer::respond(history, caller.session.clock.now(), style))
}
