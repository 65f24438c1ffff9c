//! Checks of filters whose result can be much larger than their arguments. They run before the filter.

use minijinja::{Error, ErrorKind, Value};

use crate::models::rules::template::budget::{
    MeteredWriter, take_bytes, take_reading, take_steps, take_values, to_u64,
};
use crate::models::rules::template::measure::measure;

/// Bounds the width and the precision of a field of `format`.
const MAX_WIDTH: usize = 10_000;

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

/// An argument by its index or its name.
fn argument(arguments: &[Value], index: usize, name: &str) -> Option<Value> {
    let named = arguments.last().filter(|last| last.is_kwargs());
    let positional = arguments.get(index).filter(|found| !found.is_kwargs());
    let named = named.and_then(|named| named.get_attr(name).ok()).filter(|it| !it.is_undefined());
    positional.cloned().or(named)
}

/// An argument that is a count; 0 if it is none, which the filter itself refuses.
fn count(arguments: &[Value], index: usize, name: &str) -> usize {
    argument(arguments, index, name).and_then(|count| count.as_usize()).unwrap_or_default()
}

/// `batch(count)` fills its last batch; `slice(count)` creates that many lists.
pub(super) fn batch(arguments: &[Value]) -> Result<(), Error> {
    take_values(count(arguments, 1, "count"))?;
    take_values(length_of(arguments))
}

/// `list` splits a text into characters.
pub(super) fn list(arguments: &[Value]) -> Result<(), Error> {
    take_values(length_of(arguments))
}

/// A filter or a test is called for each item.
pub(super) fn each_item(arguments: &[Value]) -> Result<(), Error> {
    let items = length_of(arguments);
    take_steps(to_u64(items).saturating_mul(4))?;
    take_values(items)
}

/// An escaped character takes six bytes.
pub(super) fn escape(arguments: &[Value]) -> Result<(), Error> {
    let text = text_of(arguments);
    let escaped = text.bytes().filter(|byte| b"<>&\"'/".contains(byte)).count();
    take_bytes(escaped.saturating_mul(5))
}

pub(super) fn indent(arguments: &[Value]) -> Result<(), Error> {
    let text = text_of(arguments);
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 2;
    take_bytes(count(arguments, 1, "width").saturating_mul(lines))
}

/// The replacement can be written many times.
pub(super) fn replace(arguments: &[Value]) -> Result<(), Error> {
    let text = |place: usize| arguments.get(place).and_then(Value::as_str).unwrap_or_default();
    let times = text(0).matches(text(1)).count();
    // Six times as much if it is escaped.
    take_bytes(text(2).len().saturating_mul(times).saturating_mul(6))
}

/// The separator is written between all items.
pub(super) fn join(arguments: &[Value]) -> Result<(), Error> {
    let separator = argument(arguments, 1, "d").unwrap_or_default();
    let length = plain_text(&separator, "join puts a text between items")?.len();
    let items = length_of(arguments);
    take_bytes(length.saturating_mul(items).saturating_mul(6))?;
    let size = measure(subject(arguments))?;
    let plain = size.nodes == items + 1;
    take_bytes(if plain { size.bytes } else { size.bytes.saturating_mul(6) + size.nodes * 16 })
}

/// The text of a value; an error for lists and maps, which the filter would convert to text.
fn plain_text<'v>(value: &'v Value, expected: &'static str) -> Result<&'v str, Error> {
    if value.as_object().is_some() {
        return Err(Error::new(ErrorKind::InvalidOperation, expected));
    }
    Ok(value.as_str().unwrap_or_default())
}

pub(super) fn lines(arguments: &[Value]) -> Result<(), Error> {
    let text = text_of(arguments);
    take_parts(text.bytes().filter(|byte| *byte == b'\n').count() + 1, text.len())
}

pub(super) fn split(arguments: &[Value]) -> Result<(), Error> {
    let text = text_of(arguments);
    let count = match arguments.get(1).and_then(Value::as_str) {
        Some(separator) => text.matches(separator).count(),
        None => text.split_whitespace().count(),
    };
    take_parts(count + 1, text.len())
}

/// Takes the cost of `count` texts of `bytes` in all.
fn take_parts(count: usize, bytes: usize) -> Result<(), Error> {
    take_values(count)?;
    take_bytes(count.saturating_mul(16).saturating_add(bytes))
}

/// The sum of texts or lists grows with each item.
pub(super) fn sum(arguments: &[Value]) -> Result<(), Error> {
    if argument(arguments, 2, "start").is_some_and(|start| !start.is_number()) {
        let size = measure(subject(arguments))?;
        let once = to_u64(size.nodes) + to_u64(size.bytes) / 256;
        take_steps(once.saturating_mul(to_u64(size.nodes)))?;
        take_bytes(size.bytes.saturating_mul(2))?;
    }
    Ok(())
}

/// The engine panics on a division by 0.
pub(super) fn divisor(arguments: &[Value]) -> Result<(), Error> {
    match arguments.get(1) {
        Some(divisor) if !divisor.is_true() => {
            Err(Error::new(ErrorKind::InvalidOperation, "nothing is divisible by 0"))
        }
        _ => Ok(()),
    }
}

/// A list or a map that is compared with text is converted to text before.
pub(super) fn comparison(arguments: &[Value]) -> Result<(), Error> {
    let objects = arguments.iter().filter(|argument| argument.as_object().is_some());
    for object in objects {
        let size = measure(object)?;
        take_bytes(size.bytes.saturating_add(size.nodes * 16))?;
    }
    Ok(())
}

/// Takes the bytes of the value in lines.
pub(super) fn pretty_print(arguments: &[Value]) -> Result<(), Error> {
    let value = subject(arguments);
    std::fmt::Write::write_fmt(&mut MeteredWriter(&mut NullWriter), format_args!("{value:#?}"))
        .map_err(Error::from)
}

struct NullWriter;

impl std::fmt::Write for NullWriter {
    fn write_str(&mut self, _: &str) -> std::fmt::Result {
        Ok(())
    }
}

/// Takes the bytes of the value as JSON.
pub(super) fn json(arguments: &[Value]) -> Result<(), Error> {
    let indent = match argument(arguments, 1, "indent") {
        Some(indent) if indent.is_number() => indent.as_usize().unwrap_or_default(),
        Some(indent) if indent.is_true() => 2,
        _ => 0,
    };
    json_text(subject(arguments), indent, 1)
}

fn json_text(value: &Value, indent: usize, depth: usize) -> Result<(), Error> {
    take_bytes(indent.saturating_mul(depth).saturating_add(6))?;
    if let Some(text) = value.as_str() {
        let escaped = |byte: &u8| *byte < 0x20 || b"<>&'\"\\".contains(byte);
        return take_bytes(text.len() + text.bytes().filter(escaped).count().saturating_mul(5));
    }
    if value.as_object().is_none() {
        return take_bytes(24);
    }
    let is_map = value.kind() == minijinja::value::ValueKind::Map;
    let Ok(items) = value.try_iter() else { return take_bytes(64) };
    for item in items.checked() {
        let item = item?;
        json_text(&item, indent, depth + 1)?;
        if is_map {
            json_text(&value.get_item(&item)?, indent, depth + 1)?;
        }
    }
    Ok(())
}

/// Fields are padded, and each can be the longest argument.
pub(super) fn format(arguments: &[Value]) -> Result<(), Error> {
    let pattern = plain_text(subject(arguments), "format takes a text")?;
    let mut longest = 32_usize;
    for value in arguments.iter().skip(1) {
        let size = measure(value)?;
        let text =
            if value.as_object().is_some() { size.bytes * 6 + size.nodes * 16 } else { size.bytes };
        longest = longest.max(text);
    }
    take_reading(pattern.len())?;
    for field in pattern.split('%').skip(1) {
        let mut padded = 0_usize;
        for digits in field.split(|character: char| !character.is_ascii_digit()).take(3) {
            let width = if digits.is_empty() { 0 } else { digits.parse().unwrap_or(usize::MAX) };
            padded = padded.max(width);
        }
        if padded > MAX_WIDTH || field.starts_with('*') || field.contains(".*") {
            let message =
                format!("format pads to at most {MAX_WIDTH}, by a width that is written out");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        take_bytes(longest.saturating_add(padded.saturating_mul(2)))?;
    }
    Ok(())
}
