//! The conditions of rules on the client's tools and their results.

use super::error::RuleError;
use super::prompt_view::PromptView;
use super::reply::TOOL_NAME;
use crate::domain::agent_run::is_tool_name;
use crate::domain::reply_rule::{ReplyConditions, ToolResultCondition};

/// A [`ToolResultCondition`] with its text in lower case.
#[derive(Debug)]
pub(super) struct CompiledToolResult {
    name: Option<String>,
    contains: Option<String>,
}

impl CompiledToolResult {
    pub(super) fn new(condition: &ToolResultCondition) -> Self {
        let contains = condition.contains.as_deref().map(str::to_lowercase);
        Self { name: condition.name.clone(), contains }
    }

    /// Whether one of the results meets the condition.
    pub(super) fn matches(&self, view: &PromptView<'_>) -> bool {
        any(view, self.name.as_deref(), self.contains.as_deref())
    }

    /// Whether there is a result of the tool.
    pub(super) fn name_matches(&self, view: &PromptView<'_>) -> bool {
        any(view, self.name.as_deref(), None)
    }

    /// Whether a result contains the text: one of the tool, or any if there is none of the tool.
    pub(super) fn text_matches(&self, view: &PromptView<'_>) -> bool {
        let name = self.name.as_deref().filter(|_| self.name_matches(view));
        any(view, name, self.contains.as_deref())
    }
}

/// Whether there is a result of the tool `name` whose output has `contains` in its JSON text.
fn any(view: &PromptView<'_>, name: Option<&str>, contains: Option<&str>) -> bool {
    let named = |index: &usize| {
        let call = view.resolved().get(*index).map(|resolved| &resolved.call);
        name.is_none_or(|name| call.is_some_and(|call| call.name == name))
    };
    let mut of_tool = (0..view.resolved().len()).filter(named);
    match contains {
        None => of_tool.next().is_some(),
        Some(text) => {
            let outputs = view.lower_case_outputs();
            of_tool.any(|index| outputs.get(index).is_some_and(|output| output.contains(text)))
        }
    }
}

/// Reports names that no tool can have, and a `tool_result` without a condition.
pub(super) fn check(when: &ReplyConditions, errors: &mut Vec<RuleError>) {
    let is_wrong = |name: &Option<String>| name.as_deref().is_some_and(|name| !is_tool_name(name));
    if is_wrong(&when.capability) {
        errors.push(RuleError::new(&["when", "capability"], TOOL_NAME));
    }
    let Some(ToolResultCondition { name, contains }) = &when.tool_result else { return };
    if is_wrong(name) {
        errors.push(RuleError::new(&["when", "tool_result", "name"], TOOL_NAME));
    }
    if name.is_none() && contains.is_none() {
        let message = "a condition on a tool's result needs `name` or `contains`";
        errors.push(RuleError::new(&["when", "tool_result"], message));
    }
}
