//! Rules made ready: regular expressions and templates compiled, conditions in matching order.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::hash::{Hash, Hasher as _};
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use regex::Regex;
use serde_json::Value;
use siphasher::sip::SipHasher13;
use thiserror::Error;

use crate::domain::Prompt;
use crate::domain::catalog::as_text;
use crate::domain::conversation::{Api, text_of};
use crate::domain::error::{Fault, FieldError};
use crate::domain::rule::{Pace, Reply, Rule, When};
use crate::ids::DeploymentId;
use crate::tokens::{COUNTED_IN_PLACE, Counted};

/// Why a rule cannot be used: the field at fault, below the rule, and what is wrong with it.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct RuleFault {
    /// The path to the field: `["when", "regex"]`.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
}

impl RuleFault {
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
        FieldError::new(first, Fault::BadValue, said.join("; "))
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
    pub(super) source: Rule,
    /// `when.contains` in lower case.
    pub(super) contains: Option<String>,
    pub(super) regex: Option<Regex>,
}

#[derive(Debug)]
pub(super) struct CompiledReply {
    pub(super) body: Template,
    pub(super) thoughts: Option<Template>,
    pub(super) name: Option<String>,
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) pace: Option<Pace>,
}

impl CompiledRule {
    pub(super) fn compile(rule: &Rule) -> Result<Self, Vec<RuleFault>> {
        let mut faults = Vec::new();
        let regex = rule.when.regex.as_ref().and_then(|pattern| {
            Regex::new(pattern)
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

    /// The same, called `name` if it has no name of its own.
    pub(super) fn or_named(self, name: &str) -> Self {
        match self.source.id {
            Some(_) => self,
            None => Self { name: name.into(), ..self },
        }
    }

    /// The rule as it was written, with the name it goes by.
    pub(super) fn as_called(&self) -> Rule {
        Rule { id: Some(self.name.to_string()), ..self.source.clone() }
    }

    /// Cheap conditions first; the regular expression last.
    pub(super) fn matches(&self, shown: &Shown<'_>) -> bool {
        let When { api, deployment, model, equals, turn, variables, meta, parts, .. } =
            &self.source.when;
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

impl CompiledReply {
    pub(super) fn compile(reply: &Reply) -> Result<Self, Vec<RuleFault>> {
        let mut faults = Vec::new();
        let mut template = |path: &[&str], source: &str| match Template::compile(source) {
            Ok(template) => Some(template),
            Err(fault) => {
                faults.push(fault_at(path, one_line(&fault)));
                None
            }
        };
        let body = match (&reply.text, &reply.json) {
            (Some(text), None) => template(&["text"], text),
            (None, Some(json)) => json_template(json, &mut template),
            (None, None) | (Some(_), Some(_)) => None,
        };
        let thoughts = reply.thoughts.as_ref().map(|text| template(&["thoughts"], text));
        match (&reply.text, &reply.json) {
            (None, None) => faults.push(fault_at(&[], "a reply needs `text` or `json`")),
            (Some(_), Some(_)) => {
                faults.push(fault_at(&["json"], "a reply has either `text` or `json`, not both"));
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        match body {
            Some(body) if faults.is_empty() => Ok(Self {
                body,
                thoughts: thoughts.flatten(),
                name: reply.name.clone(),
                input_tokens: reply.input_tokens,
                output_tokens: reply.output_tokens,
                pace: reply.pace,
            }),
            _ => Err(faults),
        }
    }
}

/// The template of a whole object: each of its strings is one.
fn json_template(
    value: &Value,
    compile: &mut impl FnMut(&[&str], &str) -> Option<Template>,
) -> Option<Template> {
    Some(match value {
        Value::String(text) => Template::JsonString(Box::new(compile(&["json"], text)?)),
        Value::Array(items) => Template::JsonArray(
            items.iter().map(|item| json_template(item, compile)).collect::<Option<_>>()?,
        ),
        Value::Object(fields) => Template::JsonObject(
            fields
                .iter()
                .map(|(name, field)| Some((name.clone(), json_template(field, compile)?)))
                .collect::<Option<_>>()?,
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            Template::Plain(value.to_string().into())
        }
    })
}

/// A reply's text, as far as it is known before the prompt is.
#[derive(Debug)]
pub(super) enum Template {
    /// Text without anything to fill in.
    Plain(Counted),
    /// Text to be rendered.
    Rendered(Arc<Environment<'static>>),
    /// A JSON string whose content is a template.
    JsonString(Box<Template>),
    /// A JSON array.
    JsonArray(Vec<Template>),
    /// A JSON object.
    JsonObject(Vec<(String, Template)>),
}

/// The one template in each environment.
const ONLY: &str = "reply";

impl Template {
    fn compile(source: &str) -> Result<Self, minijinja::Error> {
        if !["{{", "{%", "{#"].iter().any(|mark| source.contains(mark)) {
            return Ok(Self::Plain(source.to_owned().into()));
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build()?);
        environment.add_template_owned(ONLY, source.to_owned())?;
        Ok(Self::Rendered(Arc::new(environment)))
    }

    /// The tokens of what it renders, where that is known before, and soon.
    pub(super) fn tokens(&self) -> Option<u64> {
        match self {
            Self::Plain(text) if text.len() <= COUNTED_IN_PLACE => Some(text.tokens()),
            _ => None,
        }
    }

    pub(super) fn render(&self, shown: &Shown<'_>) -> Result<String, minijinja::Error> {
        Ok(match self {
            Self::Plain(text) => text.as_str().to_owned(),
            Self::Rendered(environment) => {
                environment.get_template(ONLY)?.render(shown.context())?
            }
            Self::JsonString(text) => Value::String(text.render(shown)?).to_string(),
            Self::JsonArray(items) => {
                let items: Vec<_> =
                    items.iter().map(|item| item.render(shown)).collect::<Result<_, _>>()?;
                format!("[{}]", items.join(","))
            }
            Self::JsonObject(fields) => {
                let mut rendered = Vec::with_capacity(fields.len());
                for (name, field) in fields {
                    let name = Value::String(name.clone());
                    rendered.push(format!("{name}:{}", field.render(shown)?));
                }
                format!("{{{}}}", rendered.join(","))
            }
        })
    }
}

/// A prompt as rules look at it: what is costly to derive is derived once, when first needed.
pub(super) struct Shown<'p> {
    pub(super) prompt: &'p Prompt,
    pub(super) text: Cow<'p, str>,
    lower_case: OnceCell<String>,
    text_hash: OnceCell<u64>,
}

impl<'p> Shown<'p> {
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

    /// What a template sees.
    fn context(&self) -> minijinja::Value {
        let Prompt { instructions, history, message, scene, .. } = self.prompt;
        let turns = history.iter().map(|turn| {
            let role = turn.role.name();
            context! { role, text => text_of(&turn.parts) }
        });
        context! {
            message => context! {
                text => &self.text,
                parts => minijinja::Value::from(Serde(message)),
            },
            history => turns.collect::<Vec<_>>(),
            variables => minijinja::Value::from(Serde(&*scene.variables)),
            meta => minijinja::Value::from(Serde(&*scene.meta)),
            instructions => instructions.as_str(),
            agent => &scene.agent,
            account => scene.account.as_str(),
            deployment => scene.deployment.as_ref().map(ToString::to_string),
            model => &*scene.model,
            turn => scene.turn,
        }
    }
}

/// A hash for looking up, always the same for the same value.
pub(super) fn hash_of(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = SipHasher13::new();
    value.hash(&mut hasher);
    hasher.finish()
}

pub(super) fn fault_at(path: &[&str], message: impl Into<String>) -> RuleFault {
    RuleFault {
        path: path.iter().map(|step| (*step).to_owned()).collect(),
        message: message.into(),
    }
}

/// An error of a library on one line.
fn one_line(fault: &impl std::fmt::Display) -> String {
    let text = fault.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
