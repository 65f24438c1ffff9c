//! The collections of requests in `clients/http`: made from the OpenAPI documents, up to date, with
//! every sample of them, each of which works.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mynah::domain::Api;
use mynah::openapi::{self, SERVER};
use reqwest::Method;
use serde_json::Value;

use crate::support::TestApp;
use crate::support::binary::output;

const APIS: [(&str, Api); 2] = [("runner", Api::Runner), ("characters", Api::Characters)];
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// A request of a collection, read as the editors do.
struct Sample {
    name: String,
    method: Method,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// The requests of a file: variables at its head, `###` before each request, then comments, the
/// request's line, headers, an empty line, and the body.
fn samples(file: &str) -> Vec<Sample> {
    let mut sections = file.split("\n###");
    let head = sections.next().unwrap();
    let variables: BTreeMap<&str, &str> = head
        .lines()
        .filter_map(|line| line.strip_prefix('@')?.split_once(" = "))
        .filter(|(name, _)| *name != "server")
        .collect();
    let filled = |text: &str| {
        let text = text.replace("{{server}}", "");
        let text = variables
            .iter()
            .fold(text, |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value));
        assert!(!text.contains("{{"), "{text}");
        text
    };
    sections.map(|section| sample(&filled(section))).collect()
}

fn sample(section: &str) -> Sample {
    let (head, body) = section.split_once("\n\n").unwrap_or((section, ""));
    let mut lines = head.lines().skip(1);
    let name = lines.next().unwrap().strip_prefix("# @name ").unwrap().to_owned();
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    Sample {
        name,
        method: method.parse().unwrap(),
        target: target.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: body.trim().to_owned(),
    }
}

fn document(room: Api) -> Value {
    serde_json::from_str(openapi::json(room)).unwrap()
}

/// The operations of a document: id, path, method, and what stands there.
fn operations(document: &Value) -> Vec<(&str, &str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            METHODS.iter().filter_map(move |method| {
                let operation = item.get(method)?;
                Some((operation["operationId"].as_str()?, path.as_str(), *method, operation))
            })
        })
        .collect()
}

#[tokio::test]
async fn the_files_are_what_the_command_prints() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    if !folder.exists() {
        return; // The package that is published has the server alone.
    }
    for (name, room) in APIS {
        let printed = output(&["openapi", name, "--format", "http"]).await;
        let printed = String::from_utf8(printed.stdout).unwrap();
        assert_eq!(printed, openapi::collection(room, SERVER).unwrap());
        let kept = std::fs::read_to_string(folder.join(format!("http/{name}.http"))).unwrap();
        let again = format!("mynah openapi {name} --format http > clients/http/{name}.http");
        assert!(kept == printed, "the file is not up to date: {again}");
    }
}

#[tokio::test]
async fn another_server_is_put_in() {
    let elsewhere = ["openapi", "runner", "--format", "http", "--server", "https://a.example/x/"];
    let printed = String::from_utf8(output(&elsewhere).await.stdout).unwrap();
    assert!(printed.contains("\n@server = https://a.example/x\n"), "{printed}");
}

#[test]
fn every_operation_and_every_sample_of_a_body_is_there_once() {
    for (_, room) in APIS {
        let samples = samples(&openapi::collection(room, SERVER).unwrap());
        let names: BTreeSet<&str> = samples.iter().map(|sample| sample.name.as_str()).collect();
        assert_eq!(names.len(), samples.len(), "names are unique");
        let document = document(room);
        let mut bodies = 0;
        for (id, _, _, operation) in operations(&document) {
            assert!(names.iter().any(|name| name.split('_').next() == Some(id)), "{id}");
            let body = match operation["requestBody"]["$ref"].as_str() {
                Some(to) => document.pointer(to.trim_start_matches('#')).unwrap(),
                None => &operation["requestBody"],
            };
            let examples = body["content"]["application/json"]["examples"].as_object();
            for (key, example) in examples.into_iter().flatten() {
                let name = format!("{id}_{key}");
                let sample = samples.iter().find(|sample| sample.name == name).unwrap();
                let sent: Value = serde_json::from_str(&sample.body).unwrap();
                assert_eq!(sent, example["value"], "{name}");
                bodies += 1;
            }
        }
        let with_body = samples.iter().filter(|sample| !sample.body.is_empty()).count();
        assert!(bodies == with_body && bodies > 5, "{bodies}");
    }
}

/// The status of success that the document has for a request.
fn promised(document: &Value, sample: &Sample) -> u16 {
    let (id, ..) = sample.name.split_once('_').unwrap_or((&sample.name, ""));
    let all = operations(document);
    let (.., method, operation) = all.iter().find(|(found, ..)| *found == id).unwrap();
    assert_eq!(sample.method.as_str(), method.to_uppercase());
    let answers = operation["responses"].as_object().unwrap().keys();
    let mut good = answers.filter_map(|status| status.parse().ok().filter(|status| *status < 300));
    good.next().unwrap()
}

#[tokio::test]
async fn every_request_gets_the_success_that_the_document_promises() {
    for (name, room) in APIS {
        let app = TestApp::start().await;
        let document = document(room);
        for sample in samples(&openapi::collection(room, SERVER).unwrap()) {
            let request = app.request(sample.method.clone(), &sample.target);
            let headers = sample.headers.iter();
            let request =
                headers.fold(request, |request, (name, value)| request.header(name, value));
            let answer = match sample.body.as_str() {
                "" => request.await,
                body => request.untyped_body(body.to_owned()).await,
            };
            let promised = promised(&document, &sample);
            assert_eq!(answer.status, promised, "{name}: {}: {}", sample.name, answer.body);
            let is_empty = answer.body.is_empty();
            assert!(!is_empty, "{}", sample.name);
        }
        app.stop().await;
    }
}
