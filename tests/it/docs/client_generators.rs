//! What client generators cannot read, or read as something else, is not in the OpenAPI documents.
//! `scripts/check-generated-clients` runs the generators themselves.

use std::collections::BTreeSet;

use mynah::domain::Api;
use mynah::openapi;
use serde_json::{Map, Value};

use crate::support::{DEPLOYMENT, TestApp};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Keywords whose schemas only validators read.
const FOR_VALIDATORS: [&str; 4] = ["if", "then", "else", "not"];
/// Keywords that hold schemas by name.
const NAMED: [&str; 2] = ["properties", "patternProperties"];
/// Keywords that hold a list of schemas.
const LISTED: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Keywords that hold one schema.
const SINGLE: [&str; 2] = ["items", "additionalProperties"];

fn document(api: Api) -> Value {
    serde_json::from_str(openapi::json(api)).unwrap()
}

/// Every object of the document with its place.
fn objects(document: &Value) -> Vec<(String, &Map<String, Value>)> {
    fn visit<'d>(value: &'d Value, place: &str, found: &mut Vec<(String, &'d Map<String, Value>)>) {
        match value {
            Value::Object(fields) => {
                found.push((place.to_owned(), fields));
                for (key, value) in fields {
                    visit(value, &format!("{place}/{key}"), found);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    visit(value, &format!("{place}/{index}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    visit(document, "", &mut found);
    found
}

/// Every schema that generators read, with its place.
fn schemas(document: &Value) -> Vec<(String, &Value)> {
    fn visit<'d>(schema: &'d Value, place: &str, found: &mut Vec<(String, &'d Value)>) {
        found.push((place.to_owned(), schema));
        for (key, value) in schema.as_object().into_iter().flatten() {
            let place = format!("{place}/{key}");
            if NAMED.contains(&key.as_str()) {
                for (name, schema) in value.as_object().unwrap() {
                    visit(schema, &format!("{place}/{name}"), found);
                }
            } else if LISTED.contains(&key.as_str()) {
                for (index, schema) in value.as_array().unwrap().iter().enumerate() {
                    visit(schema, &format!("{place}/{index}"), found);
                }
            } else if SINGLE.contains(&key.as_str()) && value.is_object() {
                visit(value, &place, found);
            }
        }
    }
    let mut found = Vec::new();
    for (place, fields) in objects(document) {
        if let Some(schema) = fields.get("schema") {
            visit(schema, &format!("{place}/schema"), &mut found);
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        visit(schema, &format!("/components/schemas/{name}"), &mut found);
    }
    assert!(found.len() > 100, "{}", found.len());
    found
}

fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(place) => document.pointer(place.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

fn operations(document: &Value) -> Vec<&Value> {
    let paths = document["paths"].as_object().unwrap().values();
    paths.flat_map(|item| METHODS.iter().filter_map(|method| item.get(method))).collect()
}

/// The places of the schemas that `is_wrong`.
#[track_caller]
fn refuse(what: &str, is_wrong: impl Fn(&Value, &Value) -> bool) {
    for api in Api::ALL {
        let document = document(api);
        let wrong: Vec<String> = schemas(&document)
            .into_iter()
            .filter(|(_, schema)| is_wrong(&document, schema))
            .map(|(place, _)| place)
            .collect();
        assert!(wrong.is_empty(), "{} of {}:\n  {}", what, api.name(), wrong.join("\n  "));
    }
}

#[test]
fn no_field_allows_null_alone() {
    // openapi-generator for Python stops.
    refuse("fields of null alone", |_, schema| {
        let fields = schema["properties"].as_object();
        fields.is_some_and(|fields| fields.values().any(|field| field["type"] == "null"))
    });
    // This is how a document says so instead.
    let next = &document(Api::Runner)["components"]["schemas"]["NextMessage"]["properties"];
    assert_eq!(next["meta"]["not"]["type"], "object");
}

#[test]
fn no_schema_is_a_boolean_and_none_depends_on_a_field() {
    // orval stops at `{id: true}`, and openapi-generator ignores `dependentSchemas`.
    refuse("boolean schemas", |_, schema| schema.is_boolean());
    refuse("dependent schemas", |_, schema| schema.get("dependentSchemas").is_some());
}

#[test]
fn every_alternative_has_a_type() {
    // An alternative that is a bare pattern becomes `unknown`.
    refuse("alternatives without a type", |document, schema| {
        let alternatives = LISTED.iter().filter_map(|keyword| schema[keyword].as_array()).flatten();
        alternatives.into_iter().any(|alternative| {
            let alternative = resolved(document, alternative);
            ["type", "const", "anyOf", "oneOf"].iter().all(|key| alternative.get(key).is_none())
        })
    });
}

#[test]
fn beside_a_reference_is_only_what_generators_ignore() {
    // openapi-generator calls `properties` beside `$ref` illegal; other generators drop them.
    refuse("references with types beside them", |_, schema| {
        let fields = schema.as_object().unwrap().keys();
        let other = fields.filter(|key| {
            !["$ref", "description"].contains(&key.as_str())
                && !FOR_VALIDATORS.contains(&key.as_str())
        });
        schema.get("$ref").is_some() && other.count() > 0
    });
}

#[test]
fn no_field_of_a_body_has_a_default() {
    // openapi-typescript takes a field with a default as one that has to be given.
    refuse("fields with a default", |_, schema| {
        let fields = schema["properties"].as_object();
        fields.is_some_and(|fields| fields.values().any(|field| field.get("default").is_some()))
    });
}

/// A pattern without its classes of characters.
fn without_classes(pattern: &str) -> String {
    let mut outside = String::new();
    let (mut is_class, mut is_escaped) = (false, false);
    for character in pattern.chars() {
        match character {
            '[' if !is_escaped => is_class = true,
            ']' if !is_escaped => is_class = false,
            _ if !is_class => outside.push(character),
            _ => {}
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    outside
}

#[test]
fn no_pattern_repeats_any_character_twice() {
    // Generators that search for matches of a pattern run for hours.
    refuse("patterns with two repetitions of any character", |_, schema| {
        let pattern = without_classes(schema["pattern"].as_str().unwrap_or(""));
        pattern.replace("\\.", "").matches(['.']).count() > 1
    });
    assert_eq!(without_classes(r"^[a-z.\]]+://.+/[^/]*\.png$"), r"^+://.+/*\.png$");
}

#[test]
fn every_media_type_has_a_schema() {
    for api in Api::ALL {
        let document = document(api);
        for (place, fields) in objects(&document) {
            let content = fields.get("content").and_then(Value::as_object);
            // `content` is also a field of messages.
            let media = content.into_iter().flatten().filter(|(kind, _)| kind.contains('/'));
            for (kind, media) in media {
                assert!(media["schema"].is_object(), "{place}: {kind}");
            }
        }
    }
}

#[test]
fn every_operation_has_one_tag() {
    // Generators make a class of each tag, and the operation a method of each of its tags' classes.
    for api in Api::ALL {
        let document = document(api);
        let tags = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]);
        let tags: Vec<&Value> = tags.collect();
        for operation in operations(&document) {
            let own = operation["tags"].as_array().unwrap();
            assert!(own.len() == 1 && tags.contains(&&own[0]), "{}", operation["operationId"]);
        }
    }
}

#[test]
fn no_error_has_the_example_name_of_a_request() {
    // Tools that pair the examples of requests and responses by name would expect the error.
    for api in Api::ALL {
        let document = document(api);
        for operation in operations(&document) {
            let names = |body: &Value| -> BTreeSet<String> {
                let examples =
                    &resolved(&document, body)["content"]["application/json"]["examples"];
                examples.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
            };
            let requests = names(&operation["requestBody"]);
            for (status, response) in operation["responses"].as_object().unwrap() {
                if !status.starts_with('2') {
                    let shared: Vec<_> = requests.intersection(&names(response)).cloned().collect();
                    assert!(shared.is_empty(), "{} {status}: {shared:?}", operation["operationId"]);
                }
            }
        }
    }
}

#[test]
fn links_have_no_bodies_but_expressions() {
    for api in Api::ALL {
        let document = document(api);
        for (place, link) in objects(&document) {
            let body = link.get("requestBody").filter(|_| place.contains("/links/"));
            assert!(body.is_none_or(Value::is_string), "{place}");
        }
    }
}

#[tokio::test]
async fn the_bodies_of_links_continue_the_conversation() {
    let app = TestApp::start().await;
    let started = app.runner().start_conversation(DEPLOYMENT, "Hi").await.good();
    let document = document(Api::Runner);
    let paths = &document["paths"];
    let run = &paths["/v1/runner/{deployment_id}/conversation"]["post"];
    let links = run["responses"]["200"]["links"].as_object().unwrap().values();
    let mut followed = 0;
    for link in links.filter(|link| link.get("x-requestBody").is_some()) {
        let mut items = paths.as_object().unwrap().iter();
        let target = items.find(|(_, item)| item["post"]["operationId"] == link["operationId"]);
        let path = target.unwrap().0.replace("{deployment_id}", DEPLOYMENT);
        let mut body = link["x-requestBody"].clone();
        for value in body.as_object_mut().unwrap().values_mut() {
            let place = value.as_str().and_then(|text| text.strip_prefix("$response.body#"));
            if let Some(place) = place {
                *value = started.pointer(place).unwrap().clone();
            }
        }
        let answer = app.post(&path, &body).await;
        assert_eq!(answer.status, 200, "{}: {}", link["operationId"], answer.body);
        followed += 1;
    }
    assert_eq!(followed, 2);
    let id = started["conversation_id"].as_str().unwrap();
    assert_eq!(app.runner().messages(id).await.len(), 6);
}
