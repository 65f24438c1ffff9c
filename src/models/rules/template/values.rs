//! The prompt as values of the engine.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Object, ObjectRepr, Tuple};
use serde_json::{Map, Number, Value as Json};

use crate::domain::Part;
use crate::domain::agent_run::ResolvedCall;
use crate::domain::conversation::{FileRef, Turn, text_of};

/// A number that formatting would change: `1.10`, `1e2`. It is written as it was sent; in calculations it
/// is a float.
pub(super) struct Decimal {
    text: Box<str>,
    value: f64,
}

impl Decimal {
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Object for Decimal {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.value != 0.0
    }
}

/// `value`; a number if it is a [`Decimal`].
pub(super) fn to_number(value: Value) -> Value {
    let number = value.downcast_object_ref::<Decimal>().map(|decimal| decimal.value);
    number.map_or(value, Value::from)
}

/// `value` with every [`Decimal`] in it as a number. Its depth must have been checked.
pub(super) fn to_numbers(value: &Value) -> Value {
    if let Some(list) = value.downcast_object_ref::<Vec<Value>>() {
        return list.iter().map(to_numbers).collect::<Vec<_>>().into();
    }
    if let Some(tuple) = value.downcast_object_ref::<Tuple>() {
        return Tuple::from(tuple.iter().map(to_numbers).collect::<Vec<_>>()).into();
    }
    if let Some(map) = value.downcast_object_ref::<BTreeMap<Value, Value>>() {
        return Value::from_pairs(map.iter().map(|(key, value)| (key.clone(), to_numbers(value))));
    }
    to_number(value.clone())
}

/// A JSON value. Numbers are written as they were sent.
pub(in crate::models::rules) fn json(value: &Json) -> Value {
    match value {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(value) => number(value),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(json).collect::<Vec<_>>().into(),
        Json::Object(fields) => object(fields),
    }
}

pub(in crate::models::rules) fn object(fields: &Map<String, Json>) -> Value {
    Value::from_pairs(fields.iter().map(|(name, value)| (name.as_str(), json(value))))
}

#[expect(clippy::expect_used, reason = "every JSON number can be read as a float")]
fn number(number: &Number) -> Value {
    // The parser adds a plus to an exponent without a sign.
    let text = &*number.as_str().replace("e+", "e").replace("E+", "E");
    if text != "-0" {
        if let Ok(value) = text.parse::<i64>() {
            return Value::from(value);
        }
        if let Ok(value) = text.parse::<i128>() {
            return Value::from(value);
        }
    }
    let value = text.parse::<f64>().expect("a JSON number is a number");
    let plain = Value::from(value);
    if plain.to_string() == text {
        return plain;
    }
    Value::from_object(Decimal { text: text.into(), value })
}

pub(in crate::models::rules) fn parts(parts: &[Part]) -> Value {
    parts.iter().map(part).collect::<Vec<_>>().into()
}

fn part(part: &Part) -> Value {
    let kind = ("type", Value::from(part.kind()));
    match part {
        Part::Text { text } => Value::from_pairs([kind, ("text", text.as_str().into())]),
        Part::Image(file) | Part::Video(file) | Part::Audio(file) | Part::Url(file) => {
            let FileRef { mime_type, file_uri } = file;
            let mime_type = ("mime_type", mime_type.as_str().into());
            Value::from_pairs([kind, mime_type, ("file_uri", file_uri.as_str().into())])
        }
    }
}

pub(in crate::models::rules) fn history(turns: &[Turn]) -> Value {
    let turn = |turn: &Turn| {
        let text = Value::from(&*text_of(&turn.parts));
        Value::from_pairs([("role", Value::from(turn.role.name())), ("text", text)])
    };
    turns.iter().map(turn).collect::<Vec<_>>().into()
}

/// The results of the client's tools.
pub(in crate::models::rules) fn tool_results(results: &[ResolvedCall]) -> Value {
    let result = |ResolvedCall { call, output }: &ResolvedCall| {
        Value::from_pairs([
            ("name", Value::from(call.name.as_str())),
            ("call_id", Value::from(call.call_id.as_str())),
            ("arguments", object(&call.arguments)),
            ("output", object(output)),
        ])
    };
    results.iter().map(result).collect::<Vec<_>>().into()
}
