//! The filters, tests and functions that templates can use: the engine's own, each metered.

mod checks;
mod operators;

use std::collections::HashMap;
use std::sync::LazyLock;

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value, filters, tests};

use super::meter::keep;
use super::meter::keep_list;
use super::meter::measure;
use super::meter::read;
use super::meter::steps;
use super::meter::text;
use super::meter::wide;
use super::values::number_of;
use super::values::numbers_of;

/// What a filter or test does with what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OperatorKind {
    /// Looks at the outside of its subject, or passes it on.
    Outside,
    /// Calculates with numbers.
    Number,
    /// Reads text; values of other kinds are written as text before.
    Text,
    /// Reads all it is given.
    All,
    /// Compares what is in a list, each with several others.
    Sort,
    /// Puts lists together, lazily.
    Lists,
}

/// A check before the engine's own filter runs: takes what that will make.
type FilterCheck = fn(&[Value]) -> Result<(), Error>;

/// A filter or test of the engine.
struct Native {
    kind: OperatorKind,
    function: Value,
    check: Option<FilterCheck>,
}

macro_rules! table {
    ($from:ident: $($name:literal $kind:ident $function:ident $($check:path)?;)*) => {
        HashMap::from([$((
            $name,
            Native {
                kind: OperatorKind::$kind,
                function: Value::from_function($from::$function),
                check: table!(@ $($check)?),
            },
        )),*])
    };
    (@ $check:path) => { Some($check) };
    (@) => { None };
}

static FILTERS: LazyLock<HashMap<&'static str, Native>> = LazyLock::new(|| {
    table! { filters:
        "abs" Number abs;
        "attr" Outside attr;
        "batch" All batch checks::batch;
        "bool" Number bool;
        "capitalize" Text capitalize;
        "chain" Lists chain;
        "count" Outside length;
        "d" Outside default;
        "default" Outside default;
        "dictsort" Sort dictsort;
        "e" Text escape checks::escape;
        "escape" Text escape checks::escape;
        "first" Outside first;
        "float" Number float;
        "format" All format checks::format;
        "groupby" Sort groupby;
        "indent" Text indent checks::indent;
        "int" Number int;
        "items" All items;
        "join" All join checks::join;
        "last" Outside last;
        "length" Outside length;
        "lines" Text lines checks::lines;
        "list" All list checks::list;
        "lower" Text lower;
        "map" All map checks::each;
        "max" Sort max;
        "min" Sort min;
        "pprint" All pprint checks::written;
        "reject" All reject checks::each;
        "rejectattr" All rejectattr checks::each;
        "replace" Text replace checks::replace;
        "reverse" All reverse;
        "round" Number round;
        "safe" Text safe;
        "select" All select checks::each;
        "selectattr" All selectattr checks::each;
        "slice" All slice checks::batch;
        "sort" Sort sort;
        "split" Text split checks::split;
        "string" Text string;
        "sum" All sum checks::sum;
        "title" Text title;
        "tojson" All tojson checks::json;
        "trim" Text trim;
        "unique" Sort unique;
        "upper" Text upper;
        "zip" Lists zip;
    }
});

static TESTS: LazyLock<HashMap<&'static str, Native>> = LazyLock::new(|| {
    table! { tests:
        "!=" All is_ne;
        "<" All is_lt;
        "<=" All is_le;
        "==" All is_eq;
        ">" All is_gt;
        ">=" All is_ge;
        "boolean" Outside is_boolean;
        "defined" Outside is_defined;
        "divisibleby" Number is_divisibleby checks::divisor;
        "endingwith" All is_endingwith checks::brief;
        "eq" All is_eq;
        "equalto" All is_eq;
        "escaped" Outside is_safe;
        "even" Number is_even;
        "false" Outside is_false;
        "filter" Outside is_filter;
        "float" Number is_float;
        "ge" All is_ge;
        "greaterthan" All is_gt;
        "gt" All is_gt;
        "in" All is_in checks::brief;
        "int" Number is_integer;
        "integer" Number is_integer;
        "iterable" Outside is_iterable;
        "le" All is_le;
        "lessthan" All is_lt;
        "lower" All is_lower checks::brief;
        "lt" All is_lt;
        "mapping" Outside is_mapping;
        "ne" All is_ne;
        "none" Outside is_none;
        "number" Number is_number;
        "odd" Number is_odd;
        "safe" Outside is_safe;
        "sameas" All is_sameas;
        "sequence" Outside is_sequence;
        "startingwith" All is_startingwith checks::brief;
        "string" Outside is_string;
        "test" Outside is_test;
        "true" Outside is_true;
        "undefined" Outside is_undefined;
        "upper" All is_upper checks::brief;
    }
});

/// The functions that there are.
const FUNCTIONS: [&str; 4] = ["debug", "dict", "namespace", "range"];

/// Filters whose result is no longer than what they are given, or little longer.
const CHEAP: [&str; 21] = [
    "abs",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "e",
    "escape",
    "first",
    "float",
    "int",
    "last",
    "length",
    "lower",
    "round",
    "safe",
    "string",
    "title",
    "tojson",
    "trim",
    "upper",
];

pub(super) fn is_filter(name: &str) -> bool {
    FILTERS.contains_key(&*plain(name))
}

pub(super) fn is_test(name: &str) -> bool {
    TESTS.contains_key(&*plain(name))
}

pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

pub(super) fn is_cheap(filter: &str) -> bool {
    CHEAP.contains(&filter)
}

/// A name as the engine looks it up: without white space.
fn plain(name: &str) -> String {
    name.split_ascii_whitespace().collect()
}

/// An environment with everything in it, and nothing else.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    for (name, native) in &*FILTERS {
        environment.add_filter(*name, metered(native));
    }
    for (name, native) in &*TESTS {
        environment.add_test(*name, metered(native));
    }
    operators::add(&mut environment);
    environment
}

/// `native`, taking from the budget what it reads and makes.
fn metered(
    native: &'static Native,
) -> impl Fn(&mut State<'_, '_>, Rest<ValueOrKwargs>) -> Result<Value, Error> {
    move |state, arguments| {
        let mut arguments = arguments.into_values();
        for argument in &mut arguments {
            native.kind.take(argument)?;
        }
        if let Some(check) = native.check {
            check(&arguments)?;
        }
        let result = native.function.call(state, &arguments)?;
        match native.kind {
            OperatorKind::Outside | OperatorKind::Number => Ok(result),
            OperatorKind::Lists if result.as_object().is_some() => keep_list(&result),
            OperatorKind::Text | OperatorKind::All | OperatorKind::Sort | OperatorKind::Lists => {
                keep(result)
            }
        }
    }
}

impl OperatorKind {
    /// Takes what it costs to look at `argument`, and makes that ready.
    fn take(self, argument: &mut Value) -> Result<(), Error> {
        if argument.is_kwargs() {
            measure(argument)?;
            return Ok(());
        }
        match self {
            Self::Outside | Self::Number => {
                steps(1)?;
                read(argument.as_bytes().map_or(0, <[u8]>::len))?;
                if self == Self::Number && argument.kind() == ValueKind::Plain {
                    *argument = number_of(std::mem::take(argument));
                }
            }
            Self::Text if argument.as_object().is_some() => {
                *argument = text(argument)?.into();
            }
            Self::Text => {
                steps(1)?;
                read(argument.as_bytes().map_or(0, <[u8]>::len))?;
            }
            Self::All | Self::Sort | Self::Lists => {
                let size = measure(argument)?;
                read(size.bytes)?;
                if self == Self::Sort {
                    let rounds = wide(size.nodes).max(2).ilog2();
                    steps((wide(size.nodes) + wide(size.bytes) / 64) * u64::from(rounds))?;
                }
                if size.decimals {
                    *argument = numbers_of(argument);
                }
            }
        }
        Ok(())
    }
}
