//! Reads the values of a pattern, and refuses those that no entry can have.

use serde_json::{Map, Value};

use super::criterion::Criterion;
use super::differences::Place;
use super::value_pattern::ValuePattern;
use crate::app::request_log::{BoundedRegex, RegexError};
use crate::domain::Api;
use crate::domain::error::{FieldError, FieldErrorKind, FieldLocation};

/// The largest compiled size of all regular expressions of a pattern in bytes: the time to search an
/// entry grows with it.
const MOST_COMPILED: usize = 1 << 20;

/// An object with one field, which has one of these names, is an operator.
const OPERATORS: [&str; 3] = ["equals", "regex", "contains"];

/// What stands for a text.
const TEXT: &str = "a string or an object with one of equals, regex, contains";

/// Reads the values of one pattern.
pub(super) struct PatternReader {
    /// The bytes that compiled regular expressions may still take.
    compiled_left: usize,
}

impl PatternReader {
    pub(super) fn new() -> Self {
        Self { compiled_left: MOST_COMPILED }
    }

    /// Reads what a pattern wants of `criterion`.
    pub(super) fn criterion(
        &mut self,
        criterion: Criterion,
        value: &Value,
    ) -> Result<ValuePattern, FieldError> {
        let place = criterion.place();
        match (criterion, value) {
            (Criterion::Api, _) => self.text(value, place, |text| {
                one_of(text, &Api::ALL.map(Api::name), "runner or characters")
            }),
            (Criterion::End, _) => self.text(value, place, |text| {
                one_of(text, &["complete", "broken", "hung_up"], "complete, broken or hung_up")
            }),
            (Criterion::Method, _) => {
                self.text(value, place, |text| Ok(ValuePattern::IgnoringCase(text.to_owned())))
            }
            (Criterion::Path, _) => self.text(value, place, path),
            (Criterion::Route | Criterion::Fault, _) => {
                self.text(value, place, |text| Ok(exactly(text)))
            }
            (Criterion::Status, _) => self.status(value, place),
            (Criterion::Query, Value::String(text)) => Ok(exactly(text)),
            (Criterion::Query, Value::Object(parameters)) => {
                self.texts(parameters, place, str::to_owned)
            }
            (Criterion::Query, _) => Err(wrong_type(place, "a string or an object of parameters")),
            (Criterion::Headers, Value::Object(headers)) => {
                self.texts(headers, place, str::to_ascii_lowercase)
            }
            (Criterion::Headers, _) => Err(wrong_type(place, "an object of headers")),
            (Criterion::Body, Value::String(text)) => Ok(ValuePattern::Contains(text.clone())),
            (Criterion::Body | Criterion::Answer | Criterion::Model, _) => self.value(value, place),
        }
    }

    /// Any value, or an operator.
    fn value(&mut self, value: &Value, place: Place<'_>) -> Result<ValuePattern, FieldError> {
        if let Some((name, wanted)) = operator(value) {
            return self.operator(name, wanted, place);
        }
        match value {
            Value::Object(fields) => {
                let field = |(name, value): (&String, _)| {
                    Ok((name.clone(), self.value(value, Place::Field(&place, name))?))
                };
                fields.iter().map(field).collect::<Result<_, _>>().map(ValuePattern::Object)
            }
            Value::Array(items) => {
                let item = |(index, value)| self.value(value, Place::Item(&place, index));
                let items = items.iter().enumerate().map(item);
                items.collect::<Result<_, _>>().map(ValuePattern::Array)
            }
            scalar => Ok(ValuePattern::Exactly(scalar.clone())),
        }
    }

    /// A text, which `plain` reads, or an operator.
    fn text(
        &mut self,
        value: &Value,
        place: Place<'_>,
        plain: impl FnOnce(&str) -> Result<ValuePattern, &'static str>,
    ) -> Result<ValuePattern, FieldError> {
        match (operator(value), value) {
            (Some((name @ "equals", wanted)), _) if !wanted.is_string() => {
                Err(wrong_type(Place::Field(&place, name), "a string"))
            }
            (Some((name, wanted)), _) => self.operator(name, wanted, place),
            (None, Value::String(text)) => {
                plain(text).map_err(|wanted| refusal(FieldErrorKind::BadValue, place, wanted))
            }
            (None, _) => Err(wrong_type(place, TEXT)),
        }
    }

    /// Texts or operators by name.
    fn texts(
        &mut self,
        fields: &Map<String, Value>,
        place: Place<'_>,
        named: impl Fn(&str) -> String,
    ) -> Result<ValuePattern, FieldError> {
        let field = |(name, value): (&String, _)| {
            let name = named(name);
            let wanted = self.text(value, Place::Field(&place, &name), |text| Ok(exactly(text)))?;
            Ok((name, wanted))
        };
        fields.iter().map(field).collect::<Result<_, _>>().map(ValuePattern::Object)
    }

    /// A status as a number or a text, a class of statuses, or an operator.
    fn status(&mut self, value: &Value, place: Place<'_>) -> Result<ValuePattern, FieldError> {
        if let Some((name, wanted)) = operator(value) {
            if name == "equals" && !wanted.is_u64() {
                return Err(wrong_type(Place::Field(&place, name), "a whole number"));
            }
            return self.operator(name, wanted, place);
        }
        let status = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => match text.strip_suffix("xx").map(str::parse) {
                Some(Ok(digit @ 1..=5)) => return Ok(ValuePattern::StatusClass(digit)),
                Some(_) => None,
                None => text.parse().ok(),
            },
            _ => return Err(wrong_type(place, "a status, 2xx, 4xx and so on, or an operator")),
        };
        let status = status.filter(|status| (100..=999).contains(status));
        status.map(|status| ValuePattern::Exactly(status.into())).ok_or_else(|| {
            refusal(FieldErrorKind::BadValue, place, "a status, or 2xx, 4xx and so on")
        })
    }

    fn operator(
        &mut self,
        name: &str,
        wanted: &Value,
        place: Place<'_>,
    ) -> Result<ValuePattern, FieldError> {
        let place = Place::Field(&place, name);
        match (name, wanted) {
            ("equals", wanted) => Ok(ValuePattern::Exactly(wanted.clone())),
            ("contains", Value::String(text)) => Ok(ValuePattern::Contains(text.clone())),
            ("regex", Value::String(source)) => self.regex(source, place),
            _ => Err(wrong_type(place, "a string")),
        }
    }

    fn regex(&mut self, source: &str, place: Place<'_>) -> Result<ValuePattern, FieldError> {
        let regex = BoundedRegex::within(source, &mut self.compiled_left);
        regex.map(ValuePattern::Regex).map_err(|error| {
            let reason = match error {
                RegexError::TooManyTogether => {
                    let most = MOST_COMPILED >> 10;
                    format!("the regular expressions compile to more than {most} KiB together")
                }
                error => error.to_string(),
            };
            field_error(FieldErrorKind::BadValue, place, |field| format!("{field}: {reason}"))
        })
    }
}

/// The operator that `value` is, and what it is applied to.
fn operator(value: &Value) -> Option<(&'static str, &Value)> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    OPERATORS.into_iter().find_map(|name| Some((name, fields.get(name)?)))
}

fn exactly(text: &str) -> ValuePattern {
    ValuePattern::Exactly(Value::String(text.to_owned()))
}

fn path(text: &str) -> Result<ValuePattern, &'static str> {
    let is_path = text.starts_with(['/', '*']);
    is_path.then(|| ValuePattern::Path(text.to_owned())).ok_or("a path, which begins with /")
}

fn one_of(
    text: &str,
    names: &[&str],
    described: &'static str,
) -> Result<ValuePattern, &'static str> {
    if names.contains(&text) { Ok(exactly(text)) } else { Err(described) }
}

fn wrong_type(place: Place<'_>, wanted: &str) -> FieldError {
    refusal(FieldErrorKind::WrongType, place, wanted)
}

fn refusal(kind: FieldErrorKind, place: Place<'_>, wanted: &str) -> FieldError {
    field_error(kind, place, |field| format!("{field} must be {wanted}"))
}

fn field_error(
    kind: FieldErrorKind,
    place: Place<'_>,
    message: impl FnOnce(&str) -> String,
) -> FieldError {
    let field = format!("match.{place}");
    let message = message(&field);
    FieldError::new(field, kind, message).in_the(FieldLocation::Query)
}
