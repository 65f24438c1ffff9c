//! Compiled replies: their templates are compiled once; those of one reply share one budget.

use std::time::Duration;

use o200k::SHORT_TEXT_BYTES;

use super::error::RuleError;
use super::prompt_view::PromptView;
use super::reply_template::{
    ObjectTemplate, TemplateCompiler, TemplateRenderer, TextTemplate, ValueTemplate,
};
use super::template::{RenderError, Uses};
use crate::domain::agent_run::{RequestedCall, RunEnd, is_tool_name};
use crate::domain::reply_rule::{MAX_AFTER_MS, MAX_TOOL_CALLS, Pace, Reply, ReplyToolCall};

/// How long a run in the background continues if the reply does not say so.
const DEFAULT_AFTER: Duration = Duration::from_secs(1);

/// A reply with its templates compiled.
#[derive(Debug)]
pub(super) struct CompiledReply {
    body: ReplyBody,
    calls: Vec<CallTemplate>,
    thoughts: Option<TextTemplate>,
    /// Whether rendering time is linear in the size of the values.
    cheap: bool,
    uses: Uses,
    /// Whether it answers requests of agent runs only.
    pub(super) is_for_agent_runs: bool,
    /// How it ends an agent run, if it makes no calls.
    pub(super) end: RunEnd,
    /// The time after which a run in the background ends; zero for other runs.
    pub(super) after: Duration,
    /// Whether it completes the conversation.
    pub(super) completes: bool,
    pub(super) name: Option<String>,
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) pace: Option<Pace>,
}

/// The answer of a reply.
#[derive(Debug)]
enum ReplyBody {
    /// Nothing beside the calls, or no reason for the end of the run.
    Empty,
    Text(TextTemplate),
    Json(ValueTemplate),
}

/// A call of a client's tool.
#[derive(Debug)]
struct CallTemplate {
    name: String,
    arguments: ObjectTemplate,
}

/// A rendered reply.
#[derive(Debug)]
pub(super) struct Rendered {
    /// `None` if the reply consists of calls, or ends the run without a reason.
    pub(super) text: Option<String>,
    pub(super) calls: Vec<RequestedCall>,
    /// `None` if the rule has none or the request does not ask for them.
    pub(super) thoughts: Option<String>,
}

impl CompiledReply {
    pub(super) fn compile(reply: &Reply) -> Result<Self, Vec<RuleError>> {
        let mut compiler = TemplateCompiler::default();
        check_fields(reply, &mut compiler);
        let body = compile_body(reply, &mut compiler);
        let calls = compile_calls(reply.tool_calls.as_deref().unwrap_or(&[]), &mut compiler);
        let thoughts = reply.thoughts.as_ref().and_then(|text| compiler.text(&["thoughts"], text));
        let end = reply.run.unwrap_or_default();
        let after = match (end, reply.after_ms) {
            (RunEnd::Background, Some(after_ms)) => Duration::from_millis(after_ms),
            (RunEnd::Background, None) => DEFAULT_AFTER,
            _ => Duration::ZERO,
        };
        match body {
            Some(body) if compiler.errors.is_empty() => Ok(Self {
                body,
                calls,
                thoughts,
                cheap: !compiler.costly,
                uses: compiler.uses,
                is_for_agent_runs: reply.is_for_agent_runs(),
                end,
                after,
                completes: reply.complete == Some(true),
                name: reply.name.clone(),
                input_tokens: reply.input_tokens,
                output_tokens: reply.output_tokens,
                pace: reply.pace,
            }),
            _ => Err(compiler.errors),
        }
    }

    /// Whether it can be rendered on the thread that answers the request.
    pub(super) fn is_quick(&self, view: &PromptView<'_>) -> bool {
        self.cheap && view.is_small(self.uses)
    }

    /// The number of tokens of a short text without templates; others are counted after rendering.
    pub(super) fn tokens(&self) -> Option<u64> {
        match &self.body {
            ReplyBody::Text(TextTemplate::Plain(text)) if text.len() <= SHORT_TEXT_BYTES => {
                Some(text.tokens())
            }
            _ => None,
        }
    }

    /// Whether its text is the answer of the run, not the reason for which the run ends without one.
    pub(super) fn is_answer(&self) -> bool {
        !matches!(self.end, RunEnd::Failed | RunEnd::Interrupted)
    }

    /// Renders the texts. All templates of the reply share one budget.
    pub(super) fn render(
        &self,
        view: &PromptView<'_>,
        thoughts: bool,
    ) -> Result<Rendered, RenderError> {
        let mut renderer = TemplateRenderer::new(view, self.uses);
        let text = match &self.body {
            ReplyBody::Empty => None,
            ReplyBody::Text(text) => Some(renderer.text(text)?),
            ReplyBody::Json(json) => Some(renderer.value(json)?.to_string()),
        };
        let mut calls = Vec::with_capacity(self.calls.len());
        for call in &self.calls {
            let arguments = renderer.object(&call.arguments)?;
            calls.push(RequestedCall { name: call.name.clone(), arguments });
        }
        let thoughts = self.thoughts.as_ref().filter(|_| thoughts);
        let thoughts = thoughts.map(|thoughts| renderer.text(thoughts)).transpose()?;
        Ok(Rendered { text, calls, thoughts })
    }
}

/// Reports fields that do not go together.
fn check_fields(reply: &Reply, compiler: &mut TemplateCompiler) {
    let has_calls = reply.tool_calls.is_some();
    let end = reply.run.unwrap_or_default();
    let fails = matches!(end, RunEnd::Failed | RunEnd::Interrupted);
    let has_json = reply.json.is_some();
    if reply.text.is_none() && !has_json && !has_calls && !fails {
        compiler.error(&[], "a reply needs `text` or `json` or `tool_calls`");
    }
    for (is_wrong, path, message) in [
        (reply.text.is_some() && has_json, "json", "a reply has either `text` or `json`, not both"),
        (
            has_json && has_calls,
            "json",
            "a reply with `tool_calls` has a `text` or none, no `json`",
        ),
        (has_json && fails, "json", "the reason why a run ends without an answer is a `text`"),
        (
            has_calls && end != RunEnd::Completed,
            "run",
            "a reply with `tool_calls` does not end the run",
        ),
        (
            has_calls && reply.complete == Some(true),
            "complete",
            "a reply with `tool_calls` does not complete the conversation",
        ),
        (
            reply.after_ms.is_some() && end != RunEnd::Background,
            "after_ms",
            "`after_ms` is for replies with `run = \"background\"`",
        ),
    ] {
        if is_wrong {
            compiler.error(&[path], message);
        }
    }
    if reply.tool_calls.as_ref().is_some_and(Vec::is_empty) {
        compiler.error(&["tool_calls"], "`tool_calls` needs at least one call");
    }
    if reply.after_ms.is_some_and(|after_ms| after_ms > MAX_AFTER_MS) {
        compiler.error(&["after_ms"], format!("must be at most {MAX_AFTER_MS}"));
    }
}

/// The body; `None` after an error.
fn compile_body(reply: &Reply, compiler: &mut TemplateCompiler) -> Option<ReplyBody> {
    match (&reply.text, &reply.json) {
        (Some(text), None) => compiler.text(&["text"], text).map(ReplyBody::Text),
        (None, Some(json)) => compiler.value(&["json"], json).map(ReplyBody::Json),
        (None, None) => Some(ReplyBody::Empty),
        (Some(_), Some(_)) => None,
    }
}

/// The calls without those in which there are errors.
fn compile_calls(calls: &[ReplyToolCall], compiler: &mut TemplateCompiler) -> Vec<CallTemplate> {
    if calls.len() > MAX_TOOL_CALLS {
        let message = format!("a reply has at most {MAX_TOOL_CALLS} calls");
        compiler.error(&["tool_calls"], message);
        return Vec::new();
    }
    let mut templates = Vec::with_capacity(calls.len());
    for (index, call) in calls.iter().enumerate() {
        let index = index.to_string();
        if !is_tool_name(&call.name) {
            compiler.error(&["tool_calls", &index, "name"], TOOL_NAME);
        }
        let path = ["tool_calls", index.as_str(), "arguments"];
        if let Some(arguments) = compiler.object(&path, &call.arguments) {
            templates.push(CallTemplate { name: call.name.clone(), arguments });
        }
    }
    templates
}

/// The message for a name that no tool can have.
pub(super) const TOOL_NAME: &str = "the name of a tool has 1 to 64 characters of `[A-Za-z0-9_-]`";
