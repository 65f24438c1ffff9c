//! Templates within bounds: refused templates, failing renders, and unchanged output of all others.

use std::thread;

use minijinja::{Environment, UndefinedBehavior, Value, context};
use proptest::prelude::*;

use super::budget::{Budget, with_budget};
use super::*;

/// Threads have 2 MiB, a part of which is used before templates are compiled and rendered.
const STACK: usize = 1536 << 10;

fn compile(source: &str) -> Result<CompiledTemplate, CompileError> {
    CompiledTemplate::new(source)
}

fn prompt_values() -> Value {
    context! {
        message => context!(text => "Hello <b>World</b>, hello!", parts => [context!(type => "text")]),
        history => [context!(role => "user", text => "one"), context!(role => "assistant", text => "two")],
        variables => object(&serde_json::from_str(VARIABLES).unwrap()),
        turn => 2,
    }
}

const VARIABLES: &str = r#"{"N": 7, "PRICE": 1.10, "BIG": 18446744073709551616, "EXP": 1e2,
    "TONE": "warm", "LIST": [3, 1, 2], "MAP": {"a": 1, "b": [1.50]}, "HALF": 0.5, "NO": null}"#;

/// The output of the engine without rewriting.
fn unmetered(source: &str) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_syntax(SYNTAX.clone());
    environment.add_template(TEMPLATE_NAME, source)?;
    environment.get_template(TEMPLATE_NAME)?.render(prompt_values())
}

fn render(source: &str) -> Result<String, RenderError> {
    compile(source).unwrap().render(prompt_values(), &mut Budget::default())
}

fn rendered(source: &str) -> String {
    render(source).unwrap_or_else(|error| panic!("{source}: {error}"))
}

#[test]
fn rewriting_does_not_change_the_output() {
    for source in [
        "Plain {{ message.text }}.\n",
        "{{ message.text|upper|replace('L', '1')|length }}",
        "{% for i in range(5) %}{{ i }}{{ ', ' if not loop.last }}{% endfor %}",
        "{% for i in [3, 1, 2]|sort if i > 1 %}{{ i }}{% else %}none{% endfor %}",
        "{% for x in [] %}a{% else %}none{% endfor %}",
        "{% for a, b in [(1, 2), (3, 4)] %}{{ a + b }}{% endfor %}",
        "{% set ns = namespace(total=0) %}{% for i in range(4) %}{% set ns.total = ns.total + i %}{% endfor %}{{ ns.total }}",
        "{% macro greet(name, mark='!') %}Hi {{ name }}{{ mark }}{% endmacro %}{{ greet('a') }}{{ greet('b', mark='?') }}",
        "{% macro twice() %}{{ caller() }}{{ caller() }}{% endmacro %}{% call twice() %}x{% endcall %}",
        "{% macro down(n) %}{{ n }}{% if n > 0 %}{{ down(n - 1) }}{% endif %}{% endmacro %}{{ down(3) }}",
        "{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}",
        "{% set text %}a{{ 1 }}b{% endset %}{{ text|upper }}",
        "{% set text | upper | trim %} a{{ 1 }}b {% endset %}{{ text }}",
        "{% filter upper %}abc{{ turn }}{% endfilter %}",
        "{% with a = 1, b = 2 %}{{ a + b * 3 - 4 / 2 // 1 % 5 ** 1 }}{% endwith %}",
        "{% if turn == 1 %}one{% elif turn == 2 and not false %}two{% elif turn %}x{% else %}many{% endif %}",
        "{% if turn == 1 %}one{% else %}{% if turn == 3 %}y{% else %}z{% endif %}w{% endif %}",
        "{{ 'a' ~ 1 ~ none ~ true ~ [1, 'x'] }}",
        "{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 'a' in 'abc' }} {{ 4 not in [1, 2] }} {{ 1 == 1.0 }}",
        "{{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ [1] * 2 }} {{ (1,) * 2 }} {{ [1] + [2] }} {{ 2 * 3.5 }}",
        "{{ -turn }} {{ -(1 + 2) }} {{ - 3|abs }} {{ not turn }} {{ (1, 2)|length }} {{ () }} {{ (1,) }}",
        "{{ {'a': 1, 'b': [2]}.b[0] }} {{ variables['TONE'][1:3] }} {{ [1, 2, 3][::-1] }} {{ 'abc'[-1] }}",
        "{{ variables.LIST|sort|join('-') }} {{ variables.LIST|map('string')|list }}",
        "{{ history|map(attribute='text')|join(', ') }} {{ history|selectattr('role', 'eq', 'user')|list|length }}",
        "{{ 'yes' if turn > 1 else 'no' }}{{ 'x' if turn > 9 }}{{ 'a' if no else 'b' if turn else 'c' }}",
        "{{ nothing.at.all }}{{ nothing is defined }}{{ nothing|default('d') }}",
        "{{ message.parts[0].type }} {{ dict(a=1, b=2)|dictsort }} {{ 'x=%s y=%05.1f'|format('a', 2.25) }}",
        "{% raw %}{{ not this }}{% endraw %} \"quoted\" \\ back\r\n\t",
        "{%- if true -%}  a  {%- endif -%}  b",
        "{# comment #}a{#- another -#} b",
        "{% autoescape true %}{{ message.text }}{{ '<i>'|safe }}{% endautoescape %}{{ message.text|e }}",
        "{{ 'a,b,c'|split(',')|last }} {{ [1, 2, 3, 4, 5]|batch(2)|list }} {{ range(1, 10, 3)|sum }}",
        "{{ range(5, 0, -2)|list }} {{ [1, 2]|zip([3, 4])|list }} {{ [1]|chain([2])|list }}",
        "{{ {'b': 1, 'a': [1, {'c': '<'}]}|tojson }} {{ [1]|tojson(indent=2) }} {{ 'x\ny'|indent(2, true) }}",
        "{{ [{'k': 1, 'v': 'a'}, {'k': 1, 'v': 'b'}]|groupby('k')|length }} {{ ['a', 'A', 'b']|unique|list }}",
        "{% for g in [{'k': 1}, {'k': 2}]|groupby('k') %}{{ g.grouper }}{{ g.list|length }}{% endfor %}",
        "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set ns = namespace() %}{% set ns.x, ns.y = 3, 4 %}{{ ns.x }}{{ ns.y }}",
        "{% do range(2) %}{{ loop is defined }}{{ 0x1f }} {{ 1_000 }} {{ 1e3 }} {{ 'a' 'b' }}",
        "{{ 3 is divisibleby 3 }} {{ 3 is odd }} {{ turn is number and turn is not string }} {{ 1 is eq 1 }}",
        "{% set f = range %}{{ f(3)|list }} {{ (range)(2)|list }} {{ {'r': range}.r(2)|list }} {{ range(*[1, 3])|list }}",
        "{% for c in 'häß' %}{{ loop.index }}{{ c }}{{ loop.cycle('x', 'y') }}{% endfor %}",
        "{{ [1, 2, 3]|first }} {{ 'abc'|reverse }} {{ [1, 2]|reverse|list }} {{ {'a': 1}|items|list }} {{ 2.5|round }}",
        "{{ true + 1 }} {{ 9223372036854775807 + 1 }} {{ 1 + 1.5 }} {{ 5 // 2 }} {{ 2 ** 10 }}",
    ] {
        let plain = unmetered(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(rendered(source), plain, "{source}");
    }
}

#[test]
fn numbers_are_written_as_they_were_sent() {
    let source = "{{ variables.N }} {{ variables.PRICE }} {{ variables.BIG }} {{ variables.EXP }} {{ variables.HALF }} {{ variables.MAP }}";
    assert_eq!(rendered(source), "7 1.10 18446744073709551616 1e2 0.5 {'a': 1, 'b': [1.50]}");
    let source = "{{ variables.PRICE * 2 }} {{ variables.PRICE + 1 }} {{ variables.EXP - 1 }} {{ -variables.EXP }} {{ variables.EXP == 100 }} {{ variables.PRICE < variables.EXP }}";
    assert_eq!(rendered(source), "2.2 2.1 99.0 -100.0 True True");
    let source = "{{ variables.EXP|int }} {{ variables.PRICE|round(1) }} {{ variables.PRICE is number }} {{ variables.MAP|tojson }} {{ variables.PRICE ~ '!' }} {{ [variables.PRICE, 1]|sum }}";
    let expected = r#"100 1.1 True {"a": 1, "b": [1.5]} 1.10! 2.1"#;
    assert_eq!(rendered(source), expected);
}

#[test]
fn a_failure_names_the_line_of_the_template() {
    let error = render("a\nb{% for i in range(2) %}\nc{{ i.x.y() }}\n{% endfor %}").unwrap_err();
    assert!(error.to_string().ends_with("(in reply:3)"), "{error}");
    let error = compile("a\n\n{{ message.text|uper }}").unwrap_err();
    assert_eq!(error.to_string(), "line 3: there is no filter called `uper`");
}

#[test]
fn unknown_names_are_refused() {
    for (source, name) in [
        ("{{ message.text|uper }}", "filter called `uper`"),
        ("{% filter nope %}{% endfilter %}", "filter called `nope`"),
        ("{% set x | nope %}{% endset %}", "filter called `nope`"),
        ("{{ [1]|map('nope')|list }}", "filter called `nope`"),
        ("{{ [1]|select('nope')|list }}", "test called `nope`"),
        ("{{ [1]|selectattr('a', 'nope')|list }}", "test called `nope`"),
        ("{% if 1 is notest %}{% endif %}", "test called `notest`"),
        ("{{ nofunction() }}", "function called `nofunction`"),
        ("{% for i in nofunction() %}{% endfor %}", "function called `nofunction`"),
        ("{{ 1|__step }}", "filter called `__step`"),
    ] {
        let error = compile(source).map(drop).unwrap_err().to_string();
        assert!(error.contains(name), "{source}: {error}");
    }
    for source in ["{% include 'x' %}", "{% extends 'x' %}", "{% block a %}{% endblock %}"] {
        assert!(compile(source).is_err(), "{source}");
    }
}

/// Templates of thousands of levels, each with a name for its kind of level.
fn nested() -> Vec<(&'static str, String)> {
    let many = 4000;
    vec![
        ("minus", format!("{{{{ {}1 }}}}", "-".repeat(many))),
        ("not", format!("{{{{ {}1 }}}}", "not ".repeat(many))),
        ("plus", format!("{{{{ {} }}}}", vec!["1"; many].join("+"))),
        ("minus between", format!("{{{{ {} }}}}", vec!["x"; many].join("-"))),
        ("and", format!("{{{{ {} }}}}", vec!["x"; many].join(" and "))),
        ("compare", format!("{{{{ {} }}}}", vec!["x"; many].join(" == "))),
        ("dots", format!("{{{{ a{} }}}}", ".b".repeat(many))),
        ("items", format!("{{{{ a{} }}}}", "[0]".repeat(many))),
        ("calls", format!("{{{{ range{} }}}}", "()".repeat(many))),
        ("filters", format!("{{{{ 1{} }}}}", "|e".repeat(many))),
        ("tests", format!("{{{{ 1{} }}}}", " is odd".repeat(many))),
        ("test arguments", format!("{{{{ 1{} }}}}", " is eq 1".repeat(many))),
        ("if else", format!("{{{{ 1{} }}}}", " if a else 1".repeat(many))),
        ("if", format!("{{{{ 1{} }}}}", " if a".repeat(many))),
        ("elif", format!("{{% if a %}}x{}{{% endif %}}", "{% elif b %}y".repeat(4000))),
        ("brackets", format!("{{{{ {}1{} }}}}", "[".repeat(many), "]".repeat(many))),
        ("parentheses", format!("{{{{ {}1{} }}}}", "(".repeat(many), ")".repeat(many))),
        ("braces", format!("{{{{ {}1{} }}}}", "{1:".repeat(many), "}".repeat(many))),
        ("blocks", format!("{}{}", "{% if a %}".repeat(3000), "{% endif %}".repeat(3000))),
        ("loops", format!("{}{}", "{% for a in b %}".repeat(2000), "{% endfor %}".repeat(2000))),
        ("targets", format!("{{% set {}a{} = 1 %}}", "(".repeat(many), ")".repeat(many))),
        ("members", format!("{{% set a{} = 1 %}}", ".b".repeat(many))),
        ("filter blocks", format!("{{% filter e{} %}}{{% endfilter %}}", "|e".repeat(many))),
    ]
}

#[test]
fn a_template_that_nests_too_deep_is_refused() {
    for (name, source) in nested() {
        let error = compile(&source).map(drop).unwrap_err().to_string();
        assert!(error.contains("nests deeper than"), "{name}: {error}");
    }
}

/// The deepest accepted template of each kind, on the stack of an ordinary thread.
#[test]
fn the_deepest_templates_fit_on_an_ordinary_thread() {
    let deep = |many: usize| {
        let inner = many / 2;
        vec![
            format!("{{{{ {}1 }}}}", "-".repeat(many)),
            format!("{{{{ {}1 }}}}", "not ".repeat(many)),
            format!("{{{{ {} }}}}", vec!["x"; many].join("+")),
            format!("{{{{ {} }}}}", vec!["x"; many].join("-")),
            format!("{{{{ {} }}}}", vec!["x"; many].join(" ~ ")),
            format!("{{{{ {} }}}}", vec!["x"; many].join(" and ")),
            format!("{{{{ a{} }}}}", ".b".repeat(many)),
            format!("{{{{ a{} }}}}", "[b]".repeat(inner)),
            format!("{{{{ 1{} }}}}", "|e".repeat(many)),
            format!("{{{{ 1{} }}}}", " if a else 1".repeat(inner)),
            format!("{{% if a %}}x{}{{% endif %}}", "{% elif b %}y".repeat(many)),
            format!("{{{{ {}1{} }}}}", "[".repeat(inner), "]".repeat(inner)),
            format!("{{{{ {}1{} }}}}", "(".repeat(inner), ")".repeat(inner)),
            format!("{{{{ {}1{} }}}}", "range(".repeat(inner / 2), ")".repeat(inner / 2)),
            format!("{{{{ {}1{} }}}}", "1|d(".repeat(inner / 2), ")".repeat(inner / 2)),
            format!("{{{{ {}1{} }}}}", "1 is eq(".repeat(inner / 2), ")".repeat(inner / 2)),
            format!("{{{{ {}1{} }}}}", "{1: [(".repeat(inner / 4), ")]}".repeat(inner / 4)),
            format!("{}{}", "{% for a in b %}".repeat(inner), "{% endfor %}".repeat(inner)),
            format!("{}{}", "{% if 1 %}".repeat(many), "{% endif %}".repeat(many)),
            format!("{}{}", "{% set a %}".repeat(many), "{% endset %}".repeat(many)),
        ]
    };
    let work = move || {
        for many in [20, 60, 100, nesting::MAX_DEPTH - 2] {
            for source in deep(many) {
                if let Ok(compiled) = compile(&source) {
                    let _ = compiled.render(prompt_values(), &mut Budget::default());
                }
            }
        }
    };
    thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap();
}

/// Templates that would use all time or memory without bounds.
const EXCESSIVE: &[(&str, Bound)] = &[
    (
        "{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}",
        Bound::Steps,
    ),
    (
        "{% for i in range(100000) if i > 100000 %}{% endfor %}{% for i in range(100000) if i > 100000 %}{% endfor %}{% for i in range(100000) if i > 100000 %}{% endfor %}",
        Bound::Steps,
    ),
    (
        "{% macro m(n) %}{% if n > 0 %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(30) }}",
        Bound::Steps,
    ),
    (
        "{% set ns = namespace(s='x') %}{% for i in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        Bound::Bytes,
    ),
    (
        "{% set ns = namespace(s='x') %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        Bound::Bytes,
    ),
    (
        "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        Bound::Steps,
    ),
    (
        "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
        Bound::Steps,
    ),
    (
        "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = {1: ns.s, 2: ns.s} %}{% endfor %}",
        Bound::Steps,
    ),
    (
        "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = ns.s|chain(ns.s) %}{% endfor %}",
        Bound::Steps,
    ),
    (
        "{% set ns = namespace(s=[1]) %}{% for i in range(1000) %}{% set ns.s = [ns.s] %}{% endfor %}",
        Bound::Depth,
    ),
    (
        "{% set ns = namespace(s='x') %}{% for i in range(40) %}{% set x %}{{ ns.s }}{{ ns.s }}{% endset %}{% set ns.s = x %}{% endfor %}",
        Bound::Bytes,
    ),
    (
        "{% macro d(s, n) %}{% if n > 0 %}{{ d(s ~ s, n - 1) }}{% endif %}{% endmacro %}{{ d('xxxxxxxxxx', 35) }}",
        Bound::Bytes,
    ),
    (
        "{% for i in range(100000) %}0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789{% endfor %}",
        Bound::Bytes,
    ),
    ("{{ 'x' * 100000000 }}", Bound::Bytes),
    ("{{ ('x' * 1000000)|list|length }}", Bound::Steps),
    ("{{ [0] * 100000000 }}", Bound::Steps),
    ("{{ 'a'|indent(1000000000) }}", Bound::Bytes),
    ("{{ 'a'|indent(width=1000000000) }}", Bound::Bytes),
    ("{{ ('x' * 10000)|replace('x', 'y' * 10000) }}", Bound::Bytes),
    ("{{ ('x' * 10000)|replace('', 'y' * 10000) }}", Bound::Bytes),
    ("{{ range(10000)|join('y' * 10000) }}", Bound::Bytes),
    ("{{ [1]|batch(1000000000, 0) }}", Bound::Steps),
    ("{{ [1]|slice(1000000000) }}", Bound::Steps),
    ("{{ [[[1]]]|tojson(indent=1000000000) }}", Bound::Bytes),
    ("{{ ('%s' * 10000)|format('x' * 10000) }}", Bound::Bytes),
    ("{{ ('a,' * 1000000)|split(',')|length }}", Bound::Steps),
    (
        "{% for i in range(1000) %}{% for x in range(100000) %}{% endfor %}{% endfor %}",
        Bound::Steps,
    ),
    (
        "{% set t = 'x' * 1000000 %}{% for i in range(1000) %}{% set x = t|upper %}{% endfor %}",
        Bound::Bytes,
    ),
    (
        "{% set t = 'x' * 10000000 %}{% for i in range(10000) %}{% if t|length == 1 %}{% endif %}{% endfor %}",
        Bound::Steps,
    ),
    (
        "{% set t = 'x' * 10000000 %}{% for i in range(10000) %}{% if t == t ~ '' %}{% endif %}{% endfor %}",
        Bound::Bytes,
    ),
    (
        "{% set t = 'x' * 10000000 %}{% for i in range(10000) %}{% if 'y' in t %}{% endif %}{% endfor %}",
        Bound::Steps,
    ),
    (
        "{% set t = 'x' * 10000000 %}{% for i in range(10000) %}{{ t[9999999] }}{% endfor %}",
        Bound::Steps,
    ),
    (
        "{% set t = range(100000)|list %}{% for i in range(10000) %}{{ debug(t) }}{% endfor %}",
        Bound::Steps,
    ),
    ("{% set t = range(50000)|list %}{{ t|sort|sort|sort|sort|sort|length }}", Bound::Steps),
];

#[test]
fn a_render_that_exceeds_a_bound_fails_and_names_the_bound() {
    let mut wrong = Vec::new();
    for (source, bound) in EXCESSIVE {
        match render(source) {
            Err(RenderError::Bound(met)) if met == *bound => {}
            other => wrong.push((source, other.map(|text| text.len()))),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_error_or_a_panic_of_the_engine_fails_only_the_render() {
    for source in [
        "{{ 4 is divisibleby(0) }}",
        "{% for i in [1] %}{{ loop.cycle() }}{% endfor %}",
        "{{ 'abc'[::-9223372036854775808] }}",
        "{{ range(0, 10, -9223372036854775808) }}",
        "{{ range(-9223372036854775808, 9223372036854775807) }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ '%.1000000000f'|format(1.0) }}",
        "{{ '%*d'|format(1000000000, 1) }}",
        "{{ ['%1000000000d']|format(1) }}",
        "{{ range(1000)|join(range(1000)) }}",
        "{% set ns = namespace() %}{% set ns.self_ = ns %}{{ ns }}",
        "{% set ns = namespace() %}{% set ns.list = [[ns]] %}{{ ns }}",
        "{% set ns = namespace() %}{% set ns.x | default(ns, true) %}{% endset %}{{ ns }}",
        "{% set ns = namespace() %}{{ namespace(a=ns) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 1 / 0 }}",
    ] {
        let _ = render(source);
    }
    assert!(render("{% set ns = namespace() %}{% set ns.self_ = ns %}").is_err());
}

#[test]
fn macros_can_recurse_within_the_stack() {
    let source = "{% macro m(n) %}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(30) }}";
    let endless =
        "{% macro m() %}{% for i in [1] %}{{ m()|upper }}{% endfor %}{% endmacro %}{{ m() }}";
    // The deepest values are written in the deepest macro.
    let deep = "{% set ns = namespace(s=[1]) %}{% for i in range(120) %}{% set ns.s = [ns.s] %}{% endfor %}\
        {% macro m(n) %}{% if n > 0 %}{{ m(n - 1) }}{% else %}{{ ns.s }}{{ ns.s|tojson }}{{ ns.s|pprint }}\
        {{ ns.s == [ns.s] }}{{ debug(ns.s) }}{% endif %}{% endmacro %}{{ m(35) }}";
    let work = move || {
        assert_eq!(rendered(source), "");
        assert!(render(endless).is_err());
        assert!(rendered(deep).contains("[[[[[[[[1]]]]]]]]"));
    };
    thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap();
}

#[test]
fn a_message_of_ten_mebibytes_can_be_repeated() {
    let text = "x".repeat(10 << 20);
    let context = || context! { message => context!(text => &text) };
    for source in [
        "{{ message.text }}",
        "You said: {{ message.text|upper }}",
        "{% if 'y' in message.text %}{% endif %}{{ message.text }}",
    ] {
        let rendered = compile(source).unwrap().render(context(), &mut Budget::default()).unwrap();
        assert!(rendered.len() >= text.len());
    }
}

#[test]
fn cheap_templates_and_used_variables_are_known_before_rendering() {
    for source in [
        "Hi {{ message.text }}",
        "{{ variables.N|default('x')|upper }}",
        "{% if turn == 1 %}a{% elif 'x' in message.text %}b{% endif %}",
    ] {
        assert!(compile(source).unwrap().is_cheap(), "{source}");
    }
    for source in [
        "{% for i in history %}{% endfor %}",
        "{{ range(3) }}",
        "{{ message.text|replace('a', 'b') }}",
        "{% macro m() %}{% endmacro %}",
    ] {
        assert!(!compile(source).unwrap().is_cheap(), "{source}");
    }
    let uses = compile("{{ message.text }} {{ variables.X }}").unwrap().uses();
    assert_eq!(uses, Uses { variables: true, ..Uses::default() });
    assert!(compile("{{ message }}").unwrap().uses().parts);
    assert!(compile("{% if trigger %}a{% endif %}").unwrap().uses().trigger);
}

#[test]
fn templates_of_one_reply_share_one_budget() {
    let compiled = compile("{% for i in range(10000) %}{% endfor %}").unwrap();
    let mut budget = Budget::default();
    let mut rendered = 0;
    while compiled.render(prompt_values(), &mut budget).is_ok() {
        rendered += 1;
    }
    assert!((10..100).contains(&rendered), "{rendered}");
    assert!(with_budget(&mut Budget::default(), || super::budget::take_steps(1)).is_ok());
    assert!(super::budget::take_steps(1).is_err());
}

/// Fragments that are joined to templates.
const PIECES: &[&str] = &[
    "{{ ",
    " }}",
    "{% ",
    " %}",
    "{%- ",
    "-}}",
    "{#",
    "#}",
    "for x in ",
    "endfor",
    "if ",
    "elif ",
    "else",
    "endif",
    "set a = ",
    "set a",
    "endset",
    "macro m(x)",
    "endmacro",
    "call m(1)",
    "endcall",
    "filter upper",
    "endfilter",
    "with b = 1",
    "endwith",
    "do ",
    "raw",
    "endraw",
    "message.text",
    "variables",
    "history",
    "ns",
    "namespace()",
    "range(9)",
    "loop.index",
    "loop(x)",
    "m(2)",
    "a",
    "x",
    "1",
    "2.5",
    "'s'",
    "\"t\"",
    "none",
    "true",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    ".",
    "|",
    "~",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "==",
    "<",
    "in ",
    "not ",
    "and ",
    "or ",
    "is ",
    "upper",
    "join",
    "list",
    "length",
    "default('d')",
    "format(1)",
    "replace('a', 'b')",
    "defined",
    "odd",
    "recursive",
    "\n",
    " ",
    "text",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Compiling and rendering end, without overflow or panic.
    #[test]
    fn any_template_compiles_or_is_refused_and_renders_within_its_budget(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..120),
        times in 1_usize..4,
    ) {
        let _ = check(&pieces.concat().repeat(times));
    }

    #[test]
    fn any_text_compiles_or_is_refused(source in "[{}%#a-z(.|~\\-+' 0-9\\[\\]\n]{0,200}") {
        let _ = check(&source);
    }
}

#[test]
fn a_source_that_is_too_long_is_refused() {
    let long = format!("{{{{ a }}}}{}", "x".repeat(MAX_SOURCE));
    assert!(matches!(compile(&long), Err(CompileError::TooLong)));
    let _ = check(&format!("{{{{ a }}}}{}", "x".repeat(MAX_SOURCE - 7)));
    for length in [MAX_SOURCE - 4, MAX_SOURCE - 5, MAX_SOURCE - 6] {
        assert!(compile(&format!("{}{{{{ a", "x".repeat(length))).is_err());
    }
    let _ = check(&"{{ a }}{% if b %}{% endif %}".repeat(2000));
}
