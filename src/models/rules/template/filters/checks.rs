//! What single filters make of little: taken from the budget before they run.

use minijinja::{Error, ErrorKind, Value};

use crate::models::rules::template::meter::Bounded;
use crate::models::rules::template::meter::made;
use crate::models::rules::template::meter::made_values;
use crate::models::rules::template::meter::measure;
use crate::models::rules::template::meter::read;
use crate::models::rules::template::meter::steps;
use crate::models::rules::template::meter::wide;

/// The most that a field of `format` is padded to, or its precision.
const WIDTH: usize = 10_000;

fn subject(arguments: &[Value]) -> &Value {
    const NONE: Value = Value::UNDEFINED;
    arguments.first().unwrap_or(&NONE)
}

/// The subject if it is a text. The filter itself refuses other values or writes them as short texts.
fn text_of(arguments: &[Value]) -> &str {
    subject(arguments).as_str().unwrap_or_default()
}

/// The length of the subject. The filter itself refuses a value without one.
fn length_of(arguments: &[Value]) -> usize {
    subject(arguments).len().unwrap_or_default()
}

/// An argument by its place, or by its name.
fn argument(arguments: &[Value], place: usize, name: &str) -> Option<Value> {
    let named = arguments.last().filter(|last| last.is_kwargs());
    let placed = arguments.get(place).filter(|found| !found.is_kwargs());
    let named = named.and_then(|named| named.get_attr(name).ok()).filter(|it| !it.is_undefined());
    placed.cloned().or(named)
}

/// A count that was asked for; what is none is refused by the filter itself.
fn count(arguments: &[Value], place: usize, name: &str) -> usize {
    argument(arguments, place, name).and_then(|count| count.as_usize()).unwrap_or_default()
}

/// How often a text that is written once for each of `times` comes to what many bytes.
fn repeated(length: usize, times: usize) -> usize {
    length.saturating_mul(times)
}

/// `batch(count)` fills its last batch up, `slice(count)` makes so many.
pub(super) fn batch(arguments: &[Value]) -> Result<(), Error> {
    made_values(count(arguments, 1, "count"))?;
    made_values(length_of(arguments))
}

/// `list` takes a text apart.
pub(super) fn list(arguments: &[Value]) -> Result<(), Error> {
    made_values(length_of(arguments))
}

/// A filter or a test is called for each item.
pub(super) fn each(arguments: &[Value]) -> Result<(), Error> {
    let items = length_of(arguments);
    steps(wide(items).saturating_mul(4))?;
    made_values(items)
}

/// Each character that is escaped becomes six.
pub(super) fn escape(arguments: &[Value]) -> Result<(), Error> {
    let text = text_of(arguments);
    let escaped = text.bytes().filter(|byte| b"<>&\"'/".contains(byte)).count();
    made(repeated(escaped, 5))
}

/// Every line is indented.
pub(super) fn indent(arguments: &[Value]) -> Result<(), Error> {
    let text = text_of(arguments);
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 2;
    made(repeated(count(arguments, 1, "width"), lines))
}

/// The text that is put in stands in many places.
pub(super) fn replace(arguments: &[Value]) -> Result<(), Error> {
    let text = |place: usize| arguments.get(place).and_then(Value::as_str).unwrap_or_default();
    let times = text(0).matches(text(1)).count();
    // Six times as much where it is escaped.
    made(repeated(text(2).len(), times).saturating_mul(6))
}

/// The text between two items stands between all.
pub(super) fn join(arguments: &[Value]) -> Result<(), Error> {
    let separator = argument(arguments, 1, "d").unwrap_or_default();
    let length = plain_text(&separator, "join puts a text between items")?.len();
    let items = length_of(arguments);
    made(repeated(length, items).saturating_mul(6))?;
    let size = measure(subject(arguments))?;
    let plain = size.nodes == items + 1;
    made(if plain { size.bytes } else { size.bytes.saturating_mul(6) + size.nodes * 16 })
}

/// The text of a value that is not made of others, which would be written as text first.
fn plain_text<'v>(value: &'v Value, expected: &'static str) -> Result<&'v str, Error> {
    if value.as_object().is_some() {
        return Err(Error::new(ErrorKind::InvalidOperation, expected));
    }
    Ok(value.as_str().unwrap_or_default())
}

/// A piece takes more than its text.
pub(super) fn lines(arguments: &[Value]) -> Result<(), Error> {
    let text = text_of(arguments);
    pieces(text.bytes().filter(|byte| *byte == b'\n').count() + 1, text.len())
}

pub(super) fn split(arguments: &[Value]) -> Result<(), Error> {
    let text = text_of(arguments);
    let count = match arguments.get(1).and_then(Value::as_str) {
        Some(separator) => text.matches(separator).count(),
        None => text.split_whitespace().count(),
    };
    pieces(count + 1, text.len())
}

fn pieces(count: usize, bytes: usize) -> Result<(), Error> {
    made_values(count)?;
    made(repeated(count, 16).saturating_add(bytes))
}

/// What it adds up may be texts or lists that grow.
pub(super) fn sum(arguments: &[Value]) -> Result<(), Error> {
    if argument(arguments, 2, "start").is_some_and(|start| !start.is_number()) {
        let size = measure(subject(arguments))?;
        let once = wide(size.nodes) + wide(size.bytes) / 256;
        steps(once.saturating_mul(wide(size.nodes)))?;
        made(size.bytes.saturating_mul(2))?;
    }
    Ok(())
}

/// Only a number that is not 0 divides.
pub(super) fn divisor(arguments: &[Value]) -> Result<(), Error> {
    match arguments.get(1) {
        Some(divisor) if !divisor.is_true() => {
            Err(Error::new(ErrorKind::InvalidOperation, "nothing is divisible by 0"))
        }
        _ => Ok(()),
    }
}

/// A list or an object that is compared with text is written as text first.
pub(super) fn brief(arguments: &[Value]) -> Result<(), Error> {
    let objects = arguments.iter().filter(|argument| argument.as_object().is_some());
    for object in objects {
        let size = measure(object)?;
        made(size.bytes.saturating_add(size.nodes * 16))?;
    }
    Ok(())
}

/// The value, spread over lines.
pub(super) fn written(arguments: &[Value]) -> Result<(), Error> {
    let value = subject(arguments);
    let mut counted = Nowhere;
    std::fmt::Write::write_fmt(&mut Bounded(&mut counted), format_args!("{value:#?}"))
        .map_err(Error::from)
}

struct Nowhere;

impl std::fmt::Write for Nowhere {
    fn write_str(&mut self, _: &str) -> std::fmt::Result {
        Ok(())
    }
}

/// The text of a value as JSON.
pub(super) fn json(arguments: &[Value]) -> Result<(), Error> {
    let indent = match argument(arguments, 1, "indent") {
        Some(indent) if indent.is_number() => indent.as_usize().unwrap_or_default(),
        Some(indent) if indent.is_true() => 2,
        _ => 0,
    };
    json_text(subject(arguments), indent, 1)
}

fn json_text(value: &Value, indent: usize, depth: usize) -> Result<(), Error> {
    made(repeated(indent, depth).saturating_add(6))?;
    if let Some(text) = value.as_str() {
        let escaped = |byte: &u8| *byte < 0x20 || b"<>&'\"\\".contains(byte);
        return made(text.len() + repeated(text.bytes().filter(escaped).count(), 5));
    }
    if value.as_object().is_none() {
        return made(24);
    }
    let is_map = value.kind() == minijinja::value::ValueKind::Map;
    let Ok(items) = value.try_iter() else { return made(64) };
    for item in items.checked() {
        let item = item?;
        json_text(&item, indent, depth + 1)?;
        if is_map {
            json_text(&value.get_item(&item)?, indent, depth + 1)?;
        }
    }
    Ok(())
}

/// Fields are padded, and any of them may be the longest of what is given.
pub(super) fn format(arguments: &[Value]) -> Result<(), Error> {
    let pattern = plain_text(subject(arguments), "format takes a text")?;
    let mut longest = 32_usize;
    for value in arguments.iter().skip(1) {
        let size = measure(value)?;
        let text =
            if value.as_object().is_some() { size.bytes * 6 + size.nodes * 16 } else { size.bytes };
        longest = longest.max(text);
    }
    read(pattern.len())?;
    for field in pattern.split('%').skip(1) {
        let mut padded = 0_usize;
        for digits in field.split(|character: char| !character.is_ascii_digit()).take(3) {
            let width = if digits.is_empty() { 0 } else { digits.parse().unwrap_or(usize::MAX) };
            padded = padded.max(width);
        }
        if padded > WIDTH || field.starts_with('*') || field.contains(".*") {
            let message = format!("format pads to at most {WIDTH}, by a width that is written out");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        made(longest.saturating_add(padded.saturating_mul(2)))?;
    }
    Ok(())
}
