//! Rules made ready: regular expressions and templates compiled, conditions in matching order.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use regex::Regex;
use serde_json::Value;
use thiserror::Error;

use crate::domain::Prompt;
use crate::domain::catalog::as_text;
use crate::domain::conversation::text_of;
use crate::domain::rule::{Pace, Reply, Rule, When};

/// Every rule of the fixtures, in order: the first match wins.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(super) rules: Vec<CompiledRule>,
}

/// Why a rule cannot be used: the field at fault, below the rule, and what is wrong with it.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct RuleFault {
    /// The path to the field: `["when", "regex"]`.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
}

#[derive(Debug)]
pub(super) struct CompiledRule {
    pub(super) name: Arc<str>,
    pub(super) replies: Vec<CompiledReply>,
    pub(super) when: When,
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

impl RuleSet {
    /// Compiles `rules`; the faults tell which rule, by its place, and which field.
    pub fn compile(rules: &[Rule]) -> Result<Self, Vec<(usize, RuleFault)>> {
        let mut compiled = Vec::with_capacity(rules.len());
        let mut faults = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            match CompiledRule::compile(index, rule) {
                Ok(rule) => compiled.push(rule),
                Err(found) => faults.extend(found.into_iter().map(|fault| (index, fault))),
            }
        }
        if faults.is_empty() { Ok(Self { rules: compiled }) } else { Err(faults) }
    }

    pub(super) fn first_match(&self, shown: &Shown<'_>) -> Option<(usize, &CompiledRule)> {
        self.rules.iter().enumerate().find(|(_, rule)| rule.matches(shown))
    }
}

impl CompiledRule {
    fn compile(index: usize, rule: &Rule) -> Result<Self, Vec<RuleFault>> {
        let mut faults = Vec::new();
        let regex = rule.when.regex.as_ref().and_then(|pattern| {
            Regex::new(pattern)
                .map_err(|fault| faults.push(fault_at(&["when", "regex"], one_line(&fault))))
                .ok()
        });
        if rule.reply.is_empty() {
            faults.push(fault_at(&["reply"], "a rule needs at least one reply"));
        }
        let mut replies = Vec::new();
        for (nth, reply) in rule.reply.iter().enumerate() {
            match CompiledReply::compile(reply) {
                Ok(reply) => replies.push(reply),
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
            name: rule.id.clone().unwrap_or_else(|| format!("rule {}", index + 1)).into(),
            replies,
            contains: rule.when.contains.as_deref().map(str::to_lowercase),
            regex,
            when: rule.when.clone(),
        })
    }

    /// Cheap conditions first; the regular expression last.
    fn matches(&self, shown: &Shown<'_>) -> bool {
        let When { api, deployment, model, equals, turn, variables, meta, parts, .. } = &self.when;
        let scene = &shown.prompt.scene;
        api.is_none_or(|api| api == scene.api)
            && turn.is_none_or(|turn| turn == scene.turn)
            && deployment.as_deref().is_none_or(|id| {
                scene.deployment.as_ref().is_some_and(|deployment| deployment.as_str() == id)
            })
            && model.as_deref().is_none_or(|model| model == scene.model)
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
    fn compile(reply: &Reply) -> Result<Self, Vec<RuleFault>> {
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
        Value::Null | Value::Bool(_) | Value::Number(_) => Template::Plain(value.to_string()),
    })
}

/// A reply's text, as far as it is known before the prompt is.
#[derive(Debug)]
pub(super) enum Template {
    /// Text without anything to fill in.
    Plain(String),
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
            return Ok(Self::Plain(source.to_owned()));
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build()?);
        environment.add_template_owned(ONLY, source.to_owned())?;
        Ok(Self::Rendered(Arc::new(environment)))
    }

    pub(super) fn render(&self, shown: &Shown<'_>) -> Result<String, minijinja::Error> {
        Ok(match self {
            Self::Plain(text) => text.clone(),
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
}

impl<'p> Shown<'p> {
    pub(super) fn new(prompt: &'p Prompt) -> Self {
        Self { prompt, text: text_of(&prompt.message), lower_case: OnceCell::new() }
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
            instructions,
            agent => &scene.agent,
            account => scene.account.as_str(),
            deployment => scene.deployment.as_ref().map(ToString::to_string),
            model => &scene.model,
            turn => scene.turn,
        }
    }
}

fn fault_at(path: &[&str], message: impl Into<String>) -> RuleFault {
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
