//! Rules made ready: regular expressions and templates compiled, conditions in matching order.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::hash::{Hash, Hasher as _};
use std::sync::Arc;

use minijinja::context;
use serde_json::Value;
use siphasher::sip::SipHasher13;
use thiserror::Error;

use super::pattern::Pattern;
use super::reply::CompiledReply;
use super::template::{self, Uses};
use crate::domain::catalog::as_text;
use crate::domain::conversation::text_of;
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::domain::reply_rule::{ReplyConditions, ReplyRule};
use crate::domain::{Api, Part, Prompt};
use crate::ids::DeploymentId;

/// Why a rule cannot be used: the field at fault, below the rule, and what is wrong with it.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct RuleError {
    /// The path to the field: `["when", "regex"]`.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
}

impl RuleError {
    /// The fault as one of what stands at `step` of something larger.
    #[must_use]
    pub fn below(mut self, step: &str) -> Self {
        self.path.insert(0, step.to_owned());
        self
    }

    /// The faults as a refusal that names every field.
    pub fn refusal(faults: &[Self]) -> FieldError {
        let said: Vec<String> = faults
            .iter()
            .map(|fault| match path(&fault.path) {
                path if path.is_empty() => fault.message.clone(),
                path => format!("{path}: {}", fault.message),
            })
            .collect();
        let first = faults.first().map(|fault| path(&fault.path)).unwrap_or_default();
        FieldError::new(first, FieldErrorKind::BadValue, said.join("; "))
    }
}

/// A path as it is written in errors: `reply[0].text`.
fn path(steps: &[String]) -> String {
    let mut path = String::new();
    for step in steps {
        if step.bytes().all(|byte| byte.is_ascii_digit()) {
            path = format!("{path}[{step}]");
        } else if path.is_empty() {
            path.clone_from(step);
        } else {
            path = format!("{path}.{step}");
        }
    }
    path
}

/// A rule that is ready to match.
#[derive(Debug)]
pub(super) struct CompiledRule {
    /// What it is called in the log and in answers.
    pub(super) name: Arc<str>,
    pub(super) replies: Vec<Arc<CompiledReply>>,
    /// The rule as it was written.
    pub(super) source: ReplyRule,
    /// `when.contains` in lower case.
    pub(super) contains: Option<String>,
    pub(super) regex: Option<Pattern>,
}

impl CompiledRule {
    /// Compiles `rule`; its pattern takes from what is `left` for patterns, in bytes.
    pub(super) fn compile(rule: &ReplyRule, left: &mut usize) -> Result<Self, Vec<RuleError>> {
        let mut faults = Vec::new();
        let regex = rule.when.regex.as_ref().and_then(|source| {
            Pattern::within(source, left)
                .map_err(|fault| faults.push(fault_at(&["when", "regex"], one_line(&fault))))
                .ok()
        });
        if rule.reply.is_empty() {
            faults.push(fault_at(&["reply"], "a rule needs at least one reply"));
        }
        if rule.times == Some(0) {
            faults.push(fault_at(&["times"], "a rule answers 1 time or more"));
        }
        let mut replies = Vec::new();
        for (nth, reply) in rule.reply.iter().enumerate() {
            match CompiledReply::compile(reply) {
                Ok(reply) => replies.push(Arc::new(reply)),
                Err(found) => faults.extend(found.into_iter().map(|mut fault| {
                    fault.path.splice(0..0, ["reply".to_owned(), nth.to_string()]);
                    fault
                })),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            name: rule.id.as_deref().unwrap_or_default().into(),
            replies,
            contains: rule.when.contains.as_deref().map(str::to_lowercase),
            regex,
            source: rule.clone(),
        })
    }

    /// What its pattern compiles to, in bytes.
    pub(super) fn pattern_size(&self) -> usize {
        self.regex.as_ref().map_or(0, Pattern::size)
    }

    /// The same, called `name` if it has no name of its own.
    pub(super) fn or_named(self, name: &str) -> Self {
        match self.source.id {
            Some(_) => self,
            None => Self { name: name.into(), ..self },
        }
    }

    /// The rule as it was written, with the name it goes by.
    pub(super) fn as_called(&self) -> ReplyRule {
        ReplyRule { id: Some(self.name.to_string()), ..self.source.clone() }
    }

    /// Cheap conditions first; the regular expression last.
    pub(super) fn matches(&self, shown: &PromptView<'_>) -> bool {
        let ReplyConditions {
            api, deployment, model, equals, turn, variables, meta, parts, ..
        } = &self.source.when;
        let scene = &shown.prompt.scene;
        api.is_none_or(|api| api == scene.api)
            && turn.is_none_or(|turn| turn == scene.turn)
            && deployment.as_deref().is_none_or(|id| {
                scene.deployment.as_ref().is_some_and(|deployment| deployment.as_str() == id)
            })
            && model.as_deref().is_none_or(|model| *model == *scene.model)
            && equals.as_deref().is_none_or(|text| text == shown.text)
            && parts
                .iter()
                .all(|kind| shown.prompt.message.iter().any(|part| part.kind() == kind.name()))
            && variables.iter().all(|(name, value)| holds(&scene.variables, name, value))
            && meta.iter().all(|(name, value)| holds(&scene.meta, name, value))
            && self.contains.as_deref().is_none_or(|text| shown.lower_case().contains(text))
            && self.regex.as_ref().is_none_or(|regex| regex.is_match(&shown.text))
    }
}

/// Whether `object` has `name` with this value; values are equal when their texts are.
pub(super) fn holds(object: &serde_json::Map<String, Value>, name: &str, value: &Value) -> bool {
    object.get(name).is_some_and(|found| found == value || as_text(found) == as_text(value))
}

/// A prompt as rules look at it: what is costly to derive is derived once, when first needed.
pub(super) struct PromptView<'p> {
    pub(super) prompt: &'p Prompt,
    pub(super) text: Cow<'p, str>,
    lower_case: OnceCell<String>,
    text_hash: OnceCell<u64>,
}

impl<'p> PromptView<'p> {
    pub(super) fn new(prompt: &'p Prompt) -> Self {
        Self {
            prompt,
            text: text_of(&prompt.message),
            lower_case: OnceCell::new(),
            text_hash: OnceCell::new(),
        }
    }

    pub(super) fn api(&self) -> Api {
        self.prompt.scene.api
    }

    pub(super) fn deployment(&self) -> Option<&str> {
        self.prompt.scene.deployment.as_ref().map(DeploymentId::as_str)
    }

    pub(super) fn model(&self) -> &str {
        &self.prompt.scene.model
    }

    /// The text's hash: texts can be long, and several indices may ask.
    pub(super) fn text_hash(&self) -> u64 {
        *self.text_hash.get_or_init(|| hash_of(&*self.text))
    }

    pub(super) fn lower_case(&self) -> &str {
        self.lower_case.get_or_init(|| self.text.to_lowercase())
    }

    /// Whether what a template that reads `uses` is shown is so short that handling it takes no
    /// time worth mentioning.
    pub(super) fn is_small(&self, uses: Uses) -> bool {
        let scene = &self.prompt.scene;
        let mut left = SMALL.checked_sub(self.text.len());
        if uses.history {
            let parts = self.prompt.history.iter().flat_map(|turn| &turn.parts);
            let mut texts = parts.filter_map(Part::as_text);
            left = texts
                .try_fold(left, |left, text| Some(left?.checked_sub(text.len() + NODE)))
                .flatten();
        }
        if uses.parts {
            left = left.and_then(|left| left.checked_sub(self.prompt.message.len() * NODE));
        }
        for (used, map) in [(uses.variables, &scene.variables), (uses.meta, &scene.meta)] {
            if used {
                left =
                    map.values().try_fold(left, |left, value| Some(weigh(value, left?))).flatten();
            }
        }
        left.is_some()
    }

    /// What a template sees that reads `uses`.
    pub(super) fn context(&self, uses: Uses) -> minijinja::Value {
        let Prompt { instructions, history, message, scene, .. } = self.prompt;
        let text = ("text", minijinja::Value::from(&*self.text));
        let message = if uses.parts {
            minijinja::Value::from_pairs([text, ("parts", template::parts(message))])
        } else {
            minijinja::Value::from_pairs([text])
        };
        let object = |used: bool, fields| {
            if used { template::object(fields) } else { minijinja::Value::UNDEFINED }
        };
        context! {
            message,
            history => if uses.history { template::history(history) } else { ().into() },
            variables => object(uses.variables, &scene.variables),
            meta => object(uses.meta, &scene.meta),
            instructions => instructions.as_str(),
            agent => &scene.agent,
            account => scene.account.as_str(),
            deployment => scene.deployment.as_ref().map(ToString::to_string),
            model => &*scene.model,
            turn => scene.turn,
        }
    }
}

/// Bytes that are handled in place.
pub(super) const SMALL: usize = 64 << 10;

/// What a value counts for by being there.
const NODE: usize = 64;

/// What is left of `left` bytes after `value`; nothing where it is more than that.
fn weigh(value: &Value, left: usize) -> Option<usize> {
    let left = left.checked_sub(NODE)?;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(left),
        Value::String(text) => left.checked_sub(text.len()),
        Value::Array(items) => items.iter().try_fold(left, |left, item| weigh(item, left)),
        Value::Object(fields) => fields.values().try_fold(left, |left, field| weigh(field, left)),
    }
}

/// A hash for looking up, always the same for the same value.
pub(super) fn hash_of(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = SipHasher13::new();
    value.hash(&mut hasher);
    hasher.finish()
}

pub(super) fn fault_at(path: &[&str], message: impl Into<String>) -> RuleError {
    RuleError {
        path: path.iter().map(|step| (*step).to_owned()).collect(),
        message: message.into(),
    }
}

/// An error of a library on one line.
pub(super) fn one_line(fault: &impl std::fmt::Display) -> String {
    let text = fault.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
