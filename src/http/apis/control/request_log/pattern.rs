//! Patterns of entries, as the parameter `match` of a query gives them (docs/control.md, "Patterns").
//!
//! A pattern is compared with the document of an entry, in which keys are blanked: matching finds out
//! nothing that the listing does not show.

use serde_json::Value;

use super::criterion::Criterion;
use super::differences::{Differences, LONGEST_VALUE, shortened, shown};
use super::pattern_reader::PatternReader;
use super::value_pattern::ValuePattern;
use crate::domain::error::{FieldError, FieldErrorKind, FieldLocation};

/// The longest text of a pattern in bytes.
const LONGEST: usize = 16 << 10;
/// The deepest nesting; the pattern itself is the first level.
const DEEPEST: usize = 32;
/// The most values, arrays and objects included.
const MOST_VALUES: usize = 1000;

/// Conditions on the document of an entry, all of which must hold.
#[derive(Debug, Default)]
pub(crate) struct EntryPattern {
    conditions: Vec<(Criterion, ValuePattern)>,
    /// The names of the conditions and what they want, as a report lists them.
    described: Vec<(String, String)>,
}

impl EntryPattern {
    /// Reads a pattern from JSON text.
    pub(crate) fn parse(text: &str) -> Result<Self, FieldError> {
        if text.len() > LONGEST {
            return Err(bad(format!("match is longer than {} KiB", LONGEST >> 10)));
        }
        let value = serde_json::from_str(text).map_err(|error| {
            let reason = error.to_string();
            // serde_json reads 127 levels.
            if reason.starts_with("recursion limit exceeded") {
                return too_deep();
            }
            bad(format!("match is not valid JSON: {reason}"))
        })?;
        Self::from_json(&value)
    }

    /// Reads a pattern from a value, which must be an object.
    pub(crate) fn from_json(value: &Value) -> Result<Self, FieldError> {
        let mut values_left = MOST_VALUES;
        check_bounds(value, DEEPEST, &mut values_left)?;
        let Value::Object(fields) = value else {
            let message = "match must be an object".to_owned();
            return Err(refusal("match", FieldErrorKind::WrongType, message));
        };
        let (mut reader, mut pattern) = (PatternReader::new(), Self::default());
        for (name, value) in fields {
            let criterion = Criterion::ALL.into_iter().find(|criterion| criterion.name() == name);
            let criterion = criterion.ok_or_else(|| unknown_field(name))?;
            pattern.conditions.push((criterion, reader.criterion(criterion, value)?));
            pattern.described.extend(described(criterion, value));
        }
        Ok(pattern)
    }

    /// Reads several patterns, all of which must match.
    pub(crate) fn all(values: &[Value]) -> Result<Self, FieldError> {
        let mut all = Self::default();
        for value in values {
            let Self { conditions, described } = Self::from_json(value)?;
            all.conditions.extend(conditions);
            all.described.extend(described);
        }
        Ok(all)
    }

    /// Whether it has no condition, so that every entry matches.
    pub(crate) fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// The names of the conditions and what they want, as text.
    pub(crate) fn described(&self) -> &[(String, String)] {
        &self.described
    }

    /// Whether an entry with this document matches.
    pub(crate) fn matches(&self, document: &Value) -> bool {
        let mut differences = Differences::at_most(0);
        self.compare(document, &mut differences);
        differences.is_empty()
    }

    /// Adds the differences of an entry with this document.
    pub(crate) fn compare(&self, document: &Value, differences: &mut Differences) {
        for (criterion, wanted) in &self.conditions {
            criterion.compare(wanted, document, differences);
        }
    }
}

/// One line for each parameter and header, and for each other criterion.
fn described(criterion: Criterion, value: &Value) -> Vec<(String, String)> {
    let name = criterion.name();
    let plain = |value: &Value| match value {
        Value::String(text) => shortened(text.clone(), LONGEST_VALUE),
        value => shown(value),
    };
    match (criterion, value) {
        (Criterion::Query | Criterion::Headers, Value::Object(fields)) => {
            fields.iter().map(|(field, value)| (format!("{name}.{field}"), plain(value))).collect()
        }
        (Criterion::Body | Criterion::Answer | Criterion::Model, value) => {
            vec![(name.to_owned(), shown(value))]
        }
        (_, value) => vec![(name.to_owned(), plain(value))],
    }
}

/// Refuses a value that is nested more than `levels` deep or has more values than are left.
fn check_bounds(value: &Value, levels: usize, values_left: &mut usize) -> Result<(), FieldError> {
    *values_left = values_left
        .checked_sub(1)
        .ok_or_else(|| bad(format!("match has more than {MOST_VALUES} values")))?;
    let is_nested = value.is_array() || value.is_object();
    if is_nested && levels == 0 {
        return Err(too_deep());
    }
    match value {
        Value::Array(items) => {
            items.iter().try_for_each(|item| check_bounds(item, levels - 1, values_left))
        }
        Value::Object(fields) => {
            fields.values().try_for_each(|field| check_bounds(field, levels - 1, values_left))
        }
        _ => Ok(()),
    }
}

fn too_deep() -> FieldError {
    bad(format!("match is nested more than {DEEPEST} levels deep"))
}

fn bad(message: String) -> FieldError {
    refusal("match", FieldErrorKind::BadValue, message)
}

fn unknown_field(name: &str) -> FieldError {
    let field = format!("match.{name}");
    let known = Criterion::ALL.map(Criterion::name).join(", ");
    let message = format!("{field} is none of {known}");
    refusal(&field, FieldErrorKind::NotAllowed, message)
}

fn refusal(field: &str, kind: FieldErrorKind, message: String) -> FieldError {
    FieldError::new(field, kind, message).in_the(FieldLocation::Query)
}

#[cfg(test)]
mod tests;
