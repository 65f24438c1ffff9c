//! The filters and functions of this crate that a rewritten template calls, and the formatter.

use minijinja::value::{Kwargs, Rest, Tuple, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, Value};
use minijinja::{escape_formatter, functions, tests};

use crate::models::rules::template::budget::{
    MeteredWriter, take_bytes, take_reading, take_steps, take_values, to_u64,
};
use crate::models::rules::template::measure::{
    materialize, materialize_list, measure, text_of, write_text,
};
use crate::models::rules::template::values::{to_number, to_numbers};

pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("__step", |nodes: u64| take_steps(nodes).map(|()| false));
    environment.add_filter("__pass", |nodes: u64| take_steps(nodes).map(|()| true));
    environment.add_filter("__keep", materialize);
    environment.add_filter("__iter", iterate);
    environment.add_filter("__read", read_deep);
    environment.add_filter("__brief", compare_as_text);
    environment.add_filter("__num", to_number);
    environment.add_filter("__index", index);
    environment.add_filter("__slice", slice);
    environment.add_filter("__member", namespace_member);
    environment.add_filter("__concat", concat);
    environment.add_filter("__add", add_values);
    environment.add_filter("__mul", multiply);
    environment.add_filter("__in", contains);
    environment.add_function("range", range);
    environment.add_function("dict", dict);
    environment.add_function("namespace", namespace);
    environment.add_function("debug", debug);
    environment.set_formatter(format);
}

/// Writes a value, to the output or to captured text.
fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    take_steps(1)?;
    match (state.auto_escape(), value.as_object().is_some()) {
        (AutoEscape::None, _) => write_text(out, value),
        (AutoEscape::Html, true) => {
            let written = Value::from(text_of(value)?);
            format(out, state, &written)
        }
        (_, true) => {
            let size = measure(value)?;
            take_bytes(size.bytes.saturating_mul(6).saturating_add(size.nodes * 32))?;
            escape_formatter(out, state, value)
        }
        (_, false) => {
            // An escaped character takes six bytes.
            take_bytes(value.as_bytes().map_or(32, <[u8]>::len).saturating_mul(6))?;
            escape_formatter(out, state, value)
        }
    }
}

fn iterate(value: Value) -> Result<Value, Error> {
    // The engine counts the characters of a text and copies it.
    if let Some(text) = value.as_bytes() {
        take_bytes(text.len())?;
        take_reading(text.len())?;
    }
    Ok(value)
}

/// Takes the cost of reading all of `value`.
fn read_deep(value: Value) -> Result<Value, Error> {
    let size = measure(&value)?;
    // A comparison reads faster than a filter.
    take_reading(size.bytes / 4)?;
    Ok(if size.decimals { to_numbers(&value) } else { value })
}

/// Like [`read_deep`], for a value that a comparison may convert to text.
fn compare_as_text(value: Value) -> Result<Value, Error> {
    if value.as_object().is_some() {
        let size = measure(&value)?;
        take_bytes(size.bytes.saturating_mul(6).saturating_add(size.nodes * 16))?;
    }
    read_deep(value)
}

/// Takes the cost of finding an index: the engine counts through texts and lazy sequences.
fn index(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => take_reading(value.as_bytes().map_or(0, <[u8]>::len))?,
        ValueKind::Iterable => take_steps(to_u64(value.len().unwrap_or_default()))?,
        _ => {}
    }
    Ok(value)
}

/// Takes the cost of a slice: the engine may copy the characters of a text.
fn slice(value: Value) -> Result<Value, Error> {
    match value.as_bytes() {
        Some(text) => {
            take_bytes(text.len())?;
            take_reading(text.len())?;
        }
        None => take_steps(to_u64(value.len().unwrap_or_default()))?,
    }
    Ok(value)
}

/// Checks a value for a namespace. A namespace that contains itself would never be freed.
fn namespace_member(value: Value) -> Result<Value, Error> {
    if value.as_object().is_some() && measure(&value)?.has_engine_map {
        let message = "a namespace cannot hold another namespace, or `loop`";
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(value)
}

fn concat(left: &Value, right: &Value) -> Result<Value, Error> {
    let mut joined = String::new();
    write_text(&mut joined, left)?;
    write_text(&mut joined, right)?;
    Ok(joined.into())
}

fn as_text(value: &Value) -> Option<&str> {
    value.as_str().filter(|_| value.kind() == ValueKind::String)
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

fn add_values(left: &Value, right: &Value) -> Result<Value, Error> {
    if as_text(left).is_some() && as_text(right).is_some() {
        return concat(left, right);
    }
    if is_list(left) && is_list(right) && left.is_tuple() == right.is_tuple() {
        let mut items = Vec::new();
        for list in [left, right] {
            for item in list.try_iter()?.checked() {
                take_values(1)?;
                items.push(item?);
            }
        }
        let list = if left.is_tuple() { Tuple::from(items).into() } else { Value::from(items) };
        measure(&list)?;
        return Ok(list);
    }
    calculate("+", left, right, i128::checked_add, |left, right| left + right)
}

fn multiply(left: &Value, right: &Value) -> Result<Value, Error> {
    let (subject, times) =
        if as_text(right).is_some() || is_list(right) { (right, left) } else { (left, right) };
    if as_text(subject).is_none() && !is_list(subject) {
        return calculate("*", left, right, i128::checked_mul, |left, right| left * right);
    }
    let Some(times) = times.as_usize() else {
        let message = "texts and lists can only be multiplied with whole numbers";
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    };
    if let Some(text) = as_text(subject) {
        take_bytes(text.len().saturating_mul(times))?;
        return Ok(text.repeat(times).into());
    }
    let once = materialize_list(subject)?;
    let once: Vec<Value> = once.try_iter()?.collect();
    take_values(once.len().saturating_mul(times))?;
    let items: Vec<Value> = std::iter::repeat_n(&once, times).flatten().cloned().collect();
    let list = if subject.is_tuple() { Tuple::from(items).into() } else { Value::from(items) };
    measure(&list)?;
    Ok(list)
}

/// A calculation: with integers if both numbers are integers.
fn calculate(
    sign: &str,
    left: &Value,
    right: &Value,
    integer: fn(i128, i128) -> Option<i128>,
    float: fn(f64, f64) -> f64,
) -> Result<Value, Error> {
    let (left, right) = (to_number(left.clone()), to_number(right.clone()));
    let numeric = |value: &Value| value.is_number() || value.kind() == ValueKind::Bool;
    if !numeric(&left) || !numeric(&right) {
        let (left, right) = (left.kind(), right.kind());
        let message =
            format!("tried to use {sign} operator on unsupported types {left} and {right}");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    let is_integer = |value: &Value| value.is_integer() || value.kind() == ValueKind::Bool;
    if is_integer(&left) && is_integer(&right) {
        let failed = || {
            let message = format!("unable to calculate {left} {sign} {right}");
            Error::new(ErrorKind::InvalidOperation, message)
        };
        let pair = i128::try_from(left.clone()).ok().zip(i128::try_from(right.clone()).ok());
        let result = pair.and_then(|(left, right)| integer(left, right)).ok_or_else(failed)?;
        return Ok(i64::try_from(result).map_or_else(|_| result.into(), Value::from));
    }
    let float_of = |value: &Value| match bool::try_from(value.clone()) {
        Ok(value) => Ok(f64::from(u8::from(value))),
        Err(_) => f64::try_from(value.clone()),
    };
    Ok(float(float_of(&left)?, float_of(&right)?).into())
}

fn contains(state: &mut State<'_, '_>, item: Value, container: Value) -> Result<Value, Error> {
    let mut item = read_deep(item)?;
    let container = read_deep(container)?;
    if container.as_str().is_some() && item.as_object().is_some() {
        item = text_of(&item)?.into();
    }
    Value::from_function(tests::is_in).call(state, &[item, container])
}

fn range(lower: i64, upper: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (start, end) = upper.map_or((0, lower), |upper| (lower, upper));
    let step = step.unwrap_or(1);
    if step == 0 {
        let message = "cannot create range with step of 0";
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    let distance = if step > 0 {
        i128::from(end) - i128::from(start)
    } else {
        i128::from(start) - i128::from(end)
    };
    let count = distance.max(0).unsigned_abs().div_ceil(u128::from(step.unsigned_abs()));
    let Some(count) = usize::try_from(count).ok().filter(|count| *count <= 100_000) else {
        return Err(Error::new(ErrorKind::InvalidOperation, "range has too many elements"));
    };
    let mut items = Vec::new();
    let mut next = start;
    while items.len() < count {
        take_values(1)?;
        items.push(Value::from(next));
        next = next.saturating_add(step);
    }
    Ok(items.into())
}

fn dict(value: Option<Value>, fields: Kwargs) -> Result<Value, Error> {
    materialize(functions::dict(value, fields)?)
}

fn namespace(state: &mut State<'_, '_>, members: Option<ValueOrKwargs>) -> Result<Value, Error> {
    let function = Value::from_function(functions::namespace);
    let members = members.map(ValueOrKwargs::into_value);
    if let Some(members) = &members {
        for name in members.try_iter()?.checked() {
            namespace_member(members.get_item(&name?)?)?;
        }
    }
    function.call(state, members.as_slice())
}

/// The text of `values`; of all variables if there are none.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes values")]
fn debug(state: &mut State<'_, '_>, values: Rest<Value>) -> Result<String, Error> {
    let mut written = String::new();
    let mut out = MeteredWriter(&mut written);
    let values: &[Value] = &values;
    for value in values {
        measure(value)?;
    }
    match values {
        [] => {
            for name in state.known_variables() {
                if let Some(value) = state.lookup(&name) {
                    measure(&value)?;
                }
            }
            std::fmt::Write::write_fmt(&mut out, format_args!("{state:#?}"))
        }
        [value] => std::fmt::Write::write_fmt(&mut out, format_args!("{value:#?}")),
        values => std::fmt::Write::write_fmt(&mut out, format_args!("{values:#?}")),
    }
    .map_err(Error::from)?;
    Ok(written)
}
