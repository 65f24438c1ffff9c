//! Reads JSON into types; errors have the position of broken JSON or the path of a wrong field.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::Strictness;
use super::values::{TooMuchJson, excess};
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::http::response::error::HttpError;

/// The deepest nesting that `serde_json` reads.
const DEEPEST: usize = 127;

/// Parses `bytes`, which may hold at most `max_values` JSON values.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(
    bytes: &[u8],
    max_values: usize,
    strict: Strictness,
) -> Result<T, HttpError> {
    match excess(bytes, max_values, DEEPEST) {
        None => {}
        Some(TooMuchJson::Values) => {
            let message = format!("the body must hold at most {max_values} JSON values");
            return Err(FieldError::new("", FieldErrorKind::BadValue, message).into());
        }
        Some(TooMuchJson::Depth(at)) => return Err(too_deep(bytes.get(..at).unwrap_or(bytes))),
    }
    // Tracking the path costs as much as parsing, so it is done only if there is an error to report.
    if strict == Strictness::Lenient
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        return Ok(value);
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut unknown = None;
    let parsed: Result<T, _> = match strict {
        Strictness::Lenient => serde_path_to_error::deserialize(&mut json),
        Strictness::Strict => {
            let mut note_unknown = |path: serde_ignored::Path<'_>| {
                unknown.get_or_insert_with(|| path_of(&path));
            };
            serde_path_to_error::deserialize(serde_ignored::Deserializer::new(
                &mut json,
                &mut note_unknown,
            ))
        }
    };
    let value = parsed.map_err(|error| wrong(error.path().to_string(), error.inner()))?;
    json.end().map_err(|error| broken(&error))?;
    match unknown {
        None => Ok(value),
        Some(field) => {
            let message = format!("{field} is not a documented field");
            Err(FieldError::new(field, FieldErrorKind::NotAllowed, message).into())
        }
    }
}

/// The path of a field as errors write it: `content[1].colour`.
fn path_of(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", path_of(parent)),
        Path::Map { parent, key } => match path_of(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => path_of(parent),
    }
}

fn nested_too_deep() -> String {
    format!("it is nested more than {DEEPEST} levels deep")
}

/// The error of a body that is nested too deep after the bytes `before`.
fn too_deep(before: &[u8]) -> HttpError {
    let lines = before.split(|byte| *byte == b'\n');
    let column = lines.clone().next_back().map_or(0, <[u8]>::len) + 1;
    HttpError::BrokenJson { reason: nested_too_deep(), line: lines.count(), column }
}

fn broken(error: &serde_json::Error) -> HttpError {
    HttpError::BrokenJson {
        reason: match without_position(error).as_str() {
            "recursion limit exceeded" => nested_too_deep(),
            reason => reason.to_owned(),
        },
        line: error.line(),
        column: error.column().max(1),
    }
}

fn wrong(path: String, error: &serde_json::Error) -> HttpError {
    if error.is_data() { wrong_field(path, error).into() } else { broken(error) }
}

/// Reads `value`, which must be an object; the error names the wrong field.
pub(crate) fn from_json<T: DeserializeOwned>(value: &Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(value)
        .map(|Object(value)| value)
        .map_err(|error| wrong_field(error.path().to_string(), error.inner()))
}

fn wrong_field(path: String, error: &serde_json::Error) -> FieldError {
    let path = if path == "." { String::new() } else { path };
    let text = without_position(error);
    // serde's messages: "missing field `id`", "unknown field `idd`, expected `id` or `name`".
    if let Some((field, _)) = quoted_after("missing field `", &text) {
        return FieldError::missing(joined(&path, field));
    }
    if let Some((field, rest)) = quoted_after("unknown field `", &text) {
        let named = path == field || path.ends_with(&format!(".{field}"));
        let field = if named { path } else { joined(&path, field) };
        let known = rest.split_once(", ").map_or("", |(_, expected)| expected);
        let message = format!("{field} is not a known field, {known}");
        return FieldError::new(field, FieldErrorKind::NotAllowed, message);
    }
    if let Some((field, _)) = quoted_after("duplicate field `", &text) {
        let field = joined(&path, field);
        let message = format!("{field} is given more than once");
        return FieldError::new(field, FieldErrorKind::BadValue, message);
    }
    let subject = if path.is_empty() { "the body" } else { &path };
    let wrong_type = text.strip_prefix("invalid type: ");
    let wrong_value = text.strip_prefix("invalid value: ");
    let kind =
        if wrong_type.is_some() { FieldErrorKind::WrongType } else { FieldErrorKind::BadValue };
    let message = match wrong_type.or(wrong_value).and_then(|rest| rest.rsplit_once(", expected "))
    {
        Some((found, expected)) => {
            format!("{subject} must be {}, not {}", in_json_words(expected), shortened(found))
        }
        None => format!("{subject}: {text}"),
    };
    FieldError::new(path, kind, message)
}

/// The name between `prefix` and the next backtick, and the rest of `text`.
fn quoted_after<'t>(prefix: &str, text: &'t str) -> Option<(&'t str, &'t str)> {
    text.strip_prefix(prefix)?.split_once('`')
}

fn joined(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// serde's message without ` at line 1 column 2`.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(before, _)| before).to_owned()
}

fn in_json_words(expected: &str) -> &str {
    match expected {
        "a sequence" => "an array",
        "a map" => "an object",
        "a boolean" => "true or false",
        "u64" => "a whole number",
        "f64" => "a number",
        other => other,
    }
}

/// The kind of the value, without the client's text, which may be long.
fn shortened(found: &str) -> &str {
    if found.starts_with("string ") {
        return "a string";
    }
    match found {
        "sequence" => "an array",
        "map" => "an object",
        other => other,
    }
}

/// A JSON object read as `T`; other JSON is refused.
#[derive(Debug)]
pub(in crate::http) struct Object<T>(pub(in crate::http) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}
