//! Compiled rules: conditions in the order in which they are checked, and compiled replies.

use std::sync::Arc;

use serde_json::Value;

use super::error::{RuleError, compile_each};
use super::pattern::BoundedRegex;
use super::prompt_view::PromptView;
use super::reply::CompiledReply;
use super::tool_condition::{self, CompiledToolResult};
use crate::domain::catalog::as_text;
use crate::domain::reply_rule::{ReplyConditions, ReplyRule};

/// A rule with its pattern and its replies compiled.
#[derive(Debug)]
pub(super) struct CompiledRule {
    /// The name in the log and in responses: the id, or a generated name.
    pub(super) name: Arc<str>,
    pub(super) replies: Vec<Arc<CompiledReply>>,
    /// The rule as it was written.
    pub(super) source: ReplyRule,
    /// `when.contains` in lower case.
    pub(super) contains: Option<String>,
    pub(super) regex: Option<BoundedRegex>,
    pub(super) tool_result: Option<CompiledToolResult>,
    /// Whether it answers requests of agent runs only, whatever its conditions.
    is_for_agent_runs: bool,
}

impl CompiledRule {
    /// Compiles `rule`. Subtracts the size of its pattern from `left`, the bytes that patterns may
    /// still take.
    pub(super) fn compile(rule: &ReplyRule, left: &mut usize) -> Result<Self, Vec<RuleError>> {
        let mut errors = Vec::new();
        let regex = rule.when.regex.as_ref().and_then(|source| {
            BoundedRegex::within(source, left)
                .map_err(|error| errors.push(RuleError::new(&["when", "regex"], error.to_string())))
                .ok()
        });
        tool_condition::check(&rule.when, &mut errors);
        if rule.reply.is_empty() {
            errors.push(RuleError::new(&["reply"], "a rule needs at least one reply"));
        }
        if rule.times == Some(0) {
            errors.push(RuleError::new(&["times"], "a rule answers 1 time or more"));
        }
        let replies =
            compile_each(&rule.reply, |reply| CompiledReply::compile(reply).map(Arc::new))
                .unwrap_or_else(|found| {
                    errors.extend(RuleError::all_below(RuleError::of_list(found), "reply"));
                    Vec::new()
                });
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            name: rule.id.as_deref().unwrap_or("").into(),
            replies,
            contains: rule.when.contains.as_deref().map(str::to_lowercase),
            regex,
            tool_result: rule.when.tool_result.as_ref().map(CompiledToolResult::new),
            is_for_agent_runs: rule.is_for_agent_runs(),
            source: rule.clone(),
        })
    }

    /// The size of the compiled pattern in bytes.
    pub(super) fn pattern_size(&self) -> usize {
        self.regex.as_ref().map_or(0, BoundedRegex::size)
    }

    /// The same rule, named `name` if it has no id.
    pub(super) fn or_named(self, name: &str) -> Self {
        match self.source.id {
            Some(_) => self,
            None => Self { name: name.into(), ..self },
        }
    }

    /// The rule as it was written, with its name as the id.
    pub(super) fn with_id(&self) -> ReplyRule {
        ReplyRule { id: Some(self.name.to_string()), ..self.source.clone() }
    }

    /// Whether it answers requests of this kind: messages or resumes, and any or those of agent runs.
    pub(super) fn answers_kind(&self, view: &PromptView<'_>) -> bool {
        self.tool_result.is_some() == view.is_resume()
            && (!self.is_for_agent_runs || view.prompt.tools.is_some())
    }

    /// Whether it answers requests of this kind and all conditions hold. Cheap conditions are checked
    /// first, the regular expression last.
    pub(super) fn matches(&self, view: &PromptView<'_>) -> bool {
        let ReplyConditions {
            api,
            deployment,
            model,
            equals,
            turn,
            trigger,
            variables,
            meta,
            parts,
            capability,
            ..
        } = &self.source.when;
        let scene = &view.prompt.scene;
        self.answers_kind(view)
            && api.is_none_or(|api| api == scene.api)
            && turn.is_none_or(|turn| turn == scene.turn)
            && trigger.is_none_or(|trigger| trigger == scene.trigger.is_some())
            && deployment.as_deref().is_none_or(|id| view.deployment() == Some(id))
            && model.as_deref().is_none_or(|model| *model == *scene.model)
            && equals.as_deref().is_none_or(|text| text == view.text)
            && capability.as_deref().is_none_or(|name| view.offers(name))
            && parts
                .iter()
                .all(|kind| view.prompt.message.iter().any(|part| part.kind() == kind.name()))
            && variables.iter().all(|(name, value)| has_value(&scene.variables, name, value))
            && meta.iter().all(|(name, value)| has_value(&scene.meta, name, value))
            && self.tool_result.as_ref().is_none_or(|condition| condition.matches(view))
            && self.contains.as_deref().is_none_or(|text| view.lower_case().contains(text))
            && self.regex.as_ref().is_none_or(|regex| regex.is_match(&view.text))
    }
}

/// Whether `object` has `name` with this value. Values are equal if their texts are equal.
pub(super) fn has_value(
    object: &serde_json::Map<String, Value>,
    name: &str,
    value: &Value,
) -> bool {
    object.get(name).is_some_and(|found| found == value || as_text(found) == as_text(value))
}
