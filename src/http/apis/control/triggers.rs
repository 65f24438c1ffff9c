//! An account's triggers (docs/control.md, "Triggers"): listed, expired.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::body::{NoFields, OptionalBody};
use super::error::ControlError;
use crate::app::{AccountRegistry, Triggers};
use crate::clock::rfc3339;
use crate::domain::conversation::Variables;
use crate::domain::{Part, Trigger};
use crate::http::extract::{InPath, PairInPath};
use crate::http::response::json::Json;
use crate::http::response::lists;
use crate::ids::{AccountId, ConversationId, DeploymentId, TriggerId};

/// A trigger; the names are those of the Runner API.
#[derive(Serialize)]
pub(super) struct AccountTriggerAnswer {
    id: TriggerId,
    deployment_id: DeploymentId,
    ui_surface: Option<String>,
    content: Vec<Part>,
    variables: Option<Variables>,
    conversation_id: Option<ConversationId>,
    workflow_log_id: Option<u64>,
    created_at: String,
    expires_at: Option<String>,
    expired: bool,
}

impl AccountTriggerAnswer {
    fn new(trigger: Trigger, now: DateTime<Utc>) -> Self {
        Self {
            expired: trigger.has_expired(now),
            id: trigger.id,
            deployment_id: trigger.deployment,
            ui_surface: trigger.ui_surface,
            content: trigger.content,
            variables: trigger.variables,
            conversation_id: trigger.conversation,
            workflow_log_id: trigger.workflow_log,
            created_at: rfc3339(trigger.created_at),
            expires_at: trigger.expires_at.map(rfc3339),
        }
    }
}

/// `GET /_mynah/accounts/{id}/triggers`: of all deployments, in the order of their creation.
pub(super) async fn list_triggers(
    State(registry): State<Arc<AccountRegistry>>,
    State(triggers): State<Triggers>,
    InPath(id): InPath<AccountId>,
) -> Result<Response, ControlError> {
    let account = registry.require(&id)?;
    let (items, now) = (triggers.list(&account).await?, account.clock.now());
    let item = move |trigger| AccountTriggerAnswer::new(trigger, now);
    Ok(lists::listed(items, item, |items| items))
}

/// `POST /_mynah/accounts/{id}/triggers/{trigger_id}/expire`: has the trigger expire now.
pub(super) async fn expire_trigger(
    State(registry): State<Arc<AccountRegistry>>,
    State(triggers): State<Triggers>,
    PairInPath(account, trigger): PairInPath<AccountId, TriggerId>,
    OptionalBody(NoFields {}): OptionalBody<NoFields>,
) -> Result<Json<AccountTriggerAnswer>, ControlError> {
    let account = registry.require(&account)?;
    let trigger = triggers.expire(&account, trigger).await?;
    Ok(Json(AccountTriggerAnswer::new(trigger, account.clock.now())))
}
