//! Whether a request is as documented, and whether the status of the response agrees.

use form_urlencoded::parse;
use serde_json::{Value, json};

use super::document::{Operation, Parameter, Schema, essence};
use super::{Expectation, SentRequest};

/// Statuses that call the request itself malformed. No schema limits its size (413).
const MALFORMED: [u16; 2] = [400, 415];

/// What does not fit together in a request and the status of its response.
pub(super) fn problems(
    operation: &Operation,
    path_values: &[(String, String)],
    sent: &SentRequest,
    status: u16,
) -> Vec<String> {
    let Some(mut problems) = request_problems(operation, path_values, sent) else {
        return Vec::new();
    };
    let malformed = MALFORMED.contains(&status);
    match (problems.is_empty(), sent.expectation) {
        (_, Expectation::Refused) if status < 400 => {
            vec!["expected to be refused, and accepted".to_owned()]
        }
        (true, Expectation::Documented) if malformed => {
            vec!["refused as malformed, and the document allows it".to_owned()]
        }
        (false, Expectation::Documented) if status < 400 => {
            problems.insert(0, "accepted, and the document forbids it".to_owned());
            problems
        }
        _ => Vec::new(),
    }
}

/// What is wrong with a request; `None` where not all of it is known.
fn request_problems(
    operation: &Operation,
    path_values: &[(String, String)],
    sent: &SentRequest,
) -> Option<Vec<String>> {
    let mut problems = Vec::new();
    let pairs: Vec<(String, String)> = parse(sent.query().as_bytes()).into_owned().collect();
    for parameter in &operation.parameters {
        let values = match parameter.location.as_str() {
            "path" => values_of(path_values, parameter),
            "query" if parameter.collects => vec![other_parameters(operation, &pairs)],
            "query" => values_of(&pairs, parameter),
            _ => sent.header(&parameter.name.to_lowercase()).into_iter().map(Value::from).collect(),
        };
        if parameter.required && values.is_empty() {
            problems.push(format!("`{}` is missing", parameter.name));
        }
        if values.len() > 1 {
            problems.push(format!("`{}` is given twice", parameter.name));
        }
        for value in values {
            let of_value = parameter.schema.problems(&value).into_iter();
            problems.extend(of_value.map(|problem| format!("`{}` {problem}", parameter.name)));
        }
    }
    if operation.body.is_some() {
        problems.extend(body_problems(operation, sent)?);
    }
    Some(problems)
}

fn body_problems(operation: &Operation, sent: &SentRequest) -> Option<Vec<String>> {
    let described = operation.body.as_ref()?;
    let body = sent.body.as_ref()?;
    if body.is_empty() && !described.required {
        return Some(Vec::new());
    }
    let kind = sent.header("content-type").map_or_else(String::new, essence);
    let Some(schema) = described.content.get(&kind) else {
        return Some(vec![format!("a body of the type `{kind}`")]);
    };
    Some(match serde_json::from_slice::<Value>(body) {
        Ok(value) => schema.as_ref().map_or_else(Vec::new, |schema| schema.problems(&value)),
        Err(error) => vec![format!("the body is not JSON: {error}")],
    })
}

fn values_of(pairs: &[(String, String)], parameter: &Parameter) -> Vec<Value> {
    let matching = pairs.iter().filter(|(name, _)| *name == parameter.name);
    matching.map(|(_, value)| parse_as(&parameter.schema, value)).collect()
}

/// The query parameters that the document does not name, as one object.
fn other_parameters(operation: &Operation, pairs: &[(String, String)]) -> Value {
    let is_named = |name: &String| operation.parameters.iter().any(|named| named.name == *name);
    let others = pairs.iter().filter(|(name, _)| !is_named(name));
    Value::Object(others.map(|(name, value)| (name.clone(), json!(value))).collect())
}

/// A text as a value of the schema's type; as a string where it is none.
pub(super) fn parse_as(schema: &Schema, text: &str) -> Value {
    match schema.text["type"].as_str() {
        Some("integer" | "number" | "boolean") => {
            let number = serde_json::from_str(text).ok().filter(|_| text.trim() == text);
            number.unwrap_or_else(|| json!(text))
        }
        _ => json!(text),
    }
}
