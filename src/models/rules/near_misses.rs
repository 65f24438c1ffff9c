//! Rules that would have answered but for one condition. They are searched when the request log is
//! read, not while a request is answered.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::pattern::BoundedRegex;
use super::prompt_view::PromptView;
use super::queue::QUEUE;
use super::rule::{CompiledRule, has_value};
use super::rule_set::RuleSet;
use super::tool_condition::CompiledToolResult;
use crate::domain::reply_rule::{PartKind, ReplyConditions, ToolResultCondition};
use crate::domain::{Api, Part, Prompt};

/// A rule that would have answered but for one condition.
#[derive(Debug, Clone, PartialEq)]
pub struct NearMiss {
    /// The rule.
    pub rule: Arc<str>,
    /// The condition that failed: `contains`, `variables.TONE`.
    pub condition: String,
    /// The value in the condition.
    pub wanted: Value,
    /// The value of the request; `None` if that is the text of the message or of a tool's result.
    pub found: Option<Value>,
}

/// The rules that a request was tried against: its account's own, then those of the fixtures.
#[derive(Debug, Clone)]
pub struct TriedRules {
    pub(super) own: Arc<RuleSet>,
    pub(super) fixtures: Arc<RuleSet>,
}

impl TriedRules {
    /// The rules before the rule `answering` (all if `None`) of which all conditions but one held.
    ///
    /// The fixtures have many rules, so a rule of theirs counts only if a condition other than `api`
    /// held. `fixtures` is whether they were tried at all.
    pub fn near_misses(
        &self,
        prompt: &Prompt,
        answering: Option<&str>,
        fixtures: bool,
    ) -> Vec<NearMiss> {
        if answering == Some(QUEUE) {
            return Vec::new();
        }
        let view = PromptView::new(prompt);
        let is_before = |rule: &&Arc<CompiledRule>| Some(&*rule.name) != answering;
        let own = self.own.rules();
        let misses =
            own.iter().take_while(is_before).filter_map(|rule| rule.near_miss(&view, false));
        let mut misses: Vec<NearMiss> = misses.collect();
        if fixtures && own.iter().all(|rule| is_before(&rule)) {
            let rules = self.fixtures.rules().iter().take_while(is_before);
            misses.extend(rules.filter_map(|rule| rule.near_miss(&view, true)));
        }
        misses
    }
}

/// A condition of a rule, and whether it held.
struct CheckedCondition {
    name: String,
    wanted: Value,
    found: Option<Value>,
    held: bool,
}

impl CompiledRule {
    fn near_miss(&self, view: &PromptView<'_>, needs_other: bool) -> Option<NearMiss> {
        if !self.answers_kind(view) && !self.lacks_capability_only(view) {
            return None;
        }
        let checked = self.check_each(view);
        let other_held = checked.iter().any(|condition| condition.held && condition.name != "api");
        let mut failed = checked.into_iter().filter(|condition| !condition.held);
        let rule = Arc::clone(&self.name);
        let Some(only) = failed.next() else {
            // All conditions held: it has answered `times` times.
            let wanted = self.source.times.map(Value::from)?;
            return Some(NearMiss { rule, condition: "times".to_owned(), wanted, found: None });
        };
        let CheckedCondition { name: condition, wanted, found, .. } = only;
        let is_only = failed.next().is_none() && (other_held || !needs_other);
        is_only.then_some(NearMiss { rule, condition, wanted, found })
    }

    /// Whether it does not answer this kind of request only because its condition on a capability keeps
    /// it from requests that are not of agent runs.
    fn lacks_capability_only(&self, view: &PromptView<'_>) -> bool {
        let when = &self.source.when;
        when.capability.is_some() && when.tool_result.is_none() && view.prompt.tools.is_none()
    }

    /// Whether all conditions hold, by the code that finds near misses.
    #[cfg(test)]
    pub(super) fn all_conditions_hold(&self, view: &PromptView<'_>) -> bool {
        self.answers_kind(view) && self.check_each(view).iter().all(|condition| condition.held)
    }

    /// Checks each condition of the rule.
    fn check_each(&self, view: &PromptView<'_>) -> Vec<CheckedCondition> {
        let ReplyConditions {
            api,
            deployment,
            model,
            equals,
            contains,
            regex,
            turn,
            trigger,
            variables,
            meta,
            parts,
            capability,
            tool_result,
        } = &self.source.when;
        let scene = &view.prompt.scene;
        let of_scene = [
            equality("api", api.map(Api::name), Some(scene.api.name())),
            equality("turn", *turn, Some(scene.turn)),
            equality("trigger", *trigger, Some(scene.trigger.is_some())),
            equality("deployment", deployment.as_deref(), view.deployment()),
            equality("model", model.as_deref(), Some(view.model())),
        ];
        let contains_text = |text: &String| view.lower_case().contains(text);
        let regex_matches = |regex: &BoundedRegex| regex.is_match(&view.text);
        let of_text = [
            on_text("equals", equals.as_deref(), equals.as_deref() == Some(&*view.text)),
            on_text(
                "contains",
                contains.as_deref(),
                self.contains.as_ref().is_some_and(contains_text),
            ),
            on_text("regex", regex.as_deref(), self.regex.as_ref().is_some_and(regex_matches)),
        ];
        let of_variables = variables
            .iter()
            .map(|(name, wanted)| on_member("variables", &scene.variables, name, wanted));
        let of_meta =
            meta.iter().map(|(name, wanted)| on_member("meta", &scene.meta, name, wanted));
        let optional = of_scene.into_iter().chain(of_text).flatten();
        let optional = optional.chain(on_capability(capability.as_deref(), view));
        let results = self.tool_result.iter().zip(tool_result);
        let of_results = results.flat_map(|(compiled, source)| on_results(compiled, source, view));
        optional
            .chain(of_results)
            .chain(on_parts(parts, view))
            .chain(of_variables)
            .chain(of_meta)
            .collect()
    }
}

/// A condition that the value of the request is `wanted`; `None` if the rule has no such condition.
fn equality<T: PartialEq + Into<Value>>(
    name: &str,
    wanted: Option<T>,
    found: Option<T>,
) -> Option<CheckedCondition> {
    let held = wanted == found;
    let (wanted, found) = (wanted?.into(), found.map(Into::into));
    Some(CheckedCondition { name: name.to_owned(), wanted, found, held })
}

/// A condition on the text of the message.
fn on_text(name: &str, wanted: Option<&str>, held: bool) -> Option<CheckedCondition> {
    let wanted = wanted?.into();
    Some(CheckedCondition { name: name.to_owned(), wanted, found: None, held })
}

/// The conditions that the message has parts of these kinds.
fn on_parts(wanted: &[PartKind], view: &PromptView<'_>) -> Vec<CheckedCondition> {
    let found: Vec<&str> = view.prompt.message.iter().map(Part::kind).collect();
    let condition = |kind: &PartKind| CheckedCondition {
        name: "parts".to_owned(),
        wanted: kind.name().into(),
        found: Some(found.clone().into()),
        held: found.contains(&kind.name()),
    };
    wanted.iter().map(condition).collect()
}

/// The condition that the client offers a tool.
fn on_capability(wanted: Option<&str>, view: &PromptView<'_>) -> Option<CheckedCondition> {
    let wanted = wanted?;
    Some(CheckedCondition {
        name: "capability".to_owned(),
        wanted: wanted.into(),
        found: view.prompt.tools.as_ref().map(|_| view.capabilities().collect()),
        held: view.offers(wanted),
    })
}

/// The conditions on the results of the client's tools.
fn on_results(
    compiled: &CompiledToolResult,
    source: &ToolResultCondition,
    view: &PromptView<'_>,
) -> impl Iterator<Item = CheckedCondition> {
    let names = view.resolved().iter().map(|resolved| resolved.call.name.as_str());
    let name = source.name.as_deref().map(|name| CheckedCondition {
        name: "tool_result.name".to_owned(),
        wanted: name.into(),
        found: Some(names.collect()),
        held: compiled.name_matches(view),
    });
    let text = source.contains.as_deref();
    let text = on_text("tool_result.contains", text, compiled.text_matches(view));
    name.into_iter().chain(text)
}

/// A condition on a member of `variables` or `meta`.
fn on_member(
    object_name: &str,
    object: &Map<String, Value>,
    name: &str,
    wanted: &Value,
) -> CheckedCondition {
    CheckedCondition {
        name: format!("{object_name}.{name}"),
        wanted: wanted.clone(),
        found: object.get(name).cloned(),
        held: has_value(object, name, wanted),
    }
}
