//! An OpenAPI document as what is checked against it needs it: operations, found by method and path,
//! with a validator for every parameter, body and header.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::{Registry, Validator};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

/// What a place in a document may hold and the end of a URI may not.
const FRAGMENT: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b'{').add(b'}');

/// One API's document.
pub struct Document {
    pub operations: Vec<Operation>,
    /// The envelopes of its refusals: one of them, as the server's options say.
    pub refusals: Vec<Schema>,
}

/// One method of one path.
pub struct Operation {
    /// Its `operationId`.
    pub id: String,
    /// In capitals.
    pub method: String,
    /// As in the document: `/v1/runner/{deployment_id}`.
    pub path: String,
    pub parameters: Vec<Parameter>,
    pub body: Option<Body>,
    /// By status.
    pub responses: BTreeMap<u16, Response>,
}

pub struct Parameter {
    pub name: String,
    /// `path`, `query` or `header`.
    pub place: String,
    pub required: bool,
    /// It takes up every query parameter that has no other name.
    pub collects: bool,
    pub schema: Schema,
}

pub struct Body {
    pub required: bool,
    /// By media type; nothing is said of bytes.
    pub content: BTreeMap<String, Option<Schema>>,
}

pub struct Response {
    pub headers: BTreeMap<String, Header>,
    /// By media type; nothing is said of bytes.
    pub content: BTreeMap<String, Option<Schema>>,
}

pub struct Header {
    pub required: bool,
    pub schema: Schema,
}

/// A schema at its place in the document; its validator is made when it is first asked.
pub struct Schema {
    place: String,
    /// Itself, with the reference at its head followed.
    pub text: Value,
    registry: &'static Registry<'static>,
    validator: OnceLock<Validator>,
}

impl Document {
    /// Reads a document. It lives as long as the process, as its validators point into it.
    pub fn read(name: &str, text: &Value) -> Self {
        let uri = format!("urn:mynah:{name}");
        let registry = Registry::new().add(&uri, text.clone()).expect("a name").prepare();
        let registry = Box::leak(Box::new(registry.expect("the references lead somewhere")));
        let reader = Reader { text, uri: &uri, registry };
        let mut operations = Vec::new();
        for (path, item) in object(&text["paths"]) {
            for (method, operation) in object(item) {
                if ["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                    operations.push(reader.operation(path, method, item, operation));
                }
            }
        }
        let envelopes = ["Error", "ErrorDetail"].map(|name| format!("/components/schemas/{name}"));
        let there = envelopes.iter().filter(|place| text.pointer(place).is_some());
        Self { operations, refusals: there.map(|place| reader.schema(place)).collect() }
    }

    /// The operations of the path that `path` is closest to, each with the values of the path's
    /// parameters.
    pub fn at(&self, path: &str) -> Vec<(&Operation, Vec<(String, String)>)> {
        let mut found: Vec<_> = self
            .operations
            .iter()
            .filter_map(|operation| Some((operation, operation.matches(path)?)))
            .collect();
        let fewest = found.iter().map(|(_, values)| values.len()).min();
        found.retain(|(_, values)| Some(values.len()) == fewest);
        found
    }
}

impl Operation {
    /// The values of the path's parameters, if `path` is one of its paths.
    fn matches(&self, path: &str) -> Option<Vec<(String, String)>> {
        let (ours, theirs) = (self.path.split('/'), path.split('/'));
        if ours.clone().count() != theirs.clone().count() {
            return None;
        }
        let mut values = Vec::new();
        for (ours, theirs) in ours.zip(theirs) {
            let Some((before, rest)) = ours.split_once('{') else {
                if ours == theirs {
                    continue;
                }
                return None;
            };
            let (name, after) = rest.split_once('}').expect("a name in braces");
            let value = theirs.strip_prefix(before)?.strip_suffix(after)?;
            if value.is_empty() {
                return None;
            }
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            values.push((name.to_owned(), value));
        }
        Some(values)
    }
}

impl Schema {
    /// What is wrong with `value`, each with its place in it.
    pub fn faults(&self, value: &Value) -> Vec<String> {
        let validator = self.validator.get_or_init(|| {
            jsonschema::draft202012::options()
                .with_registry(self.registry)
                .should_validate_formats(true)
                .build(&json!({ "$ref": self.place }))
                .unwrap_or_else(|error| panic!("{}: {error}", self.place))
        });
        let faults = validator.iter_errors(value);
        faults.map(|fault| format!("at `{}`: {fault}", fault.instance_path())).collect()
    }
}

/// `text/plain; charset=utf-8` is `text/plain`.
pub fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_lowercase()
}

/// Reads the parts of a document.
struct Reader<'a> {
    text: &'a Value,
    uri: &'a str,
    registry: &'static Registry<'static>,
}

impl Reader<'_> {
    fn operation(&self, path: &str, method: &str, item: &Value, operation: &Value) -> Operation {
        let place = format!("/paths/{}/{method}", path.replace('~', "~0").replace('/', "~1"));
        let shared = item["parameters"].as_array().into_iter().flatten();
        let own = operation["parameters"].as_array().into_iter().flatten();
        let shared_place = place.rsplit_once('/').expect("a method at its end").0;
        let parameters = shared
            .enumerate()
            .map(|(at, _)| self.parameter(&format!("{shared_place}/parameters/{at}")))
            .chain(
                own.enumerate().map(|(at, _)| self.parameter(&format!("{place}/parameters/{at}"))),
            )
            .collect();
        let responses = object(&operation["responses"])
            .map(|(status, _)| {
                let response = self.response(&format!("{place}/responses/{status}"));
                (status.parse().expect("a status"), response)
            })
            .collect();
        let body = operation.get("requestBody").map(|_| self.body(&format!("{place}/requestBody")));
        let id = operation["operationId"].as_str().expect("an operationId").to_owned();
        let (method, path) = (method.to_uppercase(), path.to_owned());
        Operation { id, method, path, parameters, body, responses }
    }

    fn parameter(&self, place: &str) -> Parameter {
        let (place, text) = self.follow(place);
        let schema = self.schema(&format!("{place}/schema"));
        Parameter {
            name: text["name"].as_str().expect("a name").to_owned(),
            place: text["in"].as_str().expect("a place").to_owned(),
            required: text["required"] == json!(true),
            collects: text["in"] == json!("query") && schema.text["type"] == json!("object"),
            schema,
        }
    }

    fn body(&self, place: &str) -> Body {
        let (place, text) = self.follow(place);
        Body { required: text["required"] == json!(true), content: self.content(&place, text) }
    }

    fn response(&self, place: &str) -> Response {
        let (place, text) = self.follow(place);
        let headers = object(&text["headers"]).map(|(name, _)| {
            let (place, text) = self.follow(&format!("{place}/headers/{name}"));
            let schema = self.schema(&format!("{place}/schema"));
            (name.to_lowercase(), Header { required: text["required"] == json!(true), schema })
        });
        Response { headers: headers.collect(), content: self.content(&place, text) }
    }

    fn content(&self, place: &str, text: &Value) -> BTreeMap<String, Option<Schema>> {
        let place = |kind: &str| format!("{place}/content/{}/schema", kind.replace('/', "~1"));
        let schema = |(kind, media): (&String, &Value)| {
            (essence(kind), media.get("schema").map(|_| self.schema(&place(kind))))
        };
        object(&text["content"]).map(schema).collect()
    }

    fn schema(&self, place: &str) -> Schema {
        let text = self.follow(place).1.clone();
        let place = format!("{}#{}", self.uri, utf8_percent_encode(place, FRAGMENT));
        Schema { place, text, registry: self.registry, validator: OnceLock::new() }
    }

    /// What stands at a place, or where the reference there leads.
    fn follow(&self, place: &str) -> (String, &Value) {
        let text = self.text.pointer(place).unwrap_or_else(|| panic!("nothing is at {place}"));
        match text["$ref"].as_str() {
            Some(reference) => self.follow(reference.strip_prefix('#').expect("a place in here")),
            None => (place.to_owned(), text),
        }
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
