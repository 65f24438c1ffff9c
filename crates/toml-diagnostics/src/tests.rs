//! Each test is a file and the errors reported in it.

mod syntax;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Diagnostic, Document, Item};

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    when: Option<When>,
    reply: Reply,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    fault: Option<Break>,
    since: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct When {
    regex: Option<String>,
    role: Option<Role>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Role {
    User,
    System,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct Reply {
    text: String,
    input_tokens: u32,
    #[serde(default)]
    pace: f64,
    #[serde(default)]
    extra: BTreeMap<String, u8>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Break {
    Hang,
    Status(u16),
    Cut { after: u32, note: String },
    Both(Box<Break>),
}

/// The valid items of a file, and its errors.
fn read<T: DeserializeOwned + JsonSchema>(text: &str) -> (Vec<Item<T>>, Vec<String>) {
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    let mut document = Document::parse("rules.toml", text.as_bytes(), &mut diagnostics);
    let mut items = document.read::<T>("rule", &mut diagnostics);
    document.finish(&mut diagnostics);
    items.retain(|item| item.location.is_whole_item_valid());
    let lines = diagnostics.iter().map(ToString::to_string);
    (items, lines.map(|line| line.replacen("rules.toml:", "", 1)).collect())
}

#[track_caller]
fn assert_errors<T: DeserializeOwned + JsonSchema>(text: &str, expected: &[&str]) -> Vec<Item<T>> {
    let (items, errors) = read::<T>(text);
    assert_eq!(errors, expected);
    items
}

const GOOD: &str = r#"
[[rule]]
name = "first"
tags = ["a", "b"]
since = 2026-01-02T03:04:05Z
[rule.when]
regex = "h.llo"
role = "user"
[rule.reply]
text = "hi"
input_tokens = 0x10
pace = 2

[[rule]]
name = "second"
reply = { text = "ho", input_tokens = 2, extra.x = 7 }
fault = { cut = { after = 3, note = "n" } }
"#;

#[test]
fn a_good_file_gives_its_values_and_no_error() {
    let items = assert_errors::<Rule>(GOOD, &[]);
    let [first, second] = items.as_slice() else { panic!("two rules") };
    assert_eq!(first.value.since.as_deref(), Some("2026-01-02T03:04:05Z"));
    assert_eq!(first.value.reply.input_tokens, 16);
    assert_eq!(first.value.when.as_ref().and_then(|w| w.role.as_ref()), Some(&Role::User));
    assert_eq!(second.value.fault, Some(Break::Cut { after: 3, note: "n".to_owned() }));
    assert_eq!(second.value.reply.extra.get("x"), Some(&7));
}

#[test]
fn the_same_types_read_json() {
    let from_toml =
        assert_errors::<Rule>("[[rule]]\nname = 'a'\nreply = {text = 'b', input_tokens = 1}", &[]);
    let json = r#"{"name": "a", "reply": {"text": "b", "input_tokens": 1}}"#;
    assert_eq!(from_toml[0].value, serde_json::from_str::<Rule>(json).unwrap());
}

#[test]
fn a_missing_value_has_the_position_of_the_table_around_it() {
    let items = assert_errors::<Rule>(GOOD, &[]);
    let location = &items[0].location;
    assert_eq!(location.position(&[]), (2, 1));
    assert_eq!(location.position(&["when", "regex"]), (7, 9));
    assert_eq!(location.position(&["when", "nothing", "further"]), (6, 1));
    assert_eq!(location.position(&["tags", "1"]), (4, 14));
    assert_eq!(location.position(&["fault"]), (2, 1));
    assert_eq!(
        location.diagnostic(&["when", "regex"], "this regex does not compile").to_string(),
        "rules.toml:7:9: rule[0].when.regex: this regex does not compile"
    );
    assert_eq!(location.diagnostic(&["tags", "1"], "x").path, "rule[0].tags[1]");
}

#[test]
fn six_errors_in_three_items_are_reported_as_six() {
    let text = r#"[[rule]]
name = 5
colour = "red"
[rule.reply]
text = "hi"
input_tokens = "many"

[[rule]]
name = "fine"
reply = { text = "hi", input_tokens = 1 }

[[rule]]
when = { role = "usr" }
tags = ["a", true]
reply = { text = "hi", input_tokens = 1 }
"#;
    let items = assert_errors::<Rule>(
        text,
        &[
            "2:8: rule[0].name: invalid type: number `5`, expected a string",
            "3:1: rule[0]: unknown field `colour`, expected one of `name`, `when`, `reply`, \
             `tags`, `fault`, `since`",
            "6:16: rule[0].reply.input_tokens: invalid type: string \"many\", \
             expected a whole number of 0 or more",
            "12:1: rule[2]: missing field `name`",
            "13:17: rule[2].when.role: unknown value `usr`, expected `user` or `system`",
            "14:14: rule[2].tags[1]: invalid type: boolean `true`, expected a string",
        ],
    );
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].value.name, "fine");
}

#[test]
fn missing_fields_are_all_named_at_the_header_they_are_missing_under() {
    assert_errors::<Rule>(
        "[[rule]]\n[[rule]]\nname = 1\n  [rule.reply]\n  pace = 'fast'\n",
        &[
            "1:1: rule[0]: missing field `name`",
            "1:1: rule[0]: missing field `reply`",
            "3:8: rule[1].name: invalid type: number `1`, expected a string",
            "4:3: rule[1].reply: missing field `text`",
            "4:3: rule[1].reply: missing field `input_tokens`",
            "5:10: rule[1].reply.pace: invalid type: string \"fast\", expected a number",
        ],
    );
}

#[test]
fn a_struct_of_another_type_is_one_error_and_hides_none_after_it() {
    assert_errors::<Rule>(
        "[[rule]]\nreply = 'hi'\ntags = 'a'\nwhen = []\nname = -1\n",
        &[
            "2:9: rule[0].reply: invalid type: string \"hi\", expected a table",
            "3:8: rule[0].tags: invalid type: string \"a\", expected a list",
            "4:8: rule[0].when: invalid type: a list, expected a table",
            "5:8: rule[0].name: invalid type: number `-1`, expected a string",
        ],
    );
}

#[test]
fn numbers_out_of_range_name_the_range() {
    assert_errors::<Rule>(
        "[[rule]]\nname='a'\n[rule.reply]\ntext='b'\ninput_tokens=-5\nextra={'a.b'=256, c=1.5, \
         d=999999999999999999999999999999999999999999}\n",
        &[
            "5:14: rule[0].reply.input_tokens: invalid value: number `-5`, \
             expected a whole number from 0 to 4294967295",
            "6:14: rule[0].reply.extra.\"a.b\": invalid value: number `256`, \
             expected a whole number from 0 to 255",
            "6:21: rule[0].reply.extra.c: invalid type: number `1.5`, \
             expected a whole number of 0 or more",
            "6:28: rule[0].reply.extra.d: this number is too large",
        ],
    );
}

#[test]
fn errors_in_enums_have_their_own_position() {
    let errors_of = |fault: &str| {
        let text = "[[rule]]\nname='a'\nreply={text='b',input_tokens=true}\nfault = ";
        let (_, mut errors) = read::<Rule>(&format!("{text}{fault}\n"));
        assert!(errors[0].contains("input_tokens"), "{errors:?}");
        errors.remove(0);
        errors
    };
    let path = "rule[0].fault";
    assert_eq!(errors_of("'hang'"), Vec::<String>::new());
    assert_eq!(
        errors_of("'hung'"),
        [format!(
            "4:9: {path}: unknown value `hung`, expected one of `hang`, `status`, `cut`, `both`"
        )]
    );
    assert_eq!(
        errors_of("{ hung = 1 }"),
        [format!(
            "4:11: {path}: unknown value `hung`, expected one of `hang`, `status`, `cut`, `both`"
        )]
    );
    assert_eq!(
        errors_of("'status'"),
        [format!("4:9: {path}: expected a table with `status` as its only key")]
    );
    assert_eq!(
        errors_of("{ cut = { after = 'x', when = 1 } }"),
        [
            format!("4:17: {path}.cut: missing field `note`"),
            format!(
                "4:27: {path}.cut.after: invalid type: string \"x\", \
                 expected a whole number of 0 or more"
            ),
            format!("4:32: {path}.cut: unknown field `when`, expected `after` or `note`"),
        ]
    );
    assert_eq!(
        errors_of("{ hang = 1 }"),
        [format!("4:11: {path}: expected the name alone: \"hang\"")]
    );
    assert_eq!(
        errors_of("{ status = 1, cut = 2 }"),
        [format!(
            "4:9: {path}: expected a table with one key, one of `hang`, `status`, `cut`, \
             `both`; found 2"
        )]
    );
    assert_eq!(
        errors_of("7"),
        [format!("4:9: {path}: invalid type: number `7`, expected a name or a table")]
    );
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Stubborn {
    deep: Deep,
    odd: Odd,
    must: Recursive,
    size: std::num::NonZeroU32,
    last: u8,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
struct Deep {
    two: Vec<Reply>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
struct Pair {
    one: (u8, String),
}

/// Takes nothing but `"odd"`, not even a placeholder.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
struct Odd;

impl TryFrom<String> for Odd {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "odd" { Ok(Self) } else { Err("this is not odd") }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only read")]
enum Recursive {
    Not(Box<Recursive>),
    All { of: Box<Recursive> },
}

#[test]
fn what_only_the_type_refuses_is_reported_beside_other_errors() {
    assert_errors::<Stubborn>(
        "[[rule]]\nodd = 'even'\nmust = 3\nsize = 0\n\
         deep.two = [{text = 1}, 2]\nlast = 'x'\n",
        &[
            "2:7: rule[0].odd: this is not odd",
            "3:8: rule[0].must: invalid type: number `3`, expected a name or a table",
            "4:8: rule[0].size: invalid value: number `0`, expected a whole number from 1 to 4294967295",
            "5:13: rule[0].deep.two[0]: missing field `input_tokens`",
            "5:21: rule[0].deep.two[0].text: invalid type: number `1`, expected a string",
            "5:25: rule[0].deep.two[1]: invalid type: number `2`, expected a table",
            "6:8: rule[0].last: invalid type: string \"x\", expected a whole number of 0 or more",
        ],
    );
    assert_errors::<Pair>(
        "[[rule]]\none = [1]\n",
        &["2:7: rule[0].one: invalid length 1, expected a tuple of size 2"],
    );
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
struct Buffered {
    act: Act,
    last: u8,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
enum Act {
    Say { text: String, times: u32, loud: bool },
}

#[test]
fn errors_in_tagged_enums_have_their_own_position() {
    assert_errors::<Buffered>(
        "[[rule]]\n[rule.act]\nkind = 'say'\ntext = 4\ntimes = 'often'\nodd = 1\n[[rule]]\n\
         act = { kind = 'sing' }\nlast = 'x'\n",
        &[
            "1:1: rule[0]: missing field `last`",
            "2:1: rule[0].act: missing field `loud`",
            "4:8: rule[0].act.text: invalid type: number `4`, expected a string",
            "5:9: rule[0].act.times: invalid type: string \"often\", \
             expected a whole number of 0 or more",
            "6:1: rule[0].act: unknown field `odd`, expected one of `kind`, `text`, `times`, `loud`",
            "8:16: rule[1].act.kind: unknown value `sing`, expected `say`",
            "9:8: rule[1].last: invalid type: string \"x\", expected a whole number of 0 or more",
        ],
    );
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
#[expect(dead_code, reason = "only read")]
enum Nested {
    Outer { x: u8, inner: Inner },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
struct Inner {
    x: u8,
}

#[test]
fn errors_in_what_a_tagged_enum_holds_have_their_own_position() {
    assert_errors::<Nested>(
        "[[rule]]\nkind = 'Outer'\nx = 1\ninner = {}\n",
        &["4:9: rule[0].inner: missing field `x`"],
    );
}

#[test]
fn unknown_sections_are_errors() {
    assert_errors::<Rule>(
        "speed = 1\n[[rulez]]\nname = 1\n[[rulez]]\n[plan.free]\n",
        &[
            "1:1: unknown section `speed`, expected `[[rule]]`",
            "2:3: unknown section `rulez`, expected `[[rule]]`",
            "5:2: unknown section `plan`, expected `[[rule]]`",
        ],
    );
}

#[test]
fn single_brackets_are_an_error_and_their_content_is_compared() {
    let items = assert_errors::<Rule>(
        "[rule]\nname = 1\nreply = {text='a',input_tokens=1}\n",
        &[
            "1:2: rule: expected a list of tables, each begun by `[[rule]]`",
            "2:8: rule[0].name: invalid type: number `1`, expected a string",
        ],
    );
    assert!(items.is_empty());
    assert_errors::<Rule>(
        "rule = 1",
        &["1:1: rule: expected a list of tables, each begun by `[[rule]]`"],
    );
    assert_errors::<Rule>(
        "rule = [1]",
        &["1:9: rule[0]: invalid type: number `1`, expected a table"],
    );
}

#[test]
fn columns_count_characters_and_lines_may_end_in_two_bytes() {
    let expected = "2:14: rule[0].reply: invalid type: string \"äöü\", expected a table";
    let dashes = "[[rule]]\nname = \"日本語 ü\"\n\"reply\" = 5\n";
    assert_errors::<Rule>(
        dashes,
        &["3:11: rule[0].reply: invalid type: number `5`, expected a table"],
    );
    let wide = "rule = [{name = \"日本語 ü\", reply = \"äöü\"}]";
    let (_, errors) = read::<Rule>(wide);
    assert_eq!(errors, ["1:34: rule[0].reply: invalid type: string \"äöü\", expected a table"]);
    let crlf = "[[rule]]\r\nreply      = \"äöü\"\r\nname = \"a\"\r\n";
    assert_errors::<Rule>(crlf, &[expected]);
    assert_errors::<Rule>(
        "\u{feff}rules = 1",
        &["1:1: unknown section `rules`, expected `[[rule]]`"],
    );
    let broken = "[[rule]]\r\nname = \"日\r\nreply = 5\r\n[[rule]]\r\nname = \"a\"\r\n";
    assert_errors::<Rule>(
        broken,
        &["2:10: invalid basic string, expected `\"`", "4:1: rule[1]: missing field `reply`"],
    );
}

#[test]
fn an_empty_file_is_a_good_file() {
    assert!(assert_errors::<Rule>("", &[]).is_empty());
    assert!(assert_errors::<Rule>("# nothing\n", &[]).is_empty());
}

#[test]
fn a_tag_that_is_missing_or_no_name_is_an_error() {
    assert_errors::<Buffered>(
        "[[rule]]\nact = { text = 'a' }\nlast = 1\n[[rule]]\nact = { kind = 5 }\nlast = 1\n",
        &["2:7: rule[0].act: missing field `kind`", "5:7: rule[1].act: `kind` must be `say`"],
    );
}

#[test]
fn numbers_that_json_has_not_are_errors() {
    let text = "[[rule]]\nname='a'\nreply = {text='b', input_tokens=1, pace=inf}\n";
    assert_errors::<Rule>(
        text,
        &["3:41: rule[0].reply.pace: invalid value: number `inf`, expected a finite number"],
    );
    let text = text.replace("inf}", "1e999}");
    assert_errors::<Rule>(&text, &["3:41: rule[0].reply.pace: this number is too large"]);
}

#[test]
fn a_placeholder_is_known_by_its_path() {
    let text = "[[rule]]\nnmae = 'a'\nwhen = { role = 'usr', regex = 'r' }\ntags = ['a', 1]\n";
    let mut diagnostics = Vec::new();
    let mut document = Document::parse("rules.toml", text.as_bytes(), &mut diagnostics);
    let items = document.read::<Rule>("rule", &mut diagnostics);
    let [Item { value, location }] = items.as_slice() else { panic!("one rule") };
    assert_eq!(
        (value.name.as_str(), value.tags.as_slice()),
        ("", ["a".into(), String::new()].as_slice())
    );
    for (path, valid) in [
        (&["when", "regex"][..], true),
        (&["when", "role"], false),
        (&["when", "unknown"], false),
        (&["when"], false),
        (&["tags", "0"], true),
        (&["tags", "1"], false),
        (&["name"], false),
        (&["since"], false),
    ] {
        assert_eq!(location.is_valid(path), valid, "{path:?}");
    }
    let before = diagnostics.len();
    location.report(&mut diagnostics, &["when", "role"], "not reported");
    location.report(&mut diagnostics, &["when", "regex"], "reported");
    assert_eq!(diagnostics.len(), before + 1);
}

#[test]
fn a_file_that_is_wrong_everywhere_is_read_up_to_a_bound() {
    let (_, errors) = read::<Rule>(&"[[rule]]\nname = 5\ncolour = 1\n".repeat(10_000));
    assert_eq!(errors.len(), crate::MAX_DIAGNOSTICS + 1);
    let (_, errors) = read::<Rule>(&format!("[[rule]]\ntags = [{}]", "1,".repeat(100_000)));
    assert_eq!(errors.len(), crate::MAX_DIAGNOSTICS + 1);
    let (_, errors) = read::<Rule>(&"x\n".repeat(100_000));
    assert_eq!(errors.len(), 50);
}

#[test]
fn the_schema_has_bounds_for_numbers_and_no_null() {
    let schema = crate::schema_of::<Rule>();
    assert_eq!(schema["$defs"]["Reply"]["properties"]["input_tokens"]["maximum"], 0xffff_ffff_u32);
    assert!(!schema.to_string().contains("null"), "{schema}");
}
