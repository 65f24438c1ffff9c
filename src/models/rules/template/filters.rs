//! The filters, tests and functions that templates can use: those of the engine, metered.

mod checks;
mod operators;

use std::collections::HashMap;
use std::sync::LazyLock;

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value, filters, tests};

use super::budget::{take_reading, take_steps, to_u64};
use super::measure::{materialize, materialize_list, measure, text_of};
use super::values::{to_number, to_numbers};

/// What a filter or test does with its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Reads no more than the kind, length or one item of a value.
    Shallow,
    /// Reads numbers.
    Number,
    /// Reads text. Values of other kinds are converted to text before.
    Text,
    /// Reads all values in its arguments.
    Deep,
    /// Compares the items of a list, each with several others.
    Sort,
    /// Combines lists lazily.
    Lists,
}

/// Runs before the filter of the engine. Takes the bytes and steps that the filter will need.
type FilterCheck = fn(&[Value]) -> Result<(), Error>;

/// A filter or test of the engine.
struct EngineFunction {
    access: Access,
    function: Value,
    check: Option<FilterCheck>,
}

macro_rules! table {
    ($from:ident: $($name:literal $access:ident $function:ident $($check:path)?;)*) => {
        HashMap::from([$((
            $name,
            EngineFunction {
                access: Access::$access,
                function: Value::from_function($from::$function),
                check: table!(@ $($check)?),
            },
        )),*])
    };
    (@ $check:path) => { Some($check) };
    (@) => { None };
}

static FILTERS: LazyLock<HashMap<&'static str, EngineFunction>> = LazyLock::new(|| {
    table! { filters:
        "abs" Number abs;
        "attr" Shallow attr;
        "batch" Deep batch checks::batch;
        "bool" Number bool;
        "capitalize" Text capitalize;
        "chain" Lists chain;
        "count" Shallow length;
        "d" Shallow default;
        "default" Shallow default;
        "dictsort" Sort dictsort;
        "e" Text escape checks::escape;
        "escape" Text escape checks::escape;
        "first" Shallow first;
        "float" Number float;
        "format" Deep format checks::format;
        "groupby" Sort groupby;
        "indent" Text indent checks::indent;
        "int" Number int;
        "items" Deep items;
        "join" Deep join checks::join;
        "last" Shallow last;
        "length" Shallow length;
        "lines" Text lines checks::lines;
        "list" Deep list checks::list;
        "lower" Text lower;
        "map" Deep map checks::each_item;
        "max" Sort max;
        "min" Sort min;
        "pprint" Deep pprint checks::pretty_print;
        "reject" Deep reject checks::each_item;
        "rejectattr" Deep rejectattr checks::each_item;
        "replace" Text replace checks::replace;
        "reverse" Deep reverse;
        "round" Number round;
        "safe" Text safe;
        "select" Deep select checks::each_item;
        "selectattr" Deep selectattr checks::each_item;
        "slice" Deep slice checks::batch;
        "sort" Sort sort;
        "split" Text split checks::split;
        "string" Text string;
        "sum" Deep sum checks::sum;
        "title" Text title;
        "tojson" Deep tojson checks::json;
        "trim" Text trim;
        "unique" Sort unique;
        "upper" Text upper;
        "zip" Lists zip;
    }
});

static TESTS: LazyLock<HashMap<&'static str, EngineFunction>> = LazyLock::new(|| {
    table! { tests:
        "!=" Deep is_ne;
        "<" Deep is_lt;
        "<=" Deep is_le;
        "==" Deep is_eq;
        ">" Deep is_gt;
        ">=" Deep is_ge;
        "boolean" Shallow is_boolean;
        "defined" Shallow is_defined;
        "divisibleby" Number is_divisibleby checks::divisor;
        "endingwith" Deep is_endingwith checks::comparison;
        "eq" Deep is_eq;
        "equalto" Deep is_eq;
        "escaped" Shallow is_safe;
        "even" Number is_even;
        "false" Shallow is_false;
        "filter" Shallow is_filter;
        "float" Number is_float;
        "ge" Deep is_ge;
        "greaterthan" Deep is_gt;
        "gt" Deep is_gt;
        "in" Deep is_in checks::comparison;
        "int" Number is_integer;
        "integer" Number is_integer;
        "iterable" Shallow is_iterable;
        "le" Deep is_le;
        "lessthan" Deep is_lt;
        "lower" Deep is_lower checks::comparison;
        "lt" Deep is_lt;
        "mapping" Shallow is_mapping;
        "ne" Deep is_ne;
        "none" Shallow is_none;
        "number" Number is_number;
        "odd" Number is_odd;
        "safe" Shallow is_safe;
        "sameas" Deep is_sameas;
        "sequence" Shallow is_sequence;
        "startingwith" Deep is_startingwith checks::comparison;
        "string" Shallow is_string;
        "test" Shallow is_test;
        "true" Shallow is_true;
        "undefined" Shallow is_undefined;
        "upper" Deep is_upper checks::comparison;
    }
});

const FUNCTIONS: [&str; 4] = ["debug", "dict", "namespace", "range"];

/// Filters whose result is at most a few times as long as their arguments.
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
    FILTERS.contains_key(&*without_spaces(name))
}

pub(super) fn is_test(name: &str) -> bool {
    TESTS.contains_key(&*without_spaces(name))
}

pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

pub(super) fn is_cheap(filter: &str) -> bool {
    CHEAP.contains(&filter)
}

/// The name without white space, as the engine looks it up.
fn without_spaces(name: &str) -> String {
    name.split_ascii_whitespace().collect()
}

/// An environment with these filters, tests and functions only.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    for (name, function) in &*FILTERS {
        environment.add_filter(*name, metered(function));
    }
    for (name, function) in &*TESTS {
        environment.add_test(*name, metered(function));
    }
    operators::add(&mut environment);
    environment
}

/// A function of the engine that takes from the budget what it reads and creates.
fn metered(
    engine: &'static EngineFunction,
) -> impl Fn(&mut State<'_, '_>, Rest<ValueOrKwargs>) -> Result<Value, Error> {
    move |state, arguments| {
        let mut arguments = arguments.into_values();
        for argument in &mut arguments {
            engine.access.charge(argument)?;
        }
        if let Some(check) = engine.check {
            check(&arguments)?;
        }
        let result = engine.function.call(state, &arguments)?;
        match engine.access {
            Access::Shallow | Access::Number => Ok(result),
            Access::Lists if result.as_object().is_some() => materialize_list(&result),
            Access::Text | Access::Deep | Access::Sort | Access::Lists => materialize(result),
        }
    }
}

impl Access {
    /// Takes the cost of reading `argument`, and converts it to what the function can read.
    fn charge(self, argument: &mut Value) -> Result<(), Error> {
        if argument.is_kwargs() {
            measure(argument)?;
            return Ok(());
        }
        match self {
            Self::Shallow | Self::Number => {
                take_steps(1)?;
                take_reading(argument.as_bytes().map_or(0, <[u8]>::len))?;
                if self == Self::Number && argument.kind() == ValueKind::Plain {
                    *argument = to_number(std::mem::take(argument));
                }
            }
            Self::Text if argument.as_object().is_some() => {
                *argument = text_of(argument)?.into();
            }
            Self::Text => {
                take_steps(1)?;
                take_reading(argument.as_bytes().map_or(0, <[u8]>::len))?;
            }
            Self::Deep | Self::Sort | Self::Lists => {
                let size = measure(argument)?;
                take_reading(size.bytes)?;
                if self == Self::Sort {
                    let rounds = to_u64(size.nodes).max(2).ilog2();
                    take_steps((to_u64(size.nodes) + to_u64(size.bytes) / 64) * u64::from(rounds))?;
                }
                if size.decimals {
                    *argument = to_numbers(argument);
                }
            }
        }
        Ok(())
    }
}
