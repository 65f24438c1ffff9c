//! What a render may take, and what it has taken.
//!
//! The engine hands nothing of ours to filters and the formatter, so the budget of the reply that
//! is being rendered lives in a thread-local for as long as the render runs ([`within`]). A render
//! is synchronous and never leaves its thread.

use std::cell::Cell;
use std::fmt;

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::values::Decimal;

/// Steps that the templates of one reply may take: a node of a loop's or macro's body that is
/// passed, a value that is looked at, or 256 bytes that a filter reads is one.
pub const STEPS: u64 = 1_000_000;

/// Bytes of text and values that the templates of one reply may make.
pub const BYTES: u64 = 32 << 20;

/// How deep values may nest. JSON is read to a depth of 128.
const DEPTH: usize = 130;

/// Bytes that a value takes in a list, rounded up.
const NODE: u64 = 32;

/// What the templates of one reply may still take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    steps: u64,
    bytes: u64,
    exceeded: Option<Bound>,
}

/// A bound that a render has met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// [`STEPS`].
    Steps,
    /// [`BYTES`].
    Bytes,
    /// The depth of values.
    Depth,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps => write!(f, "the template exceeds its budget of {STEPS} steps"),
            Self::Bytes => {
                write!(
                    f,
                    "the template exceeds its budget of {} MiB of text and values",
                    BYTES >> 20
                )
            }
            Self::Depth => {
                write!(f, "the template makes values that nest deeper than {DEPTH} levels")
            }
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: STEPS, bytes: BYTES, exceeded: None }
    }
}

impl Budget {
    /// The bound that was met, if one was.
    pub(super) fn exceeded(&self) -> Option<Bound> {
        self.exceeded
    }
}

const NOTHING: Budget = Budget { steps: 0, bytes: 0, exceeded: None };

thread_local! {
    static METER: Cell<Budget> = const { Cell::new(NOTHING) };
}

/// Puts the budget back when the render ends, by a panic too.
struct MeterScope<'b>(&'b mut Budget);

impl Drop for MeterScope<'_> {
    fn drop(&mut self) {
        *self.0 = METER.replace(NOTHING);
    }
}

/// Runs `render`, which takes from `budget`.
pub(super) fn within<T>(budget: &mut Budget, render: impl FnOnce() -> T) -> T {
    METER.set(*budget);
    let _scope = MeterScope(budget);
    render()
}

/// The error of a render that met `bound`.
#[cold]
fn exceed(bound: Bound) -> Error {
    let mut left = METER.get();
    left.exceeded.get_or_insert(bound);
    METER.set(left);
    Error::new(ErrorKind::InvalidOperation, bound.to_string())
}

/// Takes `count` steps.
pub(super) fn steps(count: u64) -> Result<(), Error> {
    let mut left = METER.get();
    match left.steps.checked_sub(count) {
        Some(steps) => {
            left.steps = steps;
            METER.set(left);
            Ok(())
        }
        None => Err(exceed(Bound::Steps)),
    }
}

/// Takes `count` bytes of what may be made.
pub(super) fn made(count: usize) -> Result<(), Error> {
    let mut left = METER.get();
    match left.bytes.checked_sub(wide(count)) {
        Some(bytes) => {
            left.bytes = bytes;
            METER.set(left);
            Ok(())
        }
        None => Err(exceed(Bound::Bytes)),
    }
}

/// Takes the bytes of `count` values in a list.
pub(super) fn made_values(count: usize) -> Result<(), Error> {
    steps(wide(count))?;
    made(usize::try_from(wide(count).saturating_mul(NODE)).unwrap_or(usize::MAX))
}

/// Takes the steps of reading `count` bytes of text.
pub(super) fn read(count: usize) -> Result<(), Error> {
    steps(wide(count) / 256)
}

pub(super) fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// What a value holds, everything in it included.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Size {
    /// Values.
    pub(super) nodes: usize,
    /// Bytes of text.
    pub(super) bytes: usize,
    /// Whether a [`Decimal`] is among them.
    pub(super) decimals: bool,
    /// Whether there is a map of the engine's own: a namespace or `loop`.
    pub(super) live: bool,
}

/// Looks at all of `value`: a step each.
pub(super) fn measure(value: &Value) -> Result<Size, Error> {
    let mut size = Size::default();
    walk(value, 0, &mut size)?;
    Ok(size)
}

fn walk(value: &Value, depth: usize, size: &mut Size) -> Result<(), Error> {
    steps(1)?;
    size.nodes += 1;
    match value.kind() {
        ValueKind::String | ValueKind::Bytes => {
            size.bytes += value.as_bytes().map_or(0, <[u8]>::len);
        }
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map if depth == DEPTH => {
            return Err(exceed(Bound::Depth));
        }
        ValueKind::Seq | ValueKind::Iterable => {
            if let Some(items) = items(value) {
                for item in items {
                    walk(item, depth + 1, size)?;
                }
            } else {
                for item in value.try_iter()?.checked() {
                    walk(&item?, depth + 1, size)?;
                }
            }
        }
        ValueKind::Map => {
            size.live |= entries(value).is_none();
            for key in value.try_iter()?.checked() {
                let key = key?;
                walk(&key, depth + 1, size)?;
                walk(&value.get_item(&key)?, depth + 1, size)?;
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

/// The entries of a map that is nothing but data.
fn entries(value: &Value) -> Option<&std::collections::BTreeMap<Value, Value>> {
    value.downcast_object_ref()
}

/// `value` as it may be kept: its bytes are taken, it is not too deep, and what is lazy is a list.
pub(super) fn keep(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Bytes => {
            made(value.as_bytes().map_or(0, <[u8]>::len))?;
            Ok(value)
        }
        ValueKind::Iterable => keep_list(&value),
        ValueKind::Seq | ValueKind::Map => {
            measure(&value)?;
            made_values(value.len().unwrap_or(1))?;
            Ok(value)
        }
        _ => Ok(value),
    }
}

/// What `value` iterates over, as a list.
pub(super) fn keep_list(value: &Value) -> Result<Value, Error> {
    let mut list = Vec::new();
    for item in value.try_iter()?.checked() {
        made_values(1)?;
        list.push(item?);
    }
    let list = Value::from(list);
    measure(&list)?;
    Ok(list)
}

/// Writes no more than may be made.
pub(super) struct Bounded<'w, W>(pub(super) &'w mut W);

impl<W: fmt::Write> fmt::Write for Bounded<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        made(text.len()).map_err(|_| fmt::Error)?;
        self.0.write_str(text)
    }
}

/// The text that `value` is written as.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    write_text(&mut text, value)?;
    Ok(text)
}

/// Writes `value` as text.
pub(super) fn write_text(out: &mut impl fmt::Write, value: &Value) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        made(text.len())?;
        return out.write_str(text).map_err(Error::from);
    }
    if value.as_object().is_some() {
        measure(value)?;
    }
    fmt::Write::write_fmt(&mut Bounded(out), format_args!("{value}")).map_err(Error::from)
}
