//! The samples of an OpenAPI document as requests to send: a `.http` file, as the REST Client of Visual
//! Studio Code and the HTTP clients of other editors read it.
//!
//! There is a request for every example of a body or of a required query parameter, and for every
//! operation without such; where optional query parameters have examples, one more with them.

use serde_json::{Map, Value};

use super::json;
use crate::domain::Api;

/// The documents' own keys, by which a new server knows its demo account.
const RUNNER_KEY: &str = "YOUR_API_KEY";
const CHARACTERS_KEY: &str = "your_api_key_here";

/// How methods stand in a document.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The samples of the document of `api` as a `.http` file, to be sent to `server`: a URL without a slash
/// at its end. Fails only if the document were no JSON.
pub fn collection(api: Api, server: &str) -> serde_json::Result<String> {
    let document: Value = serde_json::from_str(json(api))?;
    let key = match api {
        Api::Runner => RUNNER_KEY,
        Api::Characters => CHARACTERS_KEY,
    };
    let head = format!(
        "# {}. For VS Code (REST Client) and JetBrains IDEs.\n\
         # Made by `mynah openapi {command} --format http` from the OpenAPI document.\n\n\
         @server = {server}\n@key = {key}\n",
        text(&document, "/info/title"),
        command = api.name(),
    );
    Ok(requests(&document).iter().fold(head, |file, request| file + &request.written()))
}

/// One request of the file.
struct CollectionRequest<'d> {
    name: String,
    title: String,
    method: String,
    target: String,
    /// The header that carries the key, where one is sent.
    key: Option<String>,
    body: Option<&'d Value>,
}

impl CollectionRequest<'_> {
    fn written(&self) -> String {
        let Self { name, title, method, target, key, body } = self;
        let mut lines = vec![
            format!("\n### {title}"),
            format!("# @name {name}"),
            format!("{method} {{{{server}}}}{target}"),
        ];
        lines.extend(key.clone());
        if let Some(body) = body {
            lines.extend(["content-type: application/json".to_owned(), String::new()]);
            lines.push(format!("{body:#}"));
        }
        lines.join("\n") + "\n"
    }
}

fn requests(document: &Value) -> Vec<CollectionRequest<'_>> {
    let paths = document.get("paths").and_then(Value::as_object);
    let mut requests = Vec::new();
    for (path, item) in paths.into_iter().flatten() {
        for method in METHODS {
            if let Some(described) = item.get(method) {
                let parameters = [item, described]
                    .into_iter()
                    .flat_map(|holder| list(holder, "parameters"))
                    .map(|parameter| resolved(document, parameter))
                    .collect();
                requests.extend(Operation { document, path, method, described, parameters }.all());
            }
        }
    }
    requests
}

/// One operation of the document.
struct Operation<'d> {
    document: &'d Value,
    path: &'d str,
    method: &'d str,
    described: &'d Value,
    parameters: Vec<&'d Value>,
}

impl<'d> Operation<'d> {
    fn all(&self) -> Vec<CollectionRequest<'d>> {
        let bodies = self.bodies();
        if !bodies.is_empty() {
            let one = |(key, example): (&'d str, &'d Value)| {
                self.request(key, example, "", example.get("value"))
            };
            return bodies.into_iter().map(one).collect();
        }
        let required = self.query(true).find_map(|query| Some((query, query.get("examples")?)));
        if let Some((query, examples)) = required {
            let one = |(key, example): (&'d str, &'d Value)| {
                let value = example.get("value").unwrap_or(&Value::Null);
                self.request(key, example, &encoded(&pairs(text(query, "/name"), value)), None)
            };
            return entries(examples).into_iter().map(one).collect();
        }
        let mut all = vec![self.request("", &Value::Null, "", None)];
        let optional: Vec<_> = self
            .query(false)
            .filter_map(|query| Some(pairs(text(query, "/name"), query.get("example")?)))
            .flatten()
            .collect();
        if !optional.is_empty() {
            let names: Vec<&str> = optional.iter().map(|(name, _)| name.as_str()).collect();
            let example = Value::from_iter([("summary", format!("with {}", names.join(" and ")))]);
            all.push(self.request(&names.join("_"), &example, &encoded(&optional), None));
        }
        all
    }

    fn request(
        &self,
        key: &str,
        example: &Value,
        query: &str,
        body: Option<&'d Value>,
    ) -> CollectionRequest<'d> {
        let joined = |first: &str, by: &str, second: &str| match second {
            "" => first.to_owned(),
            second => format!("{first}{by}{second}"),
        };
        CollectionRequest {
            name: joined(text(self.described, "/operationId"), "_", key),
            title: joined(text(self.described, "/summary"), ": ", text(example, "/summary")),
            method: self.method.to_uppercase(),
            target: joined(&self.target(), "?", query),
            key: self.key(),
            body,
        }
    }

    /// The examples of its JSON body.
    fn bodies(&self) -> Vec<(&'d str, &'d Value)> {
        let body = self.described.get("requestBody").map(|body| resolved(self.document, body));
        let examples = body.and_then(|body| body.pointer("/content/application~1json/examples"));
        examples.map(entries).unwrap_or_default()
    }

    fn query(&self, required: bool) -> impl Iterator<Item = &'d Value> {
        self.parameters.iter().copied().filter(move |parameter| {
            let is_required = parameter.get("required").is_some_and(|required| *required == true);
            text(parameter, "/in") == "query" && is_required == required
        })
    }

    /// The path with its examples put in.
    fn target(&self) -> String {
        self.parameters.iter().fold(self.path.to_owned(), |path, parameter| {
            path.replace(&format!("{{{}}}", text(parameter, "/name")), text(parameter, "/example"))
        })
    }

    /// The header with the key, unless the operation takes none.
    fn key(&self) -> Option<String> {
        let document = self.document;
        let wanted = self.described.get("security").or_else(|| document.get("security"))?;
        let scheme = wanted.as_array()?.iter().find_map(|one| one.as_object()?.keys().next())?;
        let scheme = document.pointer(&format!("/components/securitySchemes/{scheme}"))?;
        Some(match text(scheme, "/type") {
            "apiKey" => format!("{}: {{{{key}}}}", text(scheme, "/name")),
            _ => "authorization: Bearer {{key}}".to_owned(),
        })
    }
}

/// What a reference leads to; anything else is itself.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let target = value.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

/// A query parameter as names and values: the fields of an object are parameters of their own.
fn pairs(name: &str, value: &Value) -> Vec<(String, String)> {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
        }
        value => vec![(name.to_owned(), plain(value))],
    }
}

fn encoded(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn text<'d>(value: &'d Value, pointer: &str) -> &'d str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'d>(value: &'d Value, key: &str) -> impl Iterator<Item = &'d Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn entries(value: &Value) -> Vec<(&str, &Value)> {
    let entries = value.as_object().into_iter().flat_map(Map::iter);
    entries.map(|(key, value)| (key.as_str(), value)).collect()
}
