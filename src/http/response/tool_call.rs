//! Calls of the client's tools, as the Runner API and the control plane write them.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::agent_run::ToolCall;
use crate::ids::ToolCallId;

/// A call that waits for its result.
#[derive(Serialize)]
pub(crate) struct ToolCallAnswer {
    call_id: ToolCallId,
    name: String,
    arguments: Map<String, Value>,
}

impl From<ToolCall> for ToolCallAnswer {
    fn from(call: ToolCall) -> Self {
        Self { call_id: call.call_id, name: call.name, arguments: call.arguments }
    }
}
