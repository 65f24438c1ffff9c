//! The operators and functions of ours that a rewritten template calls, and the formatter.

use minijinja::value::{Kwargs, Rest, Tuple, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, Value};
use minijinja::{escape_formatter, functions, tests};

use crate::models::rules::template::meter::Bounded;
use crate::models::rules::template::meter::keep;
use crate::models::rules::template::meter::keep_list;
use crate::models::rules::template::meter::made;
use crate::models::rules::template::meter::made_values;
use crate::models::rules::template::meter::measure;
use crate::models::rules::template::meter::read;
use crate::models::rules::template::meter::steps;
use crate::models::rules::template::meter::text;
use crate::models::rules::template::meter::wide;
use crate::models::rules::template::meter::write_text;
use crate::models::rules::template::values::number_of;
use crate::models::rules::template::values::numbers_of;

/// Adds all of it to `environment`.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("__step", |nodes: u64| steps(nodes).map(|()| false));
    environment.add_filter("__pass", |nodes: u64| steps(nodes).map(|()| true));
    environment.add_filter("__keep", keep);
    environment.add_filter("__iter", iterated);
    environment.add_filter("__read", read_all);
    environment.add_filter("__brief", brief);
    environment.add_filter("__num", number_of);
    environment.add_filter("__index", indexed);
    environment.add_filter("__slice", sliced);
    environment.add_filter("__member", member);
    environment.add_filter("__concat", concat);
    environment.add_filter("__add", add_up);
    environment.add_filter("__mul", multiply);
    environment.add_filter("__in", contained);
    environment.add_function("range", range);
    environment.add_function("dict", dict);
    environment.add_function("namespace", namespace);
    environment.add_function("debug", debug);
    environment.set_formatter(format);
}

/// Every value that a template writes passes here, captured or not.
fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    steps(1)?;
    match (state.auto_escape(), value.as_object().is_some()) {
        (AutoEscape::None, _) => write_text(out, value),
        (AutoEscape::Html, true) => {
            let written = Value::from(text(value)?);
            format(out, state, &written)
        }
        (_, true) => {
            let size = measure(value)?;
            made(size.bytes.saturating_mul(6).saturating_add(size.nodes * 32))?;
            escape_formatter(out, state, value)
        }
        (_, false) => {
            // A character that is escaped becomes six.
            made(value.as_bytes().map_or(32, <[u8]>::len).saturating_mul(6))?;
            escape_formatter(out, state, value)
        }
    }
}

fn iterated(value: Value) -> Result<Value, Error> {
    // The engine counts the characters of a text, and copies it.
    if let Some(text) = value.as_bytes() {
        made(text.len())?;
        read(text.len())?;
    }
    Ok(value)
}

/// `value`, all of which is read.
fn read_all(value: Value) -> Result<Value, Error> {
    let size = measure(&value)?;
    // A comparison reads faster than a filter works.
    read(size.bytes / 4)?;
    Ok(if size.decimals { numbers_of(&value) } else { value })
}

/// The same for a value that may be written as text to be compared.
fn brief(value: Value) -> Result<Value, Error> {
    if value.as_object().is_some() {
        let size = measure(&value)?;
        made(size.bytes.saturating_mul(6).saturating_add(size.nodes * 16))?;
    }
    read_all(value)
}

/// What is indexed: a text is counted through, and so is what is lazy.
fn indexed(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => read(value.as_bytes().map_or(0, <[u8]>::len))?,
        ValueKind::Iterable => steps(wide(value.len().unwrap_or_default()))?,
        _ => {}
    }
    Ok(value)
}

/// What is sliced: of a text the characters may be laid out.
fn sliced(value: Value) -> Result<Value, Error> {
    match value.as_bytes() {
        Some(text) => {
            made(text.len())?;
            read(text.len())?;
        }
        None => steps(wide(value.len().unwrap_or_default()))?,
    }
    Ok(value)
}

/// A value for a namespace. Were a namespace in it, it could come to hold itself, and would never
/// be freed.
fn member(value: Value) -> Result<Value, Error> {
    if value.as_object().is_some() && measure(&value)?.live {
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

fn is_text(value: &Value) -> Option<&str> {
    value.as_str().filter(|_| value.kind() == ValueKind::String)
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

fn add_up(left: &Value, right: &Value) -> Result<Value, Error> {
    if is_text(left).is_some() && is_text(right).is_some() {
        return concat(left, right);
    }
    if is_list(left) && is_list(right) && left.is_tuple() == right.is_tuple() {
        let mut items = Vec::new();
        for list in [left, right] {
            for item in list.try_iter()?.checked() {
                made_values(1)?;
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
        if is_text(right).is_some() || is_list(right) { (right, left) } else { (left, right) };
    if is_text(subject).is_none() && !is_list(subject) {
        return calculate("*", left, right, i128::checked_mul, |left, right| left * right);
    }
    let Some(times) = times.as_usize() else {
        let message = "texts and lists can only be multiplied with whole numbers";
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    };
    if let Some(text) = is_text(subject) {
        made(text.len().saturating_mul(times))?;
        return Ok(text.repeat(times).into());
    }
    let once = keep_list(subject)?;
    let once: Vec<Value> = once.try_iter()?.collect();
    made_values(once.len().saturating_mul(times))?;
    let items: Vec<Value> = std::iter::repeat_n(&once, times).flatten().cloned().collect();
    let list = if subject.is_tuple() { Tuple::from(items).into() } else { Value::from(items) };
    measure(&list)?;
    Ok(list)
}

/// A calculation, whole where both numbers are.
fn calculate(
    sign: &str,
    left: &Value,
    right: &Value,
    whole: fn(i128, i128) -> Option<i128>,
    float: fn(f64, f64) -> f64,
) -> Result<Value, Error> {
    let (left, right) = (number_of(left.clone()), number_of(right.clone()));
    let numeric = |value: &Value| value.is_number() || value.kind() == ValueKind::Bool;
    if !numeric(&left) || !numeric(&right) {
        let (left, right) = (left.kind(), right.kind());
        let message =
            format!("tried to use {sign} operator on unsupported types {left} and {right}");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    let is_whole = |value: &Value| value.is_integer() || value.kind() == ValueKind::Bool;
    if is_whole(&left) && is_whole(&right) {
        let failed = || {
            let message = format!("unable to calculate {left} {sign} {right}");
            Error::new(ErrorKind::InvalidOperation, message)
        };
        let pair = i128::try_from(left.clone()).ok().zip(i128::try_from(right.clone()).ok());
        let result = pair.and_then(|(left, right)| whole(left, right)).ok_or_else(failed)?;
        return Ok(i64::try_from(result).map_or_else(|_| result.into(), Value::from));
    }
    let float_of = |value: &Value| match bool::try_from(value.clone()) {
        Ok(value) => Ok(f64::from(u8::from(value))),
        Err(_) => f64::try_from(value.clone()),
    };
    Ok(float(float_of(&left)?, float_of(&right)?).into())
}

fn contained(state: &mut State<'_, '_>, item: Value, container: Value) -> Result<Value, Error> {
    let mut item = read_all(item)?;
    let container = read_all(container)?;
    if container.as_str().is_some() && item.as_object().is_some() {
        item = text(&item)?.into();
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
        made_values(1)?;
        items.push(Value::from(next));
        next = next.saturating_add(step);
    }
    Ok(items.into())
}

fn dict(value: Option<Value>, fields: Kwargs) -> Result<Value, Error> {
    keep(functions::dict(value, fields)?)
}

fn namespace(state: &mut State<'_, '_>, members: Option<ValueOrKwargs>) -> Result<Value, Error> {
    let function = Value::from_function(functions::namespace);
    let members = members.map(ValueOrKwargs::into_value);
    if let Some(members) = &members {
        for name in members.try_iter()?.checked() {
            member(members.get_item(&name?)?)?;
        }
    }
    function.call(state, members.as_slice())
}

/// What there is, written out.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands them over so")]
fn debug(state: &mut State<'_, '_>, values: Rest<Value>) -> Result<String, Error> {
    let mut written = String::new();
    let mut out = Bounded(&mut written);
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
