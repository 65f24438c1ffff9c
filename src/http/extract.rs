//! Extractors for what clients send. Their errors name the part that is wrong.
//!
//! [`Body`] reads a JSON object within limits; errors give the position of broken JSON and the path of a
//! wrong field. [`Object`] takes JSON objects only (serde's derive would also take an array of the
//! fields). [`InPath`] is a parameter of the path.

mod reading;
mod values;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::Deserialize;
use serde_json::Value;

use self::reading::read;
use self::values::TooMuchJson;
use super::context::RequestContext;
use super::large_bodies::LargeBodies;
use super::response::error::HttpError;
use crate::domain::error::{FieldError, FieldErrorKind};

/// The largest body, in bytes.
pub(super) const LARGEST_BODY: usize = 10 * 1024 * 1024;
/// The most JSON values in a body: more than any client needs, and a few megabytes when parsed.
const MOST_VALUES: usize = 100_000;
/// The most JSON values in a snapshot, which may be larger than other bodies.
const MOST_VALUES_OF_LARGER: usize = 2_000_000;
/// The deepest nesting that `serde_json` reads.
const DEEPEST: usize = 127;

/// Whether fields that are not documented are refused (`--strict`) or ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// Refused.
    Strict,
    /// Ignored.
    Lenient,
}

/// A request's body: a JSON object read as `T`.
#[derive(Debug)]
pub(super) struct Body<T, const LARGEST: usize = LARGEST_BODY>(pub(super) T);

impl<S, T, const LARGEST: usize> FromRequest<S> for Body<T, LARGEST>
where
    S: Sync,
    Strictness: FromRef<S>,
    LargeBodies: FromRef<S>,
    T: for<'de> Deserialize<'de>,
{
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Self, HttpError> {
        let body = AnyBody::<Object<T>, LARGEST>::from_request(request, state).await?;
        let AnyBody(Object(value)) = body;
        Ok(Self(value))
    }
}

/// A request's body: JSON of any kind that `T` takes.
#[derive(Debug)]
pub(super) struct AnyBody<T, const LARGEST: usize = LARGEST_BODY>(pub(super) T);

impl<S, T, const LARGEST: usize> FromRequest<S> for AnyBody<T, LARGEST>
where
    S: Sync,
    Strictness: FromRef<S>,
    LargeBodies: FromRef<S>,
    T: for<'de> Deserialize<'de>,
{
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Self, HttpError> {
        if !is_json(request.headers()) {
            return Err(HttpError::NotJson);
        }
        let context = Arc::clone(RequestContext::of(request.extensions()));
        let (bytes, permit) = read(request, LARGEST, &LargeBodies::from_ref(state)).await?;
        context.record_body(&bytes);
        context.hold_large_body(permit);
        let most = if LARGEST > LARGEST_BODY { MOST_VALUES_OF_LARGER } else { MOST_VALUES };
        parse(&bytes, most, Strictness::from_ref(state)).map(Self)
    }
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    sent.is_some_and(|sent| {
        let essence = sent.split_once(';').map_or(sent, |(essence, _)| essence);
        essence.trim().eq_ignore_ascii_case("application/json")
    })
}

/// The JSON text `bytes`, of at most `most` values, as a `T`.
fn parse<T: for<'de> Deserialize<'de>>(
    bytes: &[u8],
    most: usize,
    strict: Strictness,
) -> Result<T, HttpError> {
    match values::excess(bytes, most, DEEPEST) {
        None => {}
        Some(TooMuchJson::Values) => {
            let message = format!("the body must hold at most {most} JSON values");
            return Err(FieldError::new("", FieldErrorKind::BadValue, message).into());
        }
        Some(TooMuchJson::Depth(at)) => return Err(too_deep(bytes.get(..at).unwrap_or(bytes))),
    }
    // Tracking the path costs as much as reading, so it is done only where there is an error to report.
    if strict == Strictness::Lenient
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        return Ok(value);
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut unknown = None;
    let read: Result<T, _> = match strict {
        Strictness::Lenient => serde_path_to_error::deserialize(&mut json),
        Strictness::Strict => {
            let mut note = |path: serde_ignored::Path<'_>| {
                unknown.get_or_insert_with(|| path_of(&path));
            };
            serde_path_to_error::deserialize(serde_ignored::Deserializer::new(&mut json, &mut note))
        }
    };
    let value = read.map_err(|error| wrong(error.path().to_string(), error.inner()))?;
    json.end().map_err(|error| broken(&error))?;
    match unknown {
        None => Ok(value),
        Some(field) => {
            let message = format!("{field} is not a documented field");
            Err(FieldError::new(field, FieldErrorKind::NotAllowed, message).into())
        }
    }
}

/// The path of an unknown field, as paths are written in errors: `content[1].colour`.
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

/// The error of a body that is nested too deep after `before`.
fn too_deep(before: &[u8]) -> HttpError {
    let lines = before.split(|byte| *byte == b'\n');
    let column = lines.clone().next_back().map_or(0, <[u8]>::len) + 1;
    HttpError::BrokenJson { reason: nested_too_deep(), line: lines.count(), column }
}

fn broken(error: &serde_json::Error) -> HttpError {
    HttpError::BrokenJson {
        reason: match without_place(error).as_str() {
            "recursion limit exceeded" => nested_too_deep(),
            reason => reason.to_owned(),
        },
        line: error.line(),
        column: error.column().max(1),
    }
}

/// The error of serde, with the field's path.
fn wrong(path: String, error: &serde_json::Error) -> HttpError {
    if error.is_data() { wrong_field(path, error).into() } else { broken(error) }
}

/// `value`, which must be an object, as a `T`; the error names the wrong field.
pub(crate) fn from_json<T: DeserializeOwned>(value: &Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(value)
        .map(|Object(read)| read)
        .map_err(|error| wrong_field(error.path().to_string(), error.inner()))
}

fn wrong_field(path: String, error: &serde_json::Error) -> FieldError {
    let path = if path == "." { String::new() } else { path };
    let text = without_place(error);
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

/// The name that ends at the next backtick after `beginning`, and the rest of `text`.
fn quoted_after<'t>(beginning: &str, text: &'t str) -> Option<(&'t str, &'t str)> {
    text.strip_prefix(beginning)?.split_once('`')
}

fn joined(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// serde's message without ` at line 1 column 2`.
fn without_place(error: &serde_json::Error) -> String {
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
pub(super) struct Object<T>(pub(super) T);

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

/// A field that should hold a whole number (`5`, or `5.0`), not checked yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WholeNumber(Value);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self)
    }
}

impl WholeNumber {
    /// The number, if it is in `range`; the error says which numbers `field` takes.
    pub(super) fn within(
        &self,
        range: RangeInclusive<u64>,
        field: &str,
    ) -> Result<u64, FieldError> {
        let number = self.0.as_u64().or_else(|| {
            let float = self.0.as_f64().filter(|float| float.fract() == 0.0)?;
            // A whole float prints without a fraction, so its text is the number.
            format!("{float:.0}").parse().ok()
        });
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            let which = match *most {
                u64::MAX => format!("of {least} or more"),
                most => format!("from {least} to {most}"),
            };
            let kind = if self.0.is_number() {
                FieldErrorKind::BadValue
            } else {
                FieldErrorKind::WrongType
            };
            FieldError::new(field, kind, format!("{field} must be a whole number {which}"))
        })
    }
}

/// The segment of the path that the route calls `name`, percent-decoded.
pub(super) fn segment(parts: &Parts, name: &str) -> String {
    first_segment(parts, |parameter| parameter == name)
}

/// The first segment of the path whose name in the route is `wanted`. Every parameter of a route is a
/// whole segment. A segment that is not UTF-8 once decoded is read as empty: it names nothing.
#[expect(clippy::expect_used, reason = "handlers ask for parameters of their routes")]
fn first_segment(parts: &Parts, wanted: impl Fn(&str) -> bool) -> String {
    let route = RequestContext::of(&parts.extensions).taken_route();
    let parameter = |part: &str| part.strip_prefix('{')?.strip_suffix('}').map(&wanted);
    let mut segments = route.split('/').zip(parts.uri.path().split('/'));
    let segment = segments.find(|(part, _)| parameter(part) == Some(true));
    let (_, sent) = segment.expect("the route has this parameter");
    percent_decode_str(sent).decode_utf8().map_or_else(|_| String::new(), Cow::into_owned)
}

/// The first parameter of the route, which is the only one of most routes.
#[derive(Debug)]
pub(super) struct InPath<T>(pub(super) T);

impl<S: Send + Sync, T: From<String>> FromRequestParts<S> for InPath<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(T::from(first_segment(parts, |_| true))))
    }
}
