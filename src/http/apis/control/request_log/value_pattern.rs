//! The values of a pattern, compared with those of an entry.

use serde_json::{Map, Value, json};

use super::differences::{Differences, Place, shown, shown_at};
use crate::app::request_log::{BoundedRegex, is_path};

/// What a value of an entry must be like.
#[derive(Debug)]
pub(super) enum ValuePattern {
    /// An object with at least these fields.
    Object(Vec<(String, Self)>),
    /// An array with as many items, each like the one here.
    Array(Vec<Self>),
    /// A value that is equal in full. Numbers are compared by value: 1 and 1.0 are equal.
    Exactly(Value),
    /// A value with this text in one of its texts.
    Contains(String),
    /// A value in one of whose texts this is found.
    Regex(BoundedRegex),
    /// This text, in any case.
    IgnoringCase(String),
    /// This path, in any encoding; with a `*` at the end, a prefix of it.
    Path(String),
    /// A status with this first digit.
    StatusClass(u64),
}

impl ValuePattern {
    /// Adds the differences of `found`, the value at `place`, if there is one.
    pub(super) fn compare(
        &self,
        found: Option<&Value>,
        place: Place<'_>,
        differences: &mut Differences,
    ) {
        match (self, found) {
            (Self::Object(fields), Some(Value::Object(found))) => {
                for (name, wanted) in fields {
                    wanted.compare(found.get(name), Place::Field(&place, name), differences);
                }
            }
            (Self::Array(items), Some(Value::Array(found))) if items.len() == found.len() => {
                for (index, (wanted, found)) in items.iter().zip(found).enumerate() {
                    wanted.compare(Some(found), Place::Item(&place, index), differences);
                }
            }
            (Self::Array(items), Some(Value::Array(found))) => {
                differences.add(place, || lengths(items.len(), found));
            }
            (Self::Exactly(wanted), Some(found)) => {
                compare_exactly(wanted, found, place, differences);
            }
            _ if found.is_some_and(|found| self.holds(found)) => {}
            _ => differences.add(place, || (self.shown(), shown_at(place, found))),
        }
    }

    /// Whether a condition on texts, paths or statuses holds.
    fn holds(&self, found: &Value) -> bool {
        match self {
            Self::Contains(wanted) => has_text(found, |text| text.contains(wanted)),
            Self::Regex(regex) => has_text(found, |text| regex.is_match(text)),
            Self::IgnoringCase(wanted) => {
                found.as_str().is_some_and(|found| found.eq_ignore_ascii_case(wanted))
            }
            Self::Path(wanted) => found.as_str().is_some_and(|found| is_path(found, wanted)),
            Self::StatusClass(digit) => found.as_u64().is_some_and(|found| found / 100 == *digit),
            Self::Object(_) | Self::Array(_) | Self::Exactly(_) => false,
        }
    }

    /// Whether it is for JSON only, and so never for a text.
    pub(super) fn is_of_json(&self) -> bool {
        match self {
            Self::Object(_) | Self::Array(_) => true,
            Self::Exactly(value) => !matches!(value, Value::String(_) | Value::Null),
            _ => false,
        }
    }

    /// What is wanted, as text.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Object(_) | Self::Array(_) => shown(&self.source()),
            Self::Exactly(value) => shown(value),
            Self::Contains(text) => format!("a text that contains {}", shown(&json!(text))),
            Self::Regex(regex) => format!("a text that matches {}", shown(&json!(regex.source()))),
            Self::IgnoringCase(text) | Self::Path(text) => shown(&json!(text)),
            Self::StatusClass(digit) => format!("{digit}xx"),
        }
    }

    /// The JSON that it was read from.
    fn source(&self) -> Value {
        match self {
            Self::Object(fields) => {
                let fields = fields.iter().map(|(name, field)| (name.clone(), field.source()));
                fields.collect::<Map<_, _>>().into()
            }
            Self::Array(items) => items.iter().map(Self::source).collect(),
            Self::Exactly(value @ (Value::Object(_) | Value::Array(_))) => json!({"equals": value}),
            Self::Exactly(value) => value.clone(),
            Self::Contains(text) => json!({"contains": text}),
            Self::Regex(regex) => json!({"regex": regex.source()}),
            Self::IgnoringCase(text) | Self::Path(text) => json!(text),
            Self::StatusClass(digit) => json!(format!("{digit}xx")),
        }
    }
}

/// Adds the differences of `found`, which must be equal to `wanted` in full.
fn compare_exactly(wanted: &Value, found: &Value, place: Place<'_>, differences: &mut Differences) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (name, value) in wanted {
                let place = Place::Field(&place, name);
                match found.get(name) {
                    Some(found) => compare_exactly(value, found, place, differences),
                    None => differences.add(place, || (shown(value), shown_at(place, None))),
                }
            }
            for (name, value) in found.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
                let place = Place::Field(&place, name);
                differences.add(place, || ("nothing".to_owned(), shown(value)));
            }
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                compare_exactly(wanted, found, Place::Item(&place, index), differences);
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            differences.add(place, || lengths(wanted.len(), found));
        }
        _ if are_equal(wanted, found) => {}
        _ => differences.add(place, || (shown(wanted), shown_at(place, Some(found)))),
    }
}

/// The difference of an array of another length.
fn lengths(wanted: usize, found: &[Value]) -> (String, String) {
    let items =
        |count: usize| if count == 1 { "1 item".to_owned() } else { format!("{count} items") };
    (items(wanted), format!("{}: {}", items(found.len()), shown(&Value::from(found))))
}

/// Whether two values are equal. Numbers are compared by value.
fn are_equal(wanted: &Value, found: &Value) -> bool {
    let is_whole = |value: &Value| value.is_i64() || value.is_u64();
    if is_whole(wanted) && is_whole(found) {
        return wanted == found;
    }
    match (wanted.as_f64(), found.as_f64()) {
        (Some(wanted), Some(found)) => wanted.total_cmp(&found).is_eq(),
        _ => wanted == found,
    }
}

/// Whether `is` holds for `value` as a text or a number, or for one of the texts in it.
fn has_text(value: &Value, is: impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Number(number) => is(&number.to_string()),
        value => one_of_texts(value, &is),
    }
}

fn one_of_texts(value: &Value, is: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is(text),
        Value::Array(items) => items.iter().any(|item| one_of_texts(item, is)),
        Value::Object(fields) => fields.values().any(|field| one_of_texts(field, is)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
