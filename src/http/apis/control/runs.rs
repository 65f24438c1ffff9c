//! An account's agent runs (docs/control.md, "Agent runs"): listed, resumed.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::body::ControlBody;
use super::error::ControlError;
use crate::app::agent_runs::StoredRun;
use crate::app::{AccountRegistry, AgentRuns};
use crate::clock::exact_rfc3339;
use crate::domain::agent_run::{ProgressEntry, ToolResult};
use crate::http::extract::{InPath, Object, PairInPath};
use crate::http::response::json::Json;
use crate::http::response::tool_call::ToolCallAnswer;
use crate::ids::{AccountId, ConversationId, DeploymentId, RunId};

/// A run; the names are those of the Runner API.
#[derive(Serialize)]
pub(super) struct AccountRunAnswer {
    run_id: RunId,
    run_status: &'static str,
    conversation_id: ConversationId,
    deployment_id: DeploymentId,
    /// The tools that the client offers.
    capabilities: Vec<String>,
    client_tool_calls: Vec<ToolCallAnswer>,
    progress: Vec<ProgressEntry>,
    content: Option<String>,
    updated_at: String,
    /// When it expires or ends in the background.
    due_at: Option<String>,
}

impl From<StoredRun> for AccountRunAnswer {
    fn from(run: StoredRun) -> Self {
        let StoredRun { conversation, deployment, step, .. } = run;
        Self {
            run_id: step.run_id,
            run_status: step.status.name(),
            conversation_id: conversation,
            deployment_id: deployment,
            capabilities: step.capabilities.into_iter().map(|tool| tool.name).collect(),
            client_tool_calls: step.calls.into_iter().map(Into::into).collect(),
            progress: step.progress,
            content: step.answer,
            updated_at: exact_rfc3339(step.at),
            due_at: step.due.map(exact_rfc3339),
        }
    }
}

/// Results in the client's place.
#[derive(Debug, Deserialize)]
pub(super) struct ResumeBody {
    tool_results: Vec<Object<ToolResult>>,
}

/// `GET /_mynah/accounts/{id}/runs`: the latest activity first.
pub(super) async fn list_runs(
    State(registry): State<Arc<AccountRegistry>>,
    State(runs): State<AgentRuns>,
    InPath(id): InPath<AccountId>,
) -> Result<Json<Vec<AccountRunAnswer>>, ControlError> {
    let listed = runs.list(&*registry.require(&id)?).await?;
    Ok(Json(listed.into_iter().map(Into::into).collect()))
}

/// `POST /_mynah/accounts/{id}/runs/{run_id}/resume`: as the client would.
pub(super) async fn resume_run(
    State(registry): State<Arc<AccountRegistry>>,
    State(runs): State<AgentRuns>,
    PairInPath(account, run): PairInPath<AccountId, RunId>,
    ControlBody(body): ControlBody<ResumeBody>,
) -> Result<Json<AccountRunAnswer>, ControlError> {
    let account = registry.require(&account)?;
    let results = body.tool_results.into_iter().map(|Object(result)| result).collect();
    Ok(Json(runs.resume_run(account, run, results).await?.into()))
}
