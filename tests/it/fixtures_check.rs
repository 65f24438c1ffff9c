//! What is reported of fixture files: every error of form and of meaning together, and every rule that
//! can never answer.

use mynah::fixtures::{self, FixturesError};
use mynah::http::route_table;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{TestApp, client, said};

/// Two deployments and two language models, of which one each is an echo.
const BASE: &str = r#"
[[plan]]
id = "plan"
requests_per_minute = 1000

[[account]]
id = "me"
project = "mine"
plan = "plan"
balance = "1.5"
keys = ["MY_KEY"]

[[deployment]]
id = "CANNED"
account = "me"
model = "parrot"

[[deployment]]
id = "ECHO"
account = "me"
model = "mirror"
backend = "echo"

[[llm]]
id = "llm_canned"
name = "Canned"
max_context = 1000
cost_per_1k_tokens = "0"

[[llm]]
id = "llm_echo"
name = "Echo"
max_context = 1000
cost_per_1k_tokens = "0"
backend = "echo"
"#;

/// Errors and warnings of one file, without its name.
fn check(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let (errors, warnings) = match fixtures::read_bytes("a.toml", bytes, route_table()) {
        Ok(checked) => (Vec::new(), checked.warnings),
        Err(FixturesError::Invalid { errors, warnings }) => (errors, warnings),
        Err(other) => panic!("{other}"),
    };
    let lines = |diagnostics: Vec<fixtures::Diagnostic>| {
        let lines = diagnostics.iter().map(ToString::to_string);
        lines.map(|line| line.strip_prefix("a.toml:").unwrap_or(&line).to_owned()).collect()
    };
    (lines(errors), lines(warnings))
}

/// Rules with these conditions.
fn rules(conditions: &[impl std::fmt::Display]) -> String {
    let rule = |when| format!("[[rule]]\nwhen = {when}\nreply = [{{ text = \"x\" }}]\n");
    conditions.iter().map(rule).collect::<Vec<_>>().concat()
}

/// The warnings for rules with these conditions, one after the other, and no errors.
fn warned(conditions: &[&str]) -> Vec<String> {
    let text = BASE.to_owned() + &rules(conditions);
    let (errors, warnings) = check(text.as_bytes());
    assert_eq!(errors, [""; 0], "{conditions:?}");
    warnings
}

#[test]
fn check_warns_of_every_condition_that_can_never_hold() {
    const ECHO: &str = "is an echo, unless the server runs with `--backend canned`";
    let ninety = "x".repeat(90);
    let long_key = format!("{{ meta = {{ {ninety} = 1 }} }}");
    let many: Vec<String> = (0..51).map(|n| format!("k{n} = 1")).collect();
    let many = format!("{{ meta = {{ {} }} }}", many.join(", "));
    for (when, field, why) in [
        ("{ deployment = 'ECHO' }", "deployment", &*format!("the deployment `ECHO` {ECHO}")),
        ("{ model = 'mirror' }", "model", &*format!("the model `mirror` {ECHO}")),
        ("{ model = 'llm_echo' }", "model", &*format!("the model `llm_echo` {ECHO}")),
        ("{ deployment = 'NONE' }", "deployment", "there is no deployment called `NONE`"),
        ("{ model = 'none' }", "model", "there is no model called `none`"),
        ("{ deployment = 'CANNED', model = 'none' }", "model", "no model called `none`"),
        (
            "{ deployment = 'CANNED', model = 'mirror' }",
            "model",
            "the deployment `CANNED` has the model `parrot`",
        ),
        ("{ api = 'runner', model = 'llm_canned' }", "model", "a model of the Characters API"),
        ("{ api = 'characters', model = 'parrot' }", "model", "a model of deployments"),
        ("{ model = 'llm_canned', variables = { A = 'b' } }", "model", "no deployment has it"),
        ("{ turn = 0 }", "turn", "turns are counted from 1"),
        ("{ api = 'characters', deployment = 'CANNED' }", "deployment", "go to no deployment"),
        ("{ api = 'characters', variables = { A = '1' } }", "variables", "have no variables"),
        ("{ api = 'characters', meta = { A = '1' } }", "meta", "have no meta"),
        ("{ api = 'characters', parts = ['text', 'image'] }", "parts", "have text only"),
        ("{ equals = 'abc', contains = 'xyz' }", "contains", "`equals` does not contain this"),
        ("{ equals = 'abc', regex = '^x' }", "regex", "`equals` does not match this"),
        ("{ equals = 'ABC', regex = 'abc' }", "regex", "`equals` does not match this"),
        ("{ regex = 'a[^\\s\\S]' }", "regex", "no text matches this"),
        ("{ meta = { page = '1' } }", "meta.page", "meta cannot have the key `page`"),
        ("{ meta = { '' = '1' } }", "meta.\"\"", "1 to 64 characters"),
        (&long_key, &*format!("meta.{ninety}"), "1 to 64 characters"),
        (&many, "meta", "at most 50 keys"),
        ("{ meta = { a = [1] } }", "meta.a", "values of meta are strings, numbers and booleans"),
    ] {
        let when = when.replace("\\s\\S", "\\\\s\\\\S").replace('\'', "\"");
        let warnings = warned(&[&when]);
        let [warning] = &warnings[..] else { panic!("{when}: {warnings:#?}") };
        let line = BASE.lines().count() + 2;
        assert!(warning.starts_with(&format!("{line}:")), "{when}: {warning}");
        assert!(warning.contains(&format!("rule[0].when.{field}: ")), "{when}: {warning}");
        assert!(warning.contains(why), "{when}: {warning}");
    }
}

#[test]
fn check_warns_of_rules_where_nobody_answers_by_rules() {
    let echo = |text: &str| text.replace("model = \"parrot\"", "model = \"p\"\nbackend = \"echo\"");
    let rule = "[[rule]]\nwhen = { api = 'runner' }\nreply = [{ text = 'x' }]\n";
    let (_, warnings) = check((echo(BASE) + rule).as_bytes());
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("all that could answer are echoes"), "{warnings:?}");
    let (_, warnings) = check((echo(BASE) + &rule.replace("runner", "characters")).as_bytes());
    assert_eq!(warnings, [""; 0]);
    let without = BASE.split("[[deployment]]").next().unwrap();
    let (_, warnings) = check((without.to_owned() + rule).as_bytes());
    assert!(warnings[0].contains("there is no deployment"), "{warnings:?}");
}

#[test]
fn check_does_not_warn_of_conditions_that_can_hold() {
    for when in [
        "{}",
        "{ api = \"runner\", turn = 1 }",
        "{ api = \"characters\", model = \"llm_canned\", parts = [\"text\"], turn = 3 }",
        "{ deployment = \"CANNED\", model = \"parrot\", variables = { A = [1] }, meta = { b = 1 } }",
        "{ equals = \"Hello There\", contains = \"hello\", regex = \"^H.*e$\" }",
        "{ equals = \"\", parts = [\"image\"] }",
        "{ contains = \"a\", regex = \"b\" }",
        "{ regex = \"^$\" }",
    ] {
        assert_eq!(warned(&[when]), [""; 0], "{when}");
    }
}

#[test]
fn check_warns_of_rules_that_an_earlier_one_always_answers_before() {
    for (first, second) in [
        ("{}", "{ contains = \"late\" }"),
        ("{ api = \"runner\" }", "{ deployment = \"CANNED\" }"),
        ("{ api = \"runner\" }", "{ meta = { a = 1 } }"),
        ("{ api = \"characters\" }", "{ model = \"llm_canned\", turn = 2 }"),
        ("{ model = \"parrot\" }", "{ deployment = \"CANNED\", contains = \"x\" }"),
        ("{ regex = \".*\" }", "{ contains = \"x\" }"),
        ("{ contains = \"\" }", "{ turn = 2 }"),
        ("{ contains = \"A\" }", "{ equals = \"bab\" }"),
        ("{ regex = \"^b\" }", "{ equals = \"bab\" }"),
        ("{ equals = \"x\" }", "{ equals = \"x\", turn = 2 }"),
    ] {
        let warnings = warned(&[first, second]);
        assert_eq!(warnings.len(), 1, "{first} {second}: {warnings:?}");
        let line = BASE.lines().count() + 1;
        let said = format!("rule[1]: never answers: rule[0] (a.toml:{line}) comes first");
        assert!(warnings[0].contains(&said), "{first} {second}: {warnings:?}");
    }
    let both = warned(&["{ api = \"runner\" }", "{ api = \"characters\" }", "{ turn = 2 }"]);
    assert!(both[0].contains("rule[0] (a.toml:") && both[0].contains(" come first"), "{both:?}");
    for (first, second) in [
        ("{ contains = \"late\" }", "{}"),
        ("{ deployment = \"CANNED\" }", "{ api = \"runner\" }"),
        ("{ regex = \"^\\\\b\" }", "{ contains = \"x\" }"),
        ("{ api = \"runner\" }", "{ turn = 2 }"),
        ("{ model = \"parrot\" }", "{ equals = \"x\" }"),
        ("{ equals = \"x\" }", "{ equals = \"y\" }"),
    ] {
        assert_eq!(warned(&[first, second]), [""; 0], "{first} {second}");
    }
    let times = format!(
        "{BASE}[[rule]]\ntimes = 1\nreply = [{{ text = \"x\" }}]\n[[rule]]\nreply = [{{ text = \"x\" }}]\n"
    );
    assert_eq!(check(times.as_bytes()).1, [""; 0]);
}

#[test]
fn errors_of_form_and_of_meaning_are_reported_together_even_in_one_item() {
    let text = r#"[[rule]]
id = 5
colour = "red"
when = { turn = "first", regex = "(" }

[[rule.reply]]
txt = "x"

[[rule.reply]]
text = "{{ message.text"
thoughts = 7

[[rulee]]
id = "x"

[[deployment]]
id = "D"
account = "nobody"
model = 7
public = false
allowlist = ["example.com"]

[[conversation]]
id = "c"
deployment = "NONE"
name = 5
created_at = "yesterday"
updated_at = 2026-03-24T09:01:00Z
"#;
    let (errors, _) = check((text.to_owned() + BASE).as_bytes());
    let expected = [
        "2:6: rule[0].id: invalid type: number `5`",
        "3:1: rule[0]: unknown field `colour`",
        "4:17: rule[0].when.turn: invalid type: string \"first\"",
        "4:34: rule[0].when.regex: ",
        "7:1: rule[0].reply[0]: unknown field `txt`",
        "10:8: rule[0].reply[1].text: ",
        "11:12: rule[0].reply[1].thoughts: invalid type: number `7`",
        "13:3: unknown section `rulee`",
        "18:11: deployment[0].account: there is no account called `nobody`",
        "19:9: deployment[0].model: invalid type: number `7`",
        "21:13: deployment[0].allowlist: an allowlist is for deployments with `public = true`",
        "25:14: conversation[0].deployment: there is no deployment called `NONE`",
        "26:8: conversation[0].name: invalid type: number `5`",
        "27:14: conversation[0].created_at: expected a time",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.starts_with(expected), "{error} is not {expected}");
    }
}

#[test]
fn one_mistake_is_one_error() {
    let base = |from: &str, to: &str| BASE.replace(from, to);
    // What follows from an error is not reported.
    for (mistake, expected) in [
        (base("id = \"me\"", "id = 5"), &["account[0].id: invalid type"][..]),
        (
            base("id = \"me\"", "idd = \"me\""),
            &["account[0]: missing field `id`", "account[0]: unknown field `idd`"],
        ),
        (base("[[account]]", "[[acount]]"), &["unknown section `acount`"]),
        (base("[[account]]", "[[account]"), &["unclosed array table"]),
        (base("[[account]]", "[account]"), &["account: expected a list of tables"]),
        (base("[\"MY_KEY\"]", "[1, 2]"), &["keys[0]: invalid type", "keys[1]: invalid type"]),
        (base("id = \"plan\"", "id = \"plan"), &["invalid basic string"]),
        (base("balance = \"1.5\"", "balance = 1.5"), &["account[0].balance: invalid type"]),
    ] {
        let (errors, warnings) = check(mistake.as_bytes());
        assert_eq!(errors.len(), expected.len(), "{expected:?}: {errors:#?}");
        for (error, expected) in errors.iter().zip(expected) {
            assert!(error.contains(expected), "{expected}: {error}");
        }
        assert_eq!(warnings, [""; 0]);
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_named_by_line_and_hide_no_other_error() {
    let text =
        b"[[rule]]\nid = \"x\"\nwhen = { equals = \"z\" }\nreply = [{ text = \"caf\xe9\" }]\n\
                 [[rule]]\nid = 5\nreply = [{ text = \"a\" }]\n";
    let (errors, _) = check(&[BASE.as_bytes(), text].concat());
    let at = |line: usize| BASE.lines().count() + line;
    let [encoding, id] = &errors[..] else { panic!("{errors:#?}") };
    let said = format!("{}:23: the byte 0xE9 is not UTF-8", at(4));
    assert!(encoding.starts_with(&said), "{encoding}");
    assert!(id.starts_with(&format!("{}:6: rule[1].id: ", at(6))), "{id}");
}

#[test]
fn a_file_that_is_not_toml_hides_no_unknown_name_in_another() {
    let folder = tempfile::tempdir().unwrap();
    let rule = "[[rule]]\nreply = [{ text = 'x' }]\n= broken\n";
    let talk = "[[conversation]]\nid = 'c'\ndeployment = 'NONE'\nname = 'n'\n\
                created_at = '2026-03-24T09:01:00Z'\nupdated_at = '2026-03-24T09:01:00Z'\n";
    for (name, text) in [("a.toml", rule), ("b.toml", talk), ("c.toml", BASE)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let Err(FixturesError::Invalid { errors, .. }) = fixtures::read(folder.path(), route_table())
    else {
        panic!("there are errors");
    };
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 2, "{errors:#?}");
    assert!(errors[0].contains("a.toml:3:1: "), "{errors:#?}");
    assert!(errors[1].contains("b.toml:3:14: conversation[0].deployment: "), "{errors:#?}");
}

#[test]
fn many_errors_are_limited_and_hostile_files_end_soon() {
    let (errors, _) = check("[[rule]]\n".repeat(3000).as_bytes());
    assert_eq!(errors.len(), 1001);
    assert!(errors.last().unwrap().ends_with("more are not shown"), "{:?}", errors.last());
    for text in [
        "x\n".repeat(20_000),
        "a = [1,\n".repeat(20_000),
        "a = \"\"\"\n".to_owned() + &"b\n".repeat(20_000),
        format!("a = {}{}", "[".repeat(20_000), "]".repeat(20_000)),
        format!("[{}b]", "a.".repeat(20_000)),
        format!("[[account]]\nkeys = [{}]", "1,".repeat(20_000)),
    ] {
        assert!(!check(text.as_bytes()).0.is_empty());
    }
    let patterns: Vec<_> = (0..1500).map(|n| format!("{{ regex = 'a{n}' }}")).collect();
    let rules = rules(&patterns);
    assert_eq!(check((BASE.to_owned() + &rules).as_bytes()), (Vec::new(), Vec::new()));
}

/// Ids that can be percent-encoded into a path, however odd.
const REACHABLE: [&str; 16] = [
    "conversation",
    "trigger",
    "stream",
    "runner",
    "a/b",
    "a b",
    " ",
    "50%",
    "a%20b",
    "%2e",
    "é",
    "a?b#c",
    "...",
    "{deployment_id}",
    "a\\b",
    "a;b",
];

fn deployment(id: &str) -> String {
    let id = Value::from(id);
    format!("[[deployment]]\nid = {id}\naccount = \"me\"\nmodel = \"m\"\nbackend = \"echo\"\n")
}

#[tokio::test]
async fn a_deployment_whose_id_no_request_can_name_is_refused_and_every_other_is_reached() {
    let account = BASE.split("[[deployment]]").next().unwrap();
    let all: String = REACHABLE.into_iter().map(deployment).collect();
    let app = TestApp::with_fixtures(&[("a.toml", &(account.to_owned() + &all))]).await;
    let client = client();
    let run = async |id: &str| {
        let mut url = reqwest::Url::parse(&app.url("/v1/runner")).unwrap();
        url.path_segments_mut().unwrap().push(id);
        let request = client.post(url).header("x-api-key", "MY_KEY").json(&said("hi"));
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    for id in REACHABLE {
        let (status, answer) = run(id).await;
        assert_eq!((status, &answer["content"]), (StatusCode::OK, &json!("hi")), "{id:?}");
    }
    assert_eq!(run("nobody").await.1["error"]["code"], "deployment_not_found");
    for (id, why) in [
        ("", "must not be empty"),
        (".", "no request reaches the id `.`"),
        ("..", "no request reaches the id `..`"),
        (
            "conversations",
            "the deployment id `conversations` collides with the route /v1/runner/conversations",
        ),
    ] {
        let (_, answer) = run(id).await;
        assert_ne!(answer["error"]["code"], "deployment_not_found", "{id:?} is not looked for");
        let (errors, _) = check((account.to_owned() + &deployment(id)).as_bytes());
        let [error] = &errors[..] else { panic!("{id:?}: {errors:?}") };
        assert!(error.contains("deployment[0].id: ") && error.contains(why), "{error}");
    }
    let missing = app.request(Method::POST, "/v1/runner/").key("MY_KEY").json(&said("hi"));
    assert_eq!(missing.send().await.status, StatusCode::NOT_FOUND);
}

#[test]
fn ids_that_stand_in_other_paths_are_checked_as_well() {
    let time = "2026-03-24T09:01:00Z";
    for (section, rest) in [
        ("account", "project = 'x'\nplan = 'plan'\nbalance = '0'\nkeys = []\n".to_owned()),
        ("agent", "name = 'x'\n".to_owned()),
        (
            "conversation",
            format!(
                "deployment = 'CANNED'\nname = 'n'\ncreated_at = {time}\nupdated_at = {time}\n"
            ),
        ),
        ("characters_conversation", characters_conversation()),
        ("dialogue", characters_conversation()),
    ] {
        for id in ["", ".", ".."] {
            let (errors, _) = check(format!("{BASE}[[{section}]]\nid = '{id}'\n{rest}").as_bytes());
            assert_eq!(errors.len(), 1, "{section} {id:?}: {errors:?}");
            assert!(errors[0].contains(".id: "), "{errors:?}");
        }
    }
}

/// A conversation of the Characters API without its id.
fn characters_conversation() -> String {
    let time = "2026-03-24T09:01:00Z";
    format!("title = 't'\nllm = 'llm_canned'\ncreated_at = {time}\nlast_message_at = {time}\n")
}

#[tokio::test]
async fn conversations_of_the_characters_api_have_two_section_names_that_one_file_can_mix() {
    let table = characters_conversation();
    let sections = ["dialogue", "characters_conversation", "dialogue", "characters_conversation"];
    let tables = sections.iter().enumerate();
    let tables: String =
        tables.map(|(index, name)| format!("[[{name}]]\nid = 'c{index}'\n{table}")).collect();
    let app = TestApp::with_fixtures(&[("a.toml", &(BASE.to_owned() + &tables))]).await;
    let list = app.characters_as("MY_KEY").list("/conversations").await;
    let ids: Vec<_> = list.iter().map(|conversation| &conversation["id"]).collect();
    // As if all had one name: the last one that was started comes first.
    assert_eq!(ids, ["c3", "c2", "c1", "c0"]);

    let repeated = format!("[[dialogue]]\nid = 'c1'\n{table}{tables}");
    let (errors, _) = check((BASE.to_owned() + &repeated).as_bytes());
    let [error] = &errors[..] else { panic!("{errors:?}") };
    assert!(error.contains("there are two conversations called `c1`"), "{error}");
    let unknown = repeated.replacen("'c1'", "'other'", 1).replacen("llm_canned", "none", 2);
    let (errors, _) = check((BASE.to_owned() + &unknown).as_bytes());
    let [first, second] = &errors[..] else { panic!("{errors:?}") };
    assert!(first.contains("dialogue[0].llm: there is no llm called `none`"), "{first}");
    assert!(second.contains("dialogue[1].llm: there is no llm called `none`"), "{second}");
}
