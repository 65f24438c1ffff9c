//! The templates of a reply: compiled once, rendered with one budget for all of them.

use o200k::Counted;
use serde_json::{Map, Value};

use super::error::{RuleError, one_line};
use super::prompt_view::PromptView;
use super::template::is_template;
use super::template::{Budget, CompiledTemplate, MAX_SOURCE, RenderError, Uses};

/// A text of a reply, to be rendered for a prompt.
#[derive(Debug)]
pub(super) enum TextTemplate {
    /// Text without a template.
    Plain(Counted),
    Rendered(CompiledTemplate),
}

/// A JSON value of a reply, in which each string is a template.
#[derive(Debug)]
pub(super) enum ValueTemplate {
    /// Null, a boolean or a number.
    Fixed(Value),
    Text(TextTemplate),
    Array(Vec<ValueTemplate>),
    Object(ObjectTemplate),
}

/// The fields of a JSON object of a reply.
pub(super) type ObjectTemplate = Vec<(String, ValueTemplate)>;

/// Compiles the templates of one reply.
#[derive(Default)]
pub(super) struct TemplateCompiler {
    pub(super) errors: Vec<RuleError>,
    /// Whether rendering may take longer than time linear in the size of the values.
    pub(super) costly: bool,
    pub(super) uses: Uses,
    /// Bytes of the templates so far.
    bytes: usize,
}

impl TemplateCompiler {
    /// `path` is that of the field in the reply.
    pub(super) fn error(&mut self, path: &[&str], message: impl Into<String>) {
        self.errors.push(RuleError::new(path, message));
    }

    /// The template of the text at `path`; `None` after an error.
    pub(super) fn text(&mut self, path: &[&str], source: &str) -> Option<TextTemplate> {
        if !is_template(source) {
            return Some(TextTemplate::Plain(source.to_owned().into()));
        }
        self.bytes = self.bytes.saturating_add(source.len());
        if self.bytes > MAX_SOURCE {
            // Reported once, for the first template beyond the bound.
            if self.bytes - source.len() <= MAX_SOURCE {
                let kib = MAX_SOURCE >> 10;
                self.error(path, format!("the templates of a reply are {kib} KiB long at most"));
            }
            return None;
        }
        match CompiledTemplate::new(source) {
            Ok(compiled) => {
                self.costly |= !compiled.is_cheap();
                self.uses.add(compiled.uses());
                Some(TextTemplate::Rendered(compiled))
            }
            Err(error) => {
                self.error(path, one_line(&error));
                None
            }
        }
    }

    /// The template of the JSON value at `path`; `None` after an error.
    pub(super) fn value(&mut self, path: &[&str], value: &Value) -> Option<ValueTemplate> {
        Some(match value {
            Value::String(text) => ValueTemplate::Text(self.text(path, text)?),
            Value::Array(items) => ValueTemplate::Array(
                items.iter().map(|item| self.value(path, item)).collect::<Option<_>>()?,
            ),
            Value::Object(fields) => ValueTemplate::Object(self.object(path, fields)?),
            Value::Null | Value::Bool(_) | Value::Number(_) => ValueTemplate::Fixed(value.clone()),
        })
    }

    /// The template of the JSON object at `path`; `None` after an error.
    pub(super) fn object(
        &mut self,
        path: &[&str],
        fields: &Map<String, Value>,
    ) -> Option<ObjectTemplate> {
        let field =
            |(name, value): (&String, &Value)| Some((name.clone(), self.value(path, value)?));
        fields.iter().map(field).collect()
    }
}

/// Renders the templates of one reply.
pub(super) struct TemplateRenderer<'r, 'p> {
    view: &'r PromptView<'p>,
    uses: Uses,
    context: Option<minijinja::Value>,
    budget: Budget,
}

impl<'r, 'p> TemplateRenderer<'r, 'p> {
    /// `uses` are those of all templates of the reply.
    pub(super) fn new(view: &'r PromptView<'p>, uses: Uses) -> Self {
        Self { view, uses, context: None, budget: Budget::default() }
    }

    pub(super) fn text(&mut self, template: &TextTemplate) -> Result<String, RenderError> {
        match template {
            TextTemplate::Plain(text) => Ok(text.as_str().to_owned()),
            TextTemplate::Rendered(compiled) => {
                let context = self.context.get_or_insert_with(|| self.view.context(self.uses));
                compiled.render(context.clone(), &mut self.budget)
            }
        }
    }

    pub(super) fn value(&mut self, template: &ValueTemplate) -> Result<Value, RenderError> {
        Ok(match template {
            ValueTemplate::Fixed(value) => value.clone(),
            ValueTemplate::Text(text) => Value::String(self.text(text)?),
            ValueTemplate::Array(items) => {
                items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?
            }
            ValueTemplate::Object(fields) => Value::Object(self.object(fields)?),
        })
    }

    pub(super) fn object(
        &mut self,
        fields: &[(String, ValueTemplate)],
    ) -> Result<Map<String, Value>, RenderError> {
        let mut rendered = Map::new();
        for (name, value) in fields {
            rendered.insert(name.clone(), self.value(value)?);
        }
        Ok(rendered)
    }
}
