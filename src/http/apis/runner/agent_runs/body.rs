//! The body of an agent run: a first message, a further one, or results of tools.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::super::content::{ContentBody, content, history_limit, meta};
use crate::app::agent_runs::{ContinueRun, ResumeRun, StartRun};
use crate::app::generation::runner::RunRequest;
use crate::domain::agent_run::{ClientCapability, MAX_CAPABILITIES, ToolResult, is_tool_name};
use crate::domain::conversation::{Meta, Variables};
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::http::extract::{Object, WholeNumber};
use crate::ids::{ConversationId, TriggerId};

/// The longest `input_schema` as JSON, in bytes.
const LONGEST_SCHEMA: usize = 16 * 1024;

/// The body, before it is checked.
#[derive(Debug, Deserialize)]
pub(in super::super) struct RunBody {
    conversation_id: Option<ConversationId>,
    content: Option<ContentBody>,
    tool_results: Option<Vec<Object<ToolResult>>>,
    history_limit: Option<WholeNumber>,
    client_capabilities: Option<Vec<Value>>,
    variables: Option<Variables>,
    meta: Option<Meta>,
    trigger_id: Option<TriggerId>,
    /// Sent by versions 1.3 and 1.4 of the SDK with results, which name their run by their calls.
    #[serde(rename = "run_id")]
    _run_id: Option<IgnoredAny>,
}

/// What a body asks for.
pub(super) enum RunInput {
    Start(StartRun),
    Continue(ContinueRun),
    Resume(ResumeRun),
}

impl RunBody {
    pub(super) fn checked(mut self) -> Result<RunInput, FieldError> {
        let history_limit = history_limit(self.history_limit.as_ref())?;
        let capabilities = self.client_capabilities.take().map(capabilities).transpose()?;
        if let Some(results) = self.tool_results.take() {
            let Some(conversation) = self.conversation_id.take() else {
                return Err(FieldError::missing("conversation_id"));
            };
            self.refuse_beside("tool_results", true)?;
            let results = tool_results(results)?;
            let resume = ResumeRun { conversation, results, history_limit, capabilities };
            return Ok(RunInput::Resume(resume));
        }
        if let Some(conversation) = self.conversation_id.take() {
            self.refuse_beside("conversation_id", false)?;
            let parts = content(self.content.ok_or_else(|| FieldError::missing("content"))?)?;
            let message = ContinueRun { conversation, parts, history_limit, capabilities };
            return Ok(RunInput::Continue(message));
        }
        let body = self.content.ok_or_else(|| FieldError::missing("content"))?;
        let parts = match &self.trigger_id {
            // The content of the trigger is the message.
            Some(_) if body.is_empty() => Vec::new(),
            _ => content(body)?,
        };
        let variables = self.variables.unwrap_or_default();
        let request = RunRequest { parts, variables, trigger: self.trigger_id };
        let capabilities = capabilities.unwrap_or_default();
        Ok(RunInput::Start(StartRun { request, meta: meta(self.meta)?, capabilities }))
    }

    /// Refuses what is allowed in the first message only, and `content` beside results.
    fn refuse_beside(&self, other: &str, is_resume: bool) -> Result<(), FieldError> {
        for (field, is_given) in [
            ("content", is_resume && self.content.is_some()),
            ("variables", self.variables.is_some()),
            ("meta", self.meta.is_some()),
            ("trigger_id", self.trigger_id.is_some()),
        ] {
            if is_given {
                let message = format!("{field} is not allowed beside {other}");
                return Err(FieldError::new(field, FieldErrorKind::NotAllowed, message));
            }
        }
        Ok(())
    }
}

fn tool_results(body: Vec<Object<ToolResult>>) -> Result<Vec<ToolResult>, FieldError> {
    if body.is_empty() {
        let message = "tool_results must be a non-empty array";
        return Err(FieldError::new("tool_results", FieldErrorKind::EmptyArray, message));
    }
    Ok(body.into_iter().map(|Object(result)| result).collect())
}

/// Checks `client_capabilities`: names, or objects with a name and a schema.
fn capabilities(body: Vec<Value>) -> Result<Vec<ClientCapability>, FieldError> {
    if body.len() > MAX_CAPABILITIES {
        let message = format!("client_capabilities must have at most {MAX_CAPABILITIES} items");
        return Err(FieldError::new("client_capabilities", FieldErrorKind::BadValue, message));
    }
    let mut checked: Vec<ClientCapability> = Vec::with_capacity(body.len());
    for (index, value) in body.into_iter().enumerate() {
        let at = format!("client_capabilities[{index}]");
        let capability = capability(value, &at)?;
        if checked.iter().any(|earlier| earlier.name == capability.name) {
            let message = format!("{at} repeats the name of an earlier item");
            return Err(FieldError::new(at, FieldErrorKind::BadValue, message));
        }
        checked.push(capability);
    }
    Ok(checked)
}

fn capability(value: Value, at: &str) -> Result<ClientCapability, FieldError> {
    let (name, schema, field) = match value {
        Value::String(name) => (Value::String(name), None, at.to_owned()),
        Value::Object(mut fields) => {
            let name = fields.remove("name");
            let name = name.ok_or_else(|| FieldError::missing(format!("{at}.name")))?;
            (name, fields.remove("input_schema"), format!("{at}.name"))
        }
        _ => {
            let message = format!("{at} must be a name or an object with a name");
            return Err(FieldError::new(at, FieldErrorKind::WrongType, message));
        }
    };
    let name = match name {
        Value::String(name) if is_tool_name(&name) => name,
        Value::String(_) => {
            let message = format!("{field} must have 1 to 64 letters, digits, `_` and `-`");
            return Err(FieldError::new(field, FieldErrorKind::BadValue, message));
        }
        _ => {
            let message = format!("{field} must be a string");
            return Err(FieldError::new(field, FieldErrorKind::WrongType, message));
        }
    };
    let input_schema = schema.map(|schema| schema_object(schema, &format!("{at}.input_schema")));
    Ok(ClientCapability { name, input_schema: input_schema.transpose()? })
}

fn schema_object(schema: Value, field: &str) -> Result<Map<String, Value>, FieldError> {
    let Value::Object(schema) = schema else {
        let message = format!("{field} must be an object");
        return Err(FieldError::new(field, FieldErrorKind::WrongType, message));
    };
    if serde_json::to_vec(&schema).is_ok_and(|json| json.len() > LONGEST_SCHEMA) {
        let message = format!("{field} must be at most {} KiB long", LONGEST_SCHEMA / 1024);
        return Err(FieldError::new(field, FieldErrorKind::BadValue, message));
    }
    Ok(schema)
}
