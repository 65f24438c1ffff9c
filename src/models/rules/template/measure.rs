//! The size of values. What a template creates is measured, and lazy sequences become lists.

use std::collections::BTreeMap;
use std::fmt;

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, Value};

use super::budget::{Bound, MAX_DEPTH, MeteredWriter, exceed, take_bytes, take_steps, take_values};
use super::values::Decimal;

/// The size of a value, including all values in it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Size {
    /// The number of values.
    pub(super) nodes: usize,
    /// Bytes of text.
    pub(super) bytes: usize,
    /// Whether there is a [`Decimal`].
    pub(super) decimals: bool,
    /// Whether there is a namespace or `loop`.
    pub(super) has_engine_map: bool,
}

/// Measures `value`. Takes a step for each value in it.
pub(super) fn measure(value: &Value) -> Result<Size, Error> {
    let mut size = Size::default();
    add_size(value, 0, &mut size)?;
    Ok(size)
}

fn add_size(value: &Value, depth: usize, size: &mut Size) -> Result<(), Error> {
    take_steps(1)?;
    size.nodes += 1;
    match value.kind() {
        ValueKind::String | ValueKind::Bytes => {
            size.bytes += value.as_bytes().map_or(0, <[u8]>::len);
        }
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map if depth == MAX_DEPTH => {
            return Err(exceed(Bound::Depth));
        }
        ValueKind::Seq | ValueKind::Iterable => {
            if let Some(items) = items(value) {
                for item in items {
                    add_size(item, depth + 1, size)?;
                }
            } else {
                for item in value.try_iter()?.checked() {
                    add_size(&item?, depth + 1, size)?;
                }
            }
        }
        ValueKind::Map => {
            size.has_engine_map |= entries(value).is_none();
            for key in value.try_iter()?.checked() {
                let key = key?;
                add_size(&key, depth + 1, size)?;
                add_size(&value.get_item(&key)?, depth + 1, size)?;
            }
        }
        ValueKind::Plain => {
            if let Some(decimal) = value.downcast_object_ref::<Decimal>() {
                size.decimals = true;
                size.bytes += decimal.text().len();
            }
        }
        _ => {}
    }
    Ok(())
}

/// The items of a list or tuple.
fn items(value: &Value) -> Option<&[Value]> {
    let list = value.downcast_object_ref::<Vec<Value>>().map(Vec::as_slice);
    list.or_else(|| value.downcast_object_ref::<Tuple>().map(|tuple| &**tuple))
}

/// The entries of a map; `None` for a namespace and for `loop`.
fn entries(value: &Value) -> Option<&BTreeMap<Value, Value>> {
    value.downcast_object_ref()
}

/// Takes the bytes of `value` and checks its depth. A lazy sequence becomes a list.
pub(super) fn materialize(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Bytes => {
            take_bytes(value.as_bytes().map_or(0, <[u8]>::len))?;
            Ok(value)
        }
        ValueKind::Iterable => materialize_list(&value),
        ValueKind::Seq | ValueKind::Map => {
            measure(&value)?;
            take_values(value.len().unwrap_or(1))?;
            Ok(value)
        }
        _ => Ok(value),
    }
}

/// The items of `value` as a list.
pub(super) fn materialize_list(value: &Value) -> Result<Value, Error> {
    let mut list = Vec::new();
    for item in value.try_iter()?.checked() {
        take_values(1)?;
        list.push(item?);
    }
    let list = Value::from(list);
    measure(&list)?;
    Ok(list)
}

pub(super) fn text_of(value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    write_text(&mut text, value)?;
    Ok(text)
}

pub(super) fn write_text(out: &mut impl fmt::Write, value: &Value) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        take_bytes(text.len())?;
        return out.write_str(text).map_err(Error::from);
    }
    if value.as_object().is_some() {
        measure(value)?;
    }
    fmt::Write::write_fmt(&mut MeteredWriter(out), format_args!("{value}")).map_err(Error::from)
}
