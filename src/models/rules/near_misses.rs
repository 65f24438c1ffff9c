//! Rules that would have answered but for one condition. They are looked for when the request log
//! is read, not while a request is answered.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::prompt_view::PromptView;
use super::queue::QUEUE;
use super::rule::{CompiledRule, holds};
use super::rule_set::RuleSet;
use crate::domain::Prompt;
use crate::domain::reply_rule::ReplyConditions;

/// A rule that would have answered but for one condition.
#[derive(Debug, Clone, PartialEq)]
pub struct NearMiss {
    /// The rule.
    pub rule: Arc<str>,
    /// The condition that failed: `contains`, `variables.TONE`.
    pub condition: String,
    /// The value that the condition wants.
    pub wanted: Value,
    /// The value of the request; `None` if that is the message itself.
    pub found: Option<Value>,
}

/// The rules that a request was tried against: its account's own, then those of the fixtures.
#[derive(Debug, Clone)]
pub struct TriedRules {
    pub(super) own: Arc<RuleSet>,
    pub(super) fixtures: Arc<RuleSet>,
}

impl TriedRules {
    /// The rules before `answering` (all if `None`) of which all conditions but one held.
    ///
    /// A rule of the fixtures counts only if another condition than that on the API held: they are
    /// many, and most are of no interest. `fixtures` is whether they were tried at all.
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
        let misses = own.iter().take_while(is_before).filter_map(|rule| rule.near_miss(&view, false));
        let mut misses: Vec<NearMiss> = misses.collect();
        if fixtures && own.iter().all(|rule| is_before(&rule)) {
            let rules = self.fixtures.rules().iter().take_while(is_before);
            misses.extend(rules.filter_map(|rule| rule.near_miss(&view, true)));
        }
        misses
    }
}

/// A condition of a rule, and whether it held.
struct TriedCondition {
    condition: String,
    wanted: Value,
    found: Option<Value>,
    held: bool,
}

impl CompiledRule {
    fn near_miss(&self, view: &PromptView<'_>, needs_other: bool) -> Option<NearMiss> {
        let tried = self.tried(view);
        let other_held = tried.iter().any(|tried| tried.held && tried.condition != "api");
        let mut failed = tried.into_iter().filter(|tried| !tried.held);
        let rule = Arc::clone(&self.name);
        let Some(only) = failed.next() else {
            // All conditions held: it has answered `times` times.
            let wanted = self.source.times.map(Value::from)?;
            return Some(NearMiss { rule, condition: "times".to_owned(), wanted, found: None });
        };
        let TriedCondition { condition, wanted, found, .. } = only;
        let is_only = failed.next().is_none() && (other_held || !needs_other);
        is_only.then_some(NearMiss { rule, condition, wanted, found })
    }

    /// Whether all conditions hold, by the same code that reports near misses.
    #[cfg(test)]
    pub(super) fn misses_nothing(&self, view: &PromptView<'_>) -> bool {
        self.tried(view).iter().all(|tried| tried.held)
    }

    /// All conditions of the rule.
    fn tried(&self, view: &PromptView<'_>) -> Vec<TriedCondition> {
        let ReplyConditions {
            api,
            deployment,
            model,
            equals,
            contains,
            regex,
            turn,
            variables,
            meta,
            parts,
        } = &self.source.when;
        let scene = &view.prompt.scene;
        let mut tried = Vec::new();
        let mut about = |name: &str, wanted: Option<Value>, found: Option<Value>, held: bool| {
            if let Some(wanted) = wanted {
                tried.push(TriedCondition { condition: name.to_owned(), wanted, found, held });
            }
        };
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let api = api.map(|api| Value::from(api.name()));
        let came_to = Value::from(scene.api.name());
        let right = api.as_ref() == Some(&came_to);
        about("api", api, Some(came_to), right);
        let right = *turn == Some(scene.turn);
        about("turn", turn.map(Value::from), Some(scene.turn.into()), right);
        let there = scene.deployment.as_ref().map(|id| Value::from(id.as_str()));
        let right = text(deployment) == there;
        about("deployment", text(deployment), there, right);
        let right = model.as_deref() == Some(&scene.model);
        about("model", text(model), Some(Value::from(&*scene.model)), right);
        about("equals", text(equals), None, equals.as_deref() == Some(&*view.text));
        let right = self.contains.as_ref().is_some_and(|it| view.lower_case().contains(it));
        about("contains", text(contains), None, right);
        let right = self.regex.as_ref().is_some_and(|regex| regex.is_match(&view.text));
        about("regex", text(regex), None, right);
        let there: Vec<&str> = view.prompt.message.iter().map(crate::domain::Part::kind).collect();
        for kind in parts.iter().map(|kind| kind.name()) {
            let found = Some(Value::from(there.clone()));
            about("parts", Some(kind.into()), found, there.contains(&kind));
        }
        let mut labels = |prefix: &str, labels: &Map<String, Value>, name: &str, wanted: &Value| {
            let found = labels.get(name).cloned();
            let held = holds(labels, name, wanted);
            about(&format!("{prefix}.{name}"), Some(wanted.clone()), found, held);
        };
        for (name, value) in variables {
            labels("variables", &scene.variables, name, value);
        }
        for (name, value) in meta {
            labels("meta", &scene.meta, name, value);
        }
        tried
    }
}
