//! An OpenAPI document: its operations, found by method and path, with a validator for every parameter,
//! body and header.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::{Registry, Validator};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

/// The characters of a JSON pointer that a URI's fragment must not have.
const FRAGMENT: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b'{').add(b'}');

pub struct Document {
    pub operations: Vec<Operation>,
    /// The envelopes of errors. The server's options choose one of them.
    pub error_envelopes: Vec<Schema>,
}

/// One method of one path.
pub struct Operation {
    /// The `operationId`.
    pub id: String,
    /// In upper case.
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
    pub location: String,
    pub required: bool,
    /// It stands for all query parameters that the document does not name.
    pub collects: bool,
    pub schema: Schema,
}

pub struct Body {
    pub required: bool,
    /// By media type; `None` for bytes.
    pub content: BTreeMap<String, Option<Schema>>,
}

pub struct Response {
    pub headers: BTreeMap<String, Header>,
    /// By media type; `None` for bytes.
    pub content: BTreeMap<String, Option<Schema>>,
}

pub struct Header {
    pub required: bool,
    pub schema: Schema,
}

/// A schema in the document. The validator is built when it is first used.
pub struct Schema {
    uri: String,
    /// The schema, or the one to which its `$ref` points.
    pub text: Value,
    registry: &'static Registry<'static>,
    validator: OnceLock<Validator>,
}

impl Document {
    /// Reads a document. It is never freed, because the validators point into it.
    pub fn read(name: &str, text: &Value) -> Self {
        let uri = format!("urn:mynah:{name}");
        let registry = Registry::new().add(&uri, text.clone()).expect("a name").prepare();
        let registry = Box::leak(Box::new(registry.expect("the references resolve")));
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
        let defined = envelopes.iter().filter(|pointer| text.pointer(pointer).is_some());
        let error_envelopes = defined.map(|pointer| reader.schema(pointer)).collect();
        Self { operations, error_envelopes }
    }

    /// The operations of the documented path that matches `path` with the fewest parameters, each with
    /// the values of these parameters.
    pub fn operations_at(&self, path: &str) -> Vec<(&Operation, Vec<(String, String)>)> {
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
    /// The values of the path's parameters, if `path` matches.
    fn matches(&self, path: &str) -> Option<Vec<(String, String)>> {
        let (template, segments) = (self.path.split('/'), path.split('/'));
        if template.clone().count() != segments.clone().count() {
            return None;
        }
        let mut values = Vec::new();
        for (template, segment) in template.zip(segments) {
            let Some((before, rest)) = template.split_once('{') else {
                if template == segment {
                    continue;
                }
                return None;
            };
            let (name, after) = rest.split_once('}').expect("a name in braces");
            let value = segment.strip_prefix(before)?.strip_suffix(after)?;
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
    /// What is wrong with `value`, each with its position.
    pub fn problems(&self, value: &Value) -> Vec<String> {
        let validator = self.validator.get_or_init(|| {
            jsonschema::draft202012::options()
                .with_registry(self.registry)
                .should_validate_formats(true)
                .build(&json!({ "$ref": self.uri }))
                .unwrap_or_else(|error| panic!("{}: {error}", self.uri))
        });
        let errors = validator.iter_errors(value);
        errors.map(|error| format!("at `{}`: {error}", error.instance_path())).collect()
    }
}

/// The media type without parameters: `text/plain` of `text/plain; charset=utf-8`.
pub fn essence(kind: &str) -> String {
    kind.split(';').next().expect("split returns at least one item").trim().to_lowercase()
}

/// Reads the parts of a document, each at its JSON pointer.
struct Reader<'a> {
    text: &'a Value,
    uri: &'a str,
    registry: &'static Registry<'static>,
}

impl Reader<'_> {
    fn operation(&self, path: &str, method: &str, item: &Value, operation: &Value) -> Operation {
        let pointer = format!("/paths/{}/{method}", path.replace('~', "~0").replace('/', "~1"));
        let shared = item["parameters"].as_array().into_iter().flatten();
        let own = operation["parameters"].as_array().into_iter().flatten();
        let shared_pointer = pointer.rsplit_once('/').expect("a method at its end").0;
        let parameters = shared
            .enumerate()
            .map(|(at, _)| self.parameter(&format!("{shared_pointer}/parameters/{at}")))
            .chain(
                own.enumerate()
                    .map(|(at, _)| self.parameter(&format!("{pointer}/parameters/{at}"))),
            )
            .collect();
        let responses = object(&operation["responses"])
            .map(|(status, _)| {
                let response = self.response(&format!("{pointer}/responses/{status}"));
                (status.parse().expect("a status"), response)
            })
            .collect();
        let body =
            operation.get("requestBody").map(|_| self.body(&format!("{pointer}/requestBody")));
        let id = operation["operationId"].as_str().expect("an operationId").to_owned();
        let (method, path) = (method.to_uppercase(), path.to_owned());
        Operation { id, method, path, parameters, body, responses }
    }

    fn parameter(&self, pointer: &str) -> Parameter {
        let (pointer, text) = self.follow(pointer);
        let schema = self.schema(&format!("{pointer}/schema"));
        Parameter {
            name: text["name"].as_str().expect("a name").to_owned(),
            location: text["in"].as_str().expect("a location").to_owned(),
            required: text["required"] == json!(true),
            collects: text["in"] == json!("query") && schema.text["type"] == json!("object"),
            schema,
        }
    }

    fn body(&self, pointer: &str) -> Body {
        let (pointer, text) = self.follow(pointer);
        Body { required: text["required"] == json!(true), content: self.content(&pointer, text) }
    }

    fn response(&self, pointer: &str) -> Response {
        let (pointer, text) = self.follow(pointer);
        let headers = object(&text["headers"]).map(|(name, _)| {
            let (pointer, text) = self.follow(&format!("{pointer}/headers/{name}"));
            let schema = self.schema(&format!("{pointer}/schema"));
            (name.to_lowercase(), Header { required: text["required"] == json!(true), schema })
        });
        Response { headers: headers.collect(), content: self.content(&pointer, text) }
    }

    fn content(&self, pointer: &str, text: &Value) -> BTreeMap<String, Option<Schema>> {
        let pointer = |kind: &str| format!("{pointer}/content/{}/schema", kind.replace('/', "~1"));
        let schema = |(kind, media): (&String, &Value)| {
            (essence(kind), media.get("schema").map(|_| self.schema(&pointer(kind))))
        };
        object(&text["content"]).map(schema).collect()
    }

    fn schema(&self, pointer: &str) -> Schema {
        let text = self.follow(pointer).1.clone();
        let uri = format!("{}#{}", self.uri, utf8_percent_encode(pointer, FRAGMENT));
        Schema { uri, text, registry: self.registry, validator: OnceLock::new() }
    }

    /// The pointer and value at `pointer`, or at the end of its chain of references.
    fn follow(&self, pointer: &str) -> (String, &Value) {
        let text =
            self.text.pointer(pointer).unwrap_or_else(|| panic!("there is nothing at {pointer}"));
        match text["$ref"].as_str() {
            Some(reference) => {
                self.follow(reference.strip_prefix('#').expect("a reference within the document"))
            }
            None => (pointer.to_owned(), text),
        }
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
