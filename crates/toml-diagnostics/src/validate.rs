//! Compares an item with its schema. Reports errors and converts the item to a valid JSON value, with
//! placeholders for wrong and missing values.
//!
//! It knows the keywords that serde's derives produce. Other conditions (`pattern`, `format`,
//! `dependentRequired` …) are left to the caller, whose messages can be more specific.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use crate::MAX_DIAGNOSTICS;
use crate::location::Location;
use crate::schema::{Choice, SchemaNode, one_of};
use crate::source::Diagnostic;
use crate::tree::{Entry, Node, NodeValue};

/// Returns the value, and the paths of replaced and omitted values.
pub(crate) fn validate(
    location: &Location,
    schema: &Value,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Value, Vec<Vec<String>>) {
    let (steps, replaced) = (Vec::new(), Vec::new());
    let mut validator = Validator { location, diagnostics, steps, replaced };
    let value = validator.value(&location.node, SchemaNode::root(schema));
    (value, validator.replaced)
}

struct Validator<'a> {
    location: &'a Location,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// The path of the current value.
    steps: Vec<Cow<'a, str>>,
    replaced: Vec<Vec<String>>,
}

impl<'a> Validator<'a> {
    fn value(&mut self, node: &'a Node, schema: SchemaNode<'a>) -> Value {
        let value = match (schema.choice(), schema.type_name(), &node.value) {
            (Some(choice), _, _) => return self.choice(node, schema, &choice),
            (_, _, NodeValue::TooLarge) => {
                return self.replace(node, schema, "this number is too large".to_owned());
            }
            (_, None | Some("string"), NodeValue::String(text)) => text.as_str().into(),
            (_, None | Some("boolean"), NodeValue::Boolean(flag)) => (*flag).into(),
            (_, None | Some("integer" | "number"), NodeValue::Integer(number)) => {
                let signed = i64::try_from(*number).map(Number::from);
                let number = signed.or_else(|_| u64::try_from(*number).map(Number::from));
                return self.number(node, schema, number.ok());
            }
            (_, None | Some("number"), NodeValue::Float(number)) => {
                return self.number(node, schema, Number::from_f64(*number));
            }
            (_, None | Some("array"), NodeValue::Array(nodes)) => {
                return self.array(nodes, schema);
            }
            (_, None | Some("object"), NodeValue::Table(entries)) => {
                return self.table(node, entries, schema);
            }
            (_, Some(_), _) => return self.wrong("type", node, schema, &schema.expected()),
        };
        match schema.options() {
            Some(options) if !options.contains(&value) => {
                self.wrong("value", node, schema, &schema.expected())
            }
            _ => value,
        }
    }

    /// `number` is `None` if JSON cannot express it.
    fn number(&mut self, node: &'a Node, schema: SchemaNode<'a>, number: Option<Number>) -> Value {
        let bound = |keyword| schema.keyword(keyword).and_then(Value::as_f64);
        let (min, max) = (bound("minimum"), bound("maximum"));
        let fits = |number: &Number| {
            number.as_f64().is_some_and(|number| {
                min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)
            })
        };
        if let Some(number) = number.filter(fits) {
            return number.into();
        }
        let kind = match schema.type_name() {
            Some("integer") => "whole number",
            _ => "number",
        };
        let expected = match (min, max) {
            (Some(min), Some(max)) => format!("a {kind} from {min} to {max}"),
            (Some(min), None) => format!("a {kind} of {min} or more"),
            (None, Some(max)) => format!("a {kind} of {max} or less"),
            (None, None) => format!("a finite {kind}"),
        };
        self.wrong("value", node, schema, &expected)
    }

    fn array(&mut self, nodes: &'a [Node], schema: SchemaNode<'a>) -> Value {
        let mut values = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            if self.is_full() {
                break;
            }
            values.push(self.child(index.to_string().into(), node, schema.element()));
        }
        values.into()
    }

    fn table(&mut self, node: &'a Node, entries: &'a [Entry], schema: SchemaNode<'a>) -> Value {
        let mut table = Map::new();
        for Entry { key, key_start, node } in entries {
            if self.is_full() {
                break;
            }
            if let Some(schema) = schema.property(key).or_else(|| schema.other_properties()) {
                table.insert(key.clone(), self.child(key.into(), node, schema));
            } else {
                let expected = one_of(schema.property_names());
                let message = format!("unknown field `{key}`, expected {expected}");
                self.leave_out(*key_start, key, message);
            }
        }
        for key in schema.required() {
            if !table.contains_key(key) && entries.iter().all(|entry| entry.key != key) {
                self.leave_out(node.start, key, format!("missing field `{key}`"));
                let value = schema.property(key).map_or(Value::Null, SchemaNode::placeholder);
                table.insert(key.to_owned(), value);
            }
        }
        table.into()
    }

    fn choice(&mut self, node: &'a Node, schema: SchemaNode<'a>, choice: &Choice<'a>) -> Value {
        let WrittenVariant { name, start, entries } = match written_variant(node, schema, choice) {
            Ok(written) => written,
            Err(message) => return self.replace(node, schema, message),
        };
        let known = choice.variants.iter().find(|(known, _)| *known == name);
        let message = match (known, entries) {
            (Some((_, None)), None) => return name.into(),
            (Some((_, Some(branch))), Some(entries)) => return self.table(node, entries, *branch),
            (Some((_, None)), Some(_)) => format!("expected the name alone: {name:?}"),
            (Some((_, Some(_))), None) => format!("expected a table with `{name}` as its only key"),
            (None, _) => format!("unknown value `{name}`, expected {}", choice.names()),
        };
        self.steps.extend(choice.tag.map(Cow::from));
        self.report(start, message);
        self.steps.truncate(self.steps.len() - usize::from(choice.tag.is_some()));
        self.replaced.push(self.path());
        schema.placeholder()
    }

    fn child(&mut self, step: Cow<'a, str>, node: &'a Node, schema: SchemaNode<'a>) -> Value {
        self.steps.push(step);
        let value = self.value(node, schema);
        self.steps.pop();
        value
    }

    /// Reports a wrong `type`, or a wrong `value` of the right type.
    fn wrong(
        &mut self,
        what: &str,
        node: &'a Node,
        schema: SchemaNode<'a>,
        expected: &str,
    ) -> Value {
        let message = format!("invalid {what}: {}, expected {expected}", node.describe());
        self.replace(node, schema, message)
    }

    /// Reports a value and replaces it by a placeholder.
    fn replace(&mut self, node: &'a Node, schema: SchemaNode<'a>, message: String) -> Value {
        self.report(node.start, message);
        self.replaced.push(self.path());
        schema.placeholder()
    }

    /// Reports an unknown or missing field.
    fn leave_out(&mut self, offset: usize, key: &str, message: String) {
        self.report(offset, message);
        let mut path = self.path();
        path.push(key.to_owned());
        self.replaced.push(path);
    }

    fn path(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.clone().into_owned()).collect()
    }

    fn report(&mut self, offset: usize, message: String) {
        let path = self.location.path_text(&self.steps);
        self.location.source.report(self.diagnostics, offset, path, message);
    }

    /// Whether the maximum number of errors is reached, so that comparing can stop.
    fn is_full(&self) -> bool {
        self.diagnostics.len() > MAX_DIAGNOSTICS
    }
}

/// A value of an enum.
struct WrittenVariant<'n> {
    name: &'n str,
    /// The position of the name.
    start: usize,
    /// The table, unless it is only a name.
    entries: Option<&'n [Entry]>,
}

/// Splits a value of an enum, or returns why it is not one.
fn written_variant<'n>(
    node: &'n Node,
    schema: SchemaNode<'_>,
    choice: &Choice<'_>,
) -> Result<WrittenVariant<'n>, String> {
    match (choice.tag, &node.value) {
        (None, NodeValue::String(name)) => {
            Ok(WrittenVariant { name, start: node.start, entries: None })
        }
        (None, NodeValue::Table(entries)) if choice.has_tables() => {
            let [Entry { key, key_start, .. }] = entries.as_slice() else {
                let (names, count) = (choice.names(), entries.len());
                return Err(format!("expected a table with one key, {names}; found {count}"));
            };
            Ok(WrittenVariant { name: key, start: *key_start, entries: Some(entries) })
        }
        (Some(tag), NodeValue::Table(entries)) => {
            let Some(entry) = entries.iter().find(|entry| entry.key == tag) else {
                return Err(format!("missing field `{tag}`"));
            };
            let NodeValue::String(name) = &entry.node.value else {
                return Err(format!("`{tag}` must be {}", choice.names()));
            };
            Ok(WrittenVariant { name, start: entry.node.start, entries: Some(entries) })
        }
        _ => Err(format!("invalid type: {}, expected {}", node.describe(), schema.expected())),
    }
}
