//! Whether a request is as its document says, and whether its answer agrees.

use form_urlencoded::parse;
use serde_json::{Value, json};

use super::document::{Operation, Parameter, Schema, essence};
use super::{Mark, Sent};

/// Statuses that call the request itself malformed. How large it is (413) no schema tells.
const MALFORMED: [u16; 2] = [400, 415];

/// What is wrong between a request and the status of its answer.
pub(super) fn judged(
    operation: &Operation,
    values: &[(String, String)],
    sent: &Sent,
    status: u16,
) -> Vec<String> {
    let Some(mut faults) = faults(operation, values, sent) else { return Vec::new() };
    let malformed = MALFORMED.contains(&status);
    match (faults.is_empty(), sent.mark) {
        (_, Mark::DeliberatelyInvalid) if status < 400 => {
            vec!["meant to be refused, and was not".to_owned()]
        }
        (true, Mark::Ordinary) if malformed => {
            vec!["refused as malformed, and the document allows it".to_owned()]
        }
        (false, Mark::Ordinary) if status < 400 => {
            faults.insert(0, "taken, and the document forbids it".to_owned());
            faults
        }
        _ => Vec::new(),
    }
}

/// What is wrong with a request; none where not all of it is known.
fn faults(operation: &Operation, values: &[(String, String)], sent: &Sent) -> Option<Vec<String>> {
    let mut faults = Vec::new();
    let pairs: Vec<(String, String)> = parse(sent.query().as_bytes()).into_owned().collect();
    for parameter in &operation.parameters {
        let given = match parameter.place.as_str() {
            "path" => given(values, parameter),
            "query" if parameter.collects => vec![collected(operation, &pairs)],
            "query" => given(&pairs, parameter),
            _ => sent.header(&parameter.name.to_lowercase()).into_iter().map(Value::from).collect(),
        };
        if parameter.required && given.is_empty() {
            faults.push(format!("`{}` is missing", parameter.name));
        }
        if given.len() > 1 {
            faults.push(format!("`{}` is given twice", parameter.name));
        }
        for value in given {
            faults.extend(
                parameter
                    .schema
                    .faults(&value)
                    .into_iter()
                    .map(|fault| format!("`{}` {fault}", parameter.name)),
            );
        }
    }
    if operation.body.is_some() {
        faults.extend(faults_of_body(operation, sent)?);
    }
    Some(faults)
}

fn faults_of_body(operation: &Operation, sent: &Sent) -> Option<Vec<String>> {
    let described = operation.body.as_ref()?;
    let body = sent.body.as_ref()?;
    if body.is_empty() && !described.required {
        return Some(Vec::new());
    }
    let kind = sent.header("content-type").map(essence).unwrap_or_default();
    let Some(schema) = described.content.get(&kind) else {
        return Some(vec![format!("a body of the type `{kind}`")]);
    };
    Some(match serde_json::from_slice::<Value>(body) {
        Ok(value) => schema.as_ref().map_or_else(Vec::new, |schema| schema.faults(&value)),
        Err(error) => vec![format!("the body is no JSON: {error}")],
    })
}

fn given(pairs: &[(String, String)], parameter: &Parameter) -> Vec<Value> {
    let ours = pairs.iter().filter(|(name, _)| *name == parameter.name);
    ours.map(|(_, value)| as_typed(&parameter.schema, value)).collect()
}

/// Every query parameter that has no other name, as one object.
fn collected(operation: &Operation, pairs: &[(String, String)]) -> Value {
    let known = |name: &String| operation.parameters.iter().any(|ours| ours.name == *name);
    let free = pairs.iter().filter(|(name, _)| !known(name));
    Value::Object(free.map(|(name, value)| (name.clone(), json!(value))).collect())
}

/// A text as the type that the schema asks for, if it is one.
pub(super) fn as_typed(schema: &Schema, text: &str) -> Value {
    match schema.text["type"].as_str() {
        Some("integer" | "number" | "boolean") => {
            let number = serde_json::from_str(text).ok().filter(|_| text.trim() == text);
            number.unwrap_or_else(|| json!(text))
        }
        _ => json!(text),
    }
}
