//! The Characters API as a client with one key sees it: `app.characters().create_image(…)`.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{TestApp, TestRequest};

/// The demo account's key, as printed in the document.
pub const BEARER: &str = "your_api_key_here";

/// Accounts with a limit that no test reaches, models with simple prices, and one agent. The rules
/// come from the test.
const FIXTURES: &str = r#"
plan = [{ id = "open", requests_per_minute = 1000000 }]

[[account]]
id = "demo"
project = "demo"
plan = "open"
balance = "1"
keys = ["your_api_key_here", "second_key"]

[[account]]
id = "poor"
project = "demo"
plan = "open"
balance = "0.05"
keys = ["poor_key"]

[[llm]]
id = "model_free"
name = "Free"
max_context = 100000
cost_per_1k_tokens = "0"

[[llm]]
id = "model_other"
name = "Other"
max_context = 100000
cost_per_1k_tokens = "0.5"

[[llm]]
id = "model_dear"
name = "Dear"
max_context = 100000
cost_per_1k_tokens = "1000"

[[llm]]
id = "model_20"
name = "Twenty"
max_context = 20
cost_per_1k_tokens = "0"

[[llm]]
id = "model_100"
name = "Hundred"
max_context = 100
cost_per_1k_tokens = "0"

[[llm]]
id = "model_300"
name = "Three Hundred"
max_context = 300
cost_per_1k_tokens = "0"

[[llm]]
id = "model_echo"
name = "Echo"
max_context = 100000
cost_per_1k_tokens = "0.07"
backend = "echo"

[[sd_model]]
id = "sd_free"
name = "Free pictures"
cost_per_image = "0"

[[sd_model]]
id = "sd_cent"
name = "Pictures"
cost_per_image = "0.01"

[[sd_model]]
id = "sd_dear"
name = "Dear pictures"
cost_per_image = "0.9"

[[agent]]
id = "agent_ada"
name = "Ada"
personality_prompt = "Patient and exact"
description = "Explains engines"
"#;

/// A client of the Characters API.
#[derive(Clone, Copy)]
pub struct Characters<'a> {
    app: &'a TestApp,
    key: &'a str,
}

impl TestApp {
    /// A server with the fixtures above and these rules.
    pub async fn with_character_rules(rules: &str) -> Self {
        Self::with_fixtures(&[("rules.toml", rules), ("characters.toml", FIXTURES)]).await
    }

    /// The API with the demo account's key.
    pub fn characters(&self) -> Characters<'_> {
        self.characters_as(BEARER)
    }

    /// The API with another key.
    pub fn characters_as<'a>(&'a self, key: &'a str) -> Characters<'a> {
        Characters { app: self, key }
    }

    /// Gets a picture by its path or URL, as a browser does.
    pub async fn get_picture(&self, path: &str) -> (StatusCode, HeaderMap, Bytes) {
        let base = self.url("");
        let path = path.strip_prefix(&base).unwrap_or(path);
        self.request(Method::GET, path).send_for_bytes().await
    }
}

impl<'a> Characters<'a> {
    /// A request below `/api/v1`.
    pub fn request(self, method: Method, path: &str) -> TestRequest<'a> {
        self.app.request(method, &format!("/api/v1{path}")).bearer(self.key)
    }

    pub fn get(self, path: &str) -> TestRequest<'a> {
        self.request(Method::GET, path)
    }

    pub fn post(self, path: &str, body: &Value) -> TestRequest<'a> {
        self.request(Method::POST, path).json(body)
    }

    /// Posts a body byte by byte.
    pub fn post_text(self, path: &str, body: &str) -> TestRequest<'a> {
        self.request(Method::POST, path).body(body.to_owned())
    }

    /// `kind` is `llm` or `sd`.
    pub fn list_models(self, kind: &str) -> TestRequest<'a> {
        self.get(&format!("/models?type={kind}"))
    }

    pub fn create_completion(self, body: &Value) -> TestRequest<'a> {
        self.post("/completions", body)
    }

    pub fn list_conversations(self) -> TestRequest<'a> {
        self.get("/conversations")
    }

    pub fn create_conversation(self, body: &Value) -> TestRequest<'a> {
        self.post("/conversations", body)
    }

    pub fn get_conversation(self, id: &str) -> TestRequest<'a> {
        self.get(&format!("/conversations/{id}"))
    }

    pub fn list_messages(self, conversation: &str) -> TestRequest<'a> {
        self.get(&format!("/conversations/{conversation}/messages"))
    }

    pub fn create_message(self, conversation: &str, text: &str) -> TestRequest<'a> {
        self.post(&format!("/conversations/{conversation}/messages"), &json!({ "content": text }))
    }

    pub fn list_agents(self) -> TestRequest<'a> {
        self.get("/agents")
    }

    pub fn create_agent(self, body: &Value) -> TestRequest<'a> {
        self.post("/agents", body)
    }

    pub fn get_agent(self, id: &str) -> TestRequest<'a> {
        self.get(&format!("/agents/{id}"))
    }

    /// `query` is empty or begins with `?`.
    pub fn list_images(self, query: &str) -> TestRequest<'a> {
        self.get(&format!("/images{query}"))
    }

    pub fn create_image(self, body: &Value) -> TestRequest<'a> {
        self.post("/images", body)
    }
}
