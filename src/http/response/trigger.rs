//! Triggers, as the Runner API and the control plane write them.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::conversation::Variables;
use crate::domain::{Part, Trigger};
use crate::ids::{ConversationId, DeploymentId, TriggerId};

/// A trigger.
#[derive(Serialize)]
pub(crate) struct TriggerAnswer {
    id: TriggerId,
    deployment_id: DeploymentId,
    /// The number of the assistant, in the Runner API only.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<u64>,
    ui_surface: Option<String>,
    content: Vec<Part>,
    variables: Option<Variables>,
    conversation_id: Option<ConversationId>,
    workflow_log_id: Option<u64>,
    created_at: String,
    expires_at: Option<String>,
    expired: bool,
}

impl TriggerAnswer {
    /// `trigger` as it is at `now`, with times as `time` writes them.
    pub(crate) fn new(
        trigger: Trigger,
        workflow_id: Option<u64>,
        now: DateTime<Utc>,
        time: impl Fn(DateTime<Utc>) -> String,
    ) -> Self {
        Self {
            expired: trigger.has_expired(now),
            created_at: time(trigger.created_at),
            expires_at: trigger.expires_at.map(time),
            id: trigger.id,
            deployment_id: trigger.deployment,
            workflow_id,
            ui_surface: trigger.ui_surface,
            content: trigger.content,
            variables: trigger.variables,
            conversation_id: trigger.conversation,
            workflow_log_id: trigger.workflow_log,
        }
    }
}
