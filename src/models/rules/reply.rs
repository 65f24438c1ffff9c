//! Compiled replies: their templates are compiled once; those of one reply share one budget.

use o200k::{Counted, SHORT_TEXT_BYTES};
use serde_json::Value;

use super::error::{RuleError, one_line};
use super::prompt_view::PromptView;
use super::template::is_template;
use super::template::{Budget, CompiledTemplate, RenderError, MAX_SOURCE, Uses};
use crate::domain::reply_rule::{Pace, Reply};

/// A reply with its templates compiled.
#[derive(Debug)]
pub(super) struct CompiledReply {
    body: Template,
    thoughts: Option<Template>,
    /// Whether rendering time is linear in the size of the values.
    cheap: bool,
    uses: Uses,
    pub(super) name: Option<String>,
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) pace: Option<Pace>,
}

/// The rendered texts of a reply.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) text: String,
    /// `None` if the rule has none or the request does not ask for them.
    pub(super) thoughts: Option<String>,
}

/// A text of a reply, to be rendered for a prompt.
#[derive(Debug)]
enum Template {
    /// Text without a template.
    Plain(Counted),
    Rendered(CompiledTemplate),
    /// A JSON string whose content is a template.
    JsonString(Box<Template>),
    JsonArray(Vec<Template>),
    JsonObject(Vec<(String, Template)>),
}

/// Compiles the templates of one reply.
#[derive(Default)]
struct Compiler {
    errors: Vec<RuleError>,
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
        if self.bytes > MAX_SOURCE {
            let message = format!("the templates of a reply are {} KiB long at most", MAX_SOURCE >> 10);
            // Reported once, for the first template beyond the bound.
            if self.bytes - source.len() <= MAX_SOURCE {
                self.errors.push(RuleError::new(&[field], message));
            }
            return None;
        }
        match CompiledTemplate::new(source) {
            Ok(compiled) => {
                self.costly |= !compiled.is_cheap();
                self.uses.add(compiled.uses());
                Some(Template::Rendered(compiled))
            }
            Err(error) => {
                self.errors.push(RuleError::new(&[field], one_line(&error)));
                None
            }
        }
    }

    /// The template of a JSON value: each of its strings is a template.
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
                compiler.errors.push(RuleError::new(&[], message));
                None
            }
            (Some(_), Some(_)) => {
                let message = "a reply has either `text` or `json`, not both";
                compiler.errors.push(RuleError::new(&["json"], message));
                None
            }
        };
        let thoughts = reply.thoughts.as_ref().and_then(|text| compiler.text("thoughts", text));
        match body {
            Some(body) if compiler.errors.is_empty() => Ok(Self {
                body,
                thoughts,
                cheap: !compiler.costly,
                uses: compiler.uses,
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
            Template::Plain(text) if text.len() <= SHORT_TEXT_BYTES => Some(text.tokens()),
            _ => None,
        }
    }

    /// Renders the texts. All templates of the reply share one budget.
    pub(super) fn render(
        &self,
        view: &PromptView<'_>,
        thoughts: bool,
    ) -> Result<Rendered, RenderError> {
        let mut render =
            Render { view, uses: self.uses, context: None, budget: Budget::default() };
        let text = render.text(&self.body)?;
        let thoughts = self.thoughts.as_ref().filter(|_| thoughts);
        let thoughts = thoughts.map(|thoughts| render.text(thoughts)).transpose()?;
        Ok(Rendered { text, thoughts })
    }
}

/// Renders one reply.
struct Render<'r, 'p> {
    view: &'r PromptView<'p>,
    uses: Uses,
    context: Option<minijinja::Value>,
    budget: Budget,
}

impl Render<'_, '_> {
    fn text(&mut self, template: &Template) -> Result<String, RenderError> {
        Ok(match template {
            Template::Plain(text) => text.as_str().to_owned(),
            Template::Rendered(compiled) => {
                let context = self.context.get_or_insert_with(|| self.view.context(self.uses));
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
