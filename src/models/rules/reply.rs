//! Replies made ready: their templates compiled, and rendered within one budget.

use o200k::{Counted, SHORT_TEXT_BYTES};
use serde_json::Value;

use super::compile::fault_at;
use super::compile::one_line;
use super::compile::{PromptView, RuleError};
use super::template::is_template;
use super::template::{Budget, Compiled, RenderError, SOURCE, Uses};
use crate::domain::reply_rule::{Pace, Reply};

/// A reply that is ready to be given.
#[derive(Debug)]
pub(super) struct CompiledReply {
    body: Template,
    thoughts: Option<Template>,
    /// Whether rendering takes no longer than what is shown is long.
    cheap: bool,
    uses: Uses,
    pub(super) name: Option<String>,
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) pace: Option<Pace>,
}

/// A reply's texts, filled in.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) text: String,
    /// None where the rule has none, or where they were not asked for.
    pub(super) thoughts: Option<String>,
}

/// A reply's text, as far as it is known before the prompt is.
#[derive(Debug)]
enum Template {
    /// Text without anything to fill in.
    Plain(Counted),
    /// Text to be rendered.
    Rendered(Compiled),
    /// A JSON string whose content is a template.
    JsonString(Box<Template>),
    /// A JSON array.
    JsonArray(Vec<Template>),
    /// A JSON object.
    JsonObject(Vec<(String, Template)>),
}

/// Compiles the templates of one reply.
#[derive(Default)]
struct Compiler {
    faults: Vec<RuleError>,
    /// Bytes of the templates so far.
    bytes: usize,
    costly: bool,
    uses: Uses,
}

impl Compiler {
    fn text(&mut self, field: &str, source: &str) -> Option<Template> {
        if !is_template(source) {
            return Some(Template::Plain(source.to_owned().into()));
        }
        self.bytes = self.bytes.saturating_add(source.len());
        if self.bytes > SOURCE {
            let message = format!("the templates of a reply are {} KiB long at most", SOURCE >> 10);
            // Said once: all that follow are too many.
            if self.bytes - source.len() <= SOURCE {
                self.faults.push(fault_at(&[field], message));
            }
            return None;
        }
        match Compiled::new(source) {
            Ok(compiled) => {
                self.costly |= !compiled.is_cheap();
                self.uses.add(compiled.uses());
                Some(Template::Rendered(compiled))
            }
            Err(error) => {
                self.faults.push(fault_at(&[field], one_line(&error)));
                None
            }
        }
    }

    /// The template of a whole object: each of its strings is one.
    fn json(&mut self, value: &Value) -> Option<Template> {
        Some(match value {
            Value::String(text) => Template::JsonString(Box::new(self.text("json", text)?)),
            Value::Array(items) => Template::JsonArray(
                items.iter().map(|item| self.json(item)).collect::<Option<_>>()?,
            ),
            Value::Object(fields) => Template::JsonObject(
                fields
                    .iter()
                    .map(|(name, field)| Some((name.clone(), self.json(field)?)))
                    .collect::<Option<_>>()?,
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                Template::Plain(value.to_string().into())
            }
        })
    }
}

impl CompiledReply {
    pub(super) fn compile(reply: &Reply) -> Result<Self, Vec<RuleError>> {
        let mut compiler = Compiler::default();
        let body = match (&reply.text, &reply.json) {
            (Some(text), None) => compiler.text("text", text),
            (None, Some(json)) => compiler.json(json),
            (None, None) => {
                let message = "a reply needs `text` or `json`";
                compiler.faults.push(fault_at(&[], message));
                None
            }
            (Some(_), Some(_)) => {
                let message = "a reply has either `text` or `json`, not both";
                compiler.faults.push(fault_at(&["json"], message));
                None
            }
        };
        let thoughts = reply.thoughts.as_ref().and_then(|text| compiler.text("thoughts", text));
        match body {
            Some(body) if compiler.faults.is_empty() => Ok(Self {
                body,
                thoughts,
                cheap: !compiler.costly,
                uses: compiler.uses,
                name: reply.name.clone(),
                input_tokens: reply.input_tokens,
                output_tokens: reply.output_tokens,
                pace: reply.pace,
            }),
            _ => Err(compiler.faults),
        }
    }

    /// Whether it is rendered in the time that a thread which answers requests can spare.
    pub(super) fn is_quick(&self, shown: &PromptView<'_>) -> bool {
        self.cheap && shown.is_small(self.uses)
    }

    /// The tokens of its text, where that is known before it is rendered, and soon.
    pub(super) fn tokens(&self) -> Option<u64> {
        match &self.body {
            Template::Plain(text) if text.len() <= SHORT_TEXT_BYTES => Some(text.tokens()),
            _ => None,
        }
    }

    /// Its texts for what is shown; all templates take from one budget.
    pub(super) fn render(
        &self,
        shown: &PromptView<'_>,
        thoughts: bool,
    ) -> Result<Rendered, RenderError> {
        let mut render =
            Render { shown, uses: self.uses, context: None, budget: Budget::default() };
        let text = render.text(&self.body)?;
        let thoughts = self.thoughts.as_ref().filter(|_| thoughts);
        let thoughts = thoughts.map(|thoughts| render.text(thoughts)).transpose()?;
        Ok(Rendered { text, thoughts })
    }
}

/// The rendering of one reply.
struct Render<'r, 'p> {
    shown: &'r PromptView<'p>,
    uses: Uses,
    context: Option<minijinja::Value>,
    budget: Budget,
}

impl Render<'_, '_> {
    fn text(&mut self, template: &Template) -> Result<String, RenderError> {
        Ok(match template {
            Template::Plain(text) => text.as_str().to_owned(),
            Template::Rendered(compiled) => {
                let context = self.context.get_or_insert_with(|| self.shown.context(self.uses));
                compiled.render(context.clone(), &mut self.budget)?
            }
            Template::JsonString(text) => Value::String(self.text(text)?).to_string(),
            Template::JsonArray(items) => {
                let items: Vec<_> =
                    items.iter().map(|item| self.text(item)).collect::<Result<_, _>>()?;
                format!("[{}]", items.join(","))
            }
            Template::JsonObject(fields) => {
                let mut rendered = Vec::with_capacity(fields.len());
                for (name, field) in fields {
                    let name = Value::String(name.clone());
                    rendered.push(format!("{name}:{}", self.text(field)?));
                }
                format!("{{{}}}", rendered.join(","))
            }
        })
    }
}
