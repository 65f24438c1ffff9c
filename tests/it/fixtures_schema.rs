//! `mynah fixtures schema` and the reader of fixtures agree: what one takes, the other takes, key by
//! key. Neither knows of the other's list of keys here; both are asked.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use mynah::fixtures::{self, FixturesError, schema};
use mynah::http::route_table;
use serde_json::{Value, json};

use crate::support::binary::output;

const EVERYTHING: &str = include_str!("fixtures_schema/everything.toml");
/// A key that nothing has.
const STRANGE: &str = "strange";

fn validator() -> Validator {
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema::schema(route_table()))
        .unwrap()
}

/// TOML as editors show it to a schema: moments are text.
fn json_of(value: &toml::Value) -> Value {
    match value {
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::Array(values) => values.iter().map(json_of).collect(),
        toml::Value::Table(table) => {
            table.iter().map(|(key, value)| (key.clone(), json_of(value))).collect()
        }
        other => serde_json::to_value(other).unwrap(),
    }
}

/// JSON as TOML, whose numbers are of two kinds.
fn toml_of(value: &Value) -> toml::Value {
    match value {
        Value::Null => panic!("TOML has no null"),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().unwrap().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(toml_of).collect::<Vec<_>>().into(),
        Value::Object(fields) => {
            toml::Value::Table(fields.iter().map(|(key, it)| (key.clone(), toml_of(it))).collect())
        }
    }
}

fn read(text: &str) -> Value {
    json_of(&toml::Value::Table(text.parse().unwrap()))
}

/// The errors of a file with this content.
fn errors_in(content: &Value) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.toml"), toml::to_string(&toml_of(content)).unwrap())
        .unwrap();
    match fixtures::read(folder.path(), route_table()) {
        Ok(_) => Vec::new(),
        Err(FixturesError::Invalid { errors, .. }) => {
            errors.into_iter().map(|error| error.message).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

/// The place of every value in `value`, itself first, as JSON pointers.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| places(value, &format!("{at}/{key}"), into));
        }
        Value::Array(values) => values
            .iter()
            .enumerate()
            .for_each(|(index, value)| places(value, &format!("{at}/{index}"), into)),
        _ => {}
    }
}

fn all_places(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    places(value, "", &mut found);
    found
}

/// The keys that the schema has for the table at `place`, unless it may have any.
fn keys(schema: &Value, place: &str) -> Option<BTreeSet<String>> {
    let resolve = |node: &Value| match node["$ref"].as_str() {
        Some(to) => schema.pointer(to.trim_start_matches('#')).unwrap().clone(),
        None => node.clone(),
    };
    let mut node = schema.clone();
    for step in place.split('/').skip(1) {
        let next = match step.parse::<usize>() {
            Ok(_) => &node["items"],
            Err(_) => &node["properties"][step],
        };
        node = resolve(next);
    }
    Some(node["properties"].as_object()?.keys().cloned().collect())
}

/// What stands in backticks behind `expected`.
fn expected(message: &str) -> BTreeSet<String> {
    let (_, rest) = message.rsplit_once(", expected ").unwrap_or_else(|| panic!("{message}"));
    let names = rest.split('`').skip(1).step_by(2);
    names.map(|name| name.trim_matches(['[', ']']).to_owned()).collect()
}

#[test]
fn the_sample_has_every_key_of_the_schema_and_is_taken_by_both() {
    let (schema, sample) = (schema::schema(route_table()), read(EVERYTHING));
    assert_eq!(errors_in(&sample), Vec::<String>::new());
    validator().validate(&sample).unwrap();
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut offered = BTreeMap::new();
    for place in all_places(&sample) {
        let Some(keys) = sample.pointer(&place).unwrap().as_object().and(keys(&schema, &place))
        else {
            continue;
        };
        let kind = place.replace(|digit: char| digit.is_ascii_digit(), "");
        let used = used.entry(kind.clone()).or_default();
        used.extend(sample.pointer(&place).unwrap().as_object().unwrap().keys().cloned());
        offered.insert(kind, keys);
    }
    // The faults of models have the same schema as those of deployments.
    for again in ["/llm//faults/", "/sd_model//faults/"] {
        used.retain(|kind, _| !kind.starts_with(again));
        offered.retain(|kind, _| !kind.starts_with(again));
    }
    assert!(used.len() > 15, "{used:?}");
    assert_eq!(used, offered);
}

#[test]
fn a_strange_key_is_refused_by_both_and_both_expect_the_same() {
    let (schema, sample, validator) =
        (schema::schema(route_table()), read(EVERYTHING), validator());
    let mut tables = 0;
    for place in all_places(&sample) {
        let mut content = sample.clone();
        let Some(table) = content.pointer_mut(&place).unwrap().as_object_mut() else { continue };
        table.insert(STRANGE.to_owned(), json!([]));
        let errors = errors_in(&content);
        assert_eq!(validator.is_valid(&content), errors.is_empty(), "{place}: {errors:?}");
        if let Some(message) = errors.first() {
            assert_eq!(Some(expected(message)), keys(&schema, &place), "{place}: {message}");
            tables += 1;
        }
    }
    assert!(tables > 25, "{tables}");
}

#[test]
fn a_value_of_another_type_is_refused_by_both() {
    let (sample, validator) = (read(EVERYTHING), validator());
    for place in all_places(&sample) {
        let mut content = sample.clone();
        let value = content.pointer_mut(&place).unwrap();
        *value = match value {
            Value::String(_) => json!(5),
            _ if place.is_empty() => continue,
            _ => json!("of another type"),
        };
        let errors = errors_in(&content);
        assert_eq!(validator.is_valid(&content), errors.is_empty(), "{place}: {errors:?}");
    }
}

#[test]
fn what_is_missing_is_missed_by_both() {
    let (sample, validator) = (read(EVERYTHING), validator());
    for place in all_places(&sample) {
        let Some((table, key)) = place.rsplit_once('/') else { continue };
        let mut content = sample.clone();
        let Some(table) = content.pointer_mut(table).unwrap().as_object_mut() else { continue };
        table.shift_remove(key);
        let errors = errors_in(&content);
        let missing = errors.iter().any(|message| message.contains("missing field"));
        if missing {
            assert!(!validator.is_valid(&content), "{place}: {errors:?}");
        }
        // Only the reader knows what names lead to.
        if errors.is_empty() {
            assert!(validator.is_valid(&content), "{place}");
        }
    }
}

#[test]
fn wrong_files_are_invalid() {
    let validator = validator();
    for (wrong, place, value) in [
        ("a section that is no list", "/plan", json!({"id": "p", "requests_per_minute": 1})),
        ("a limit of nothing", "/plan/0/requests_per_minute", json!(0)),
        ("money as a number", "/account/0/balance", json!(12.5)),
        ("money beyond six places", "/account/0/balance", json!("0.0000001")),
        ("no backend", "/deployment/0/backend", json!("upstream")),
        ("no status that refuses", "/deployment/0/faults/0/effect/status", json!(200)),
        ("no effect", "/deployment/0/faults/0/effect", json!({})),
        ("a lone retry_after", "/deployment/0/faults/0/effect", json!({"retry_after": 1})),
        ("no method of ours", "/deployment/0/faults/0/when/method", json!("PUT")),
        ("no chance", "/deployment/0/faults/1/when/probability", json!(1.5)),
        ("a reply with both", "/rule/0/reply/0", json!({"text": "a", "json": {}})),
        ("a reply with neither", "/rule/0/reply/0", json!({"name": "a"})),
        ("no reply", "/rule/0/reply", json!([])),
        ("a negative number", "/rule/0/reply/0/input_tokens", json!(-1)),
        ("no part", "/rule/0/when/parts", json!(["smell"])),
        ("no role", "/characters_conversation/0/message/0/role", json!("assistant")),
        ("no role in the former section", "/dialogue/0/message/0/role", json!("assistant")),
        ("no time", "/image/0/created_at", json!("yesterday")),
        ("a message with both", "/conversation/0/message/0/text", json!("a")),
    ] {
        let mut content = read(EVERYTHING);
        match (content.pointer(place).is_some(), place.rsplit_once('/').unwrap()) {
            (true, _) => *content.pointer_mut(place).unwrap() = value,
            (false, (table, key)) => content.pointer_mut(table).unwrap()[key] = value,
        }
        assert!(!validator.is_valid(&content), "{wrong}");
        assert_ne!(errors_in(&content), Vec::<String>::new(), "{wrong}");
    }
}

#[test]
fn the_built_in_fixtures_and_the_samples_of_the_documents_are_valid() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let validator = validator();
    let mut valid = 0;
    let mut hold = |name: &str, text: &str| {
        if let Err(error) = validator.validate(&read(text)) {
            panic!("{name}: {error} at {}", error.instance_path());
        }
        valid += 1;
    };
    for file in std::fs::read_dir(root.join("fixtures")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            hold(path.to_str().unwrap(), &std::fs::read_to_string(&path).unwrap());
        }
    }
    for document in ["README.md", "docs/control.md", "docs/examples.md"] {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        for block in text.split("```toml\n").skip(1) {
            hold(document, block.split("```").next().unwrap());
        }
    }
    assert!(valid >= 8, "{valid}");
}

#[tokio::test]
async fn the_command_prints_a_schema_of_draft_2020_12() {
    let printed = output(&["fixtures", "schema"]).await;
    assert!(printed.status.success());
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(printed, schema::schema(route_table()));
    assert_eq!(printed["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::draft202012::meta::validate(&printed).unwrap();
    let without_null = !printed.to_string().contains("null");
    assert!(without_null, "TOML has no null");
}
