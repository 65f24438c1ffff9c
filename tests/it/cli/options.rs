//! The binary's options, as far as the contract names them: what each one changes, by a process
//! of its own.

use std::process::Stdio;

use clap::CommandFactory as _;
use mynah::config::{Config, ErrorStyle, MessageContent, Profile, RunnerStyle, TimeFormat};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use crate::support::process::{self, program};
use crate::support::{CONVERSATION, DEPLOYMENT, ECHO, KEY, client, text_body};

/// A running `mynah`. It is killed when it is dropped.
struct Binary {
    base: String,
    client: Client,
    _process: Child,
}

impl Binary {
    async fn start(options: &str) -> Self {
        let mut child = program(env!("CARGO_BIN_EXE_mynah"))
            .args(["--database", "sqlite::memory:", "--port", "0", "--log", "error"])
            .args(options.split_whitespace())
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = loop {
            let line = process::next_line(&mut lines).await.expect("the server starts");
            if let Some(base) = line.strip_prefix("Ready on ") {
                break base.to_owned();
            }
        };
        Self { base, client: client(), _process: child }
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        let request = self.client.post(format!("{}{path}", self.base));
        request.header("x-api-key", KEY).json(body).send().await.unwrap()
    }

    async fn run(&self, deployment: &str, text: &str) -> Response {
        self.post(&format!("/v1/runner/{deployment}"), &text_body(text)).await
    }
}

#[test]
fn the_default_pace_is_20_ms_and_the_defaults_are_lenient_and_documented() {
    let command = mynah::cli::Cli::command();
    let default = |name: &str| {
        let argument = command.get_arguments().find(|arg| arg.get_long() == Some(name)).unwrap();
        let values = argument.get_default_values();
        values.first().map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(default("pace").as_deref(), Some("20"));
    assert_eq!(default("profile").as_deref(), Some("documents"));
    let documents = RunnerStyle::of(Profile::Documents);
    assert_eq!(Config::default().runner, documents);
    assert_eq!(documents.errors, ErrorStyle::OpenAi);
    assert_eq!(documents.message_content, MessageContent::Text);
    assert_eq!(documents.times, TimeFormat::Seconds);
    assert_eq!(default("seed"), None);
}

#[tokio::test]
async fn strict_is_an_option() {
    let mut body = text_body("Hi");
    body["colour"] = json!("red");
    let path = format!("/v1/runner/{DEPLOYMENT}");
    for (options, status) in [("--strict", 400), ("", 200)] {
        let binary = Binary::start(options).await;
        assert_eq!(binary.post(&path, &body).await.status(), status);
    }
}

#[tokio::test]
async fn runner_errors_fastapi_is_an_option() {
    let binary = Binary::start("--runner-errors fastapi").await;
    let answer = binary.post(&format!("/v1/runner/{DEPLOYMENT}"), &json!({})).await;
    assert_eq!(answer.status(), 422);
    assert!(answer.json::<Value>().await.unwrap()["detail"].is_array());
}

#[tokio::test]
async fn message_content_parts_is_an_option() {
    let binary = Binary::start("--message-content parts").await;
    let path = format!("{}/v1/runner/conversation/{CONVERSATION}/messages", binary.base);
    let request = binary.client.get(path).header("x-api-key", KEY);
    let messages: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(messages["items"][0]["content"], json!([{"type": "text", "text": "Hi"}]));
}

#[tokio::test]
async fn fault_header_is_an_option() {
    for (options, status) in [("--fault-header", 503), ("", 200)] {
        let binary = Binary::start(options).await;
        let request = binary.client.post(format!("{}/v1/runner/{DEPLOYMENT}", binary.base));
        let request = request.header("x-api-key", KEY).header("x-mynah-fault", "status=503");
        assert_eq!(request.json(&text_body("Hi")).send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn pace_is_an_option() {
    let path = format!("/v1/runner/{ECHO}/stream");
    let fast = Binary::start("--pace 0").await;
    assert_eq!(fast.post(&path, &text_body("one two")).await.text().await.unwrap(), "one two");
    let slow = Binary::start("--pace 3600000").await;
    let mut answer = slow.post(&path, &text_body("one two")).await;
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "one ");
}

#[tokio::test]
async fn a_seed_repeats_ids_from_process_to_process_and_none_does_not() {
    let mut ids = Vec::new();
    for options in ["--seed 7", "--seed 7", "", ""] {
        let binary = Binary::start(options).await;
        let answer: Value = binary.run(ECHO, "Hi").await.json().await.unwrap();
        ids.push(answer["request_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids[0], ids[1]);
    assert!(ids[1] != ids[2] && ids[2] != ids[3]);
}
