//! The Characters API as a client with one key sees it: `app.characters().post("/images", …)`.

use bytes::Bytes;
use mynah::ids::AccountId;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::held::{Came, Mark, hold};
use super::{Answer, Request, TestApp};

/// The demo account's key, as printed in the document.
pub const BEARER: &str = "your_api_key_here";

/// A small studio: accounts of the plan `open`, which no test reaches the limit of, models that
/// cost a round sum or nothing, and one agent. Rules come from the test.
const STUDIO: &str = r#"
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

/// One account's way to the API.
#[derive(Clone, Copy)]
pub struct Characters<'a> {
    app: &'a TestApp,
    key: &'a str,
}

impl TestApp {
    /// The small studio, with these rules.
    pub async fn studio(rules: &str) -> Self {
        Self::with_fixtures(&[("rules.toml", rules), ("studio.toml", STUDIO)]).await
    }

    /// The API with the demo account's key.
    pub fn characters(&self) -> Characters<'_> {
        self.characters_as(BEARER)
    }

    /// The API with another key.
    pub fn characters_as<'a>(&'a self, key: &'a str) -> Characters<'a> {
        Characters { app: self, key }
    }

    /// What an account has left, in millionths of a credit.
    pub async fn balance(&self, account: &str) -> i64 {
        let id = AccountId::from(account);
        let owner = self.worlds.by_id(&id).expect("an account of that name").row;
        let balance = self.store.balance(owner).await.expect("the balance can be read");
        balance.expect("the account is there").millionths()
    }

    /// Gets a picture by its path or URL, as a browser does.
    pub async fn picture(&self, path: &str) -> (StatusCode, HeaderMap, Bytes) {
        let url = if path.starts_with('/') { self.url(path) } else { path.to_owned() };
        let request = self.client.get(url).build().unwrap();
        let sent = super::sent(&request, Mark::Ordinary);
        let answer = self.client.execute(request).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.unwrap();
        let listed = super::listed(&headers);
        hold(&sent, Came { status: status.as_u16(), headers: &listed, body: Some(&body) });
        (status, headers, body)
    }
}

impl<'a> Characters<'a> {
    /// A request, below `/api/v1`, that can be changed before it is sent.
    pub fn request(self, method: Method, path: &str) -> Request<'a> {
        self.app.request(method, &format!("/api/v1{path}")).bearer(self.key)
    }

    pub fn get(self, path: &str) -> Request<'a> {
        self.request(Method::GET, path)
    }

    pub fn post(self, path: &str, body: &Value) -> Request<'a> {
        self.request(Method::POST, path).json(body)
    }

    /// Posts a body as it is printed.
    pub fn post_text(self, path: &str, body: &str) -> Request<'a> {
        self.request(Method::POST, path).body(body.to_owned())
    }

    /// A list, item by item.
    pub async fn list(self, path: &str) -> Vec<Value> {
        self.get(path).await.good().as_array().expect("an array").clone()
    }

    /// Makes something and gives its id.
    pub async fn make(self, path: &str, body: &Value) -> String {
        self.post(path, body).await.created()["id"].as_str().expect("an id").to_owned()
    }
}

impl Request<'_> {
    pub fn bearer(self, key: &str) -> Self {
        self.header("authorization", format!("Bearer {key}"))
    }
}

impl Answer {
    /// The body of a 201.
    #[track_caller]
    pub fn created(&self) -> Value {
        assert_eq!(self.status, 201, "{}", self.body);
        self.json()
    }

    /// A refusal in the Characters API's envelope, `{"error": …}` and nothing else; gives the text.
    #[track_caller]
    pub fn wrong(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        let body = self.json();
        let envelope = body.as_object().unwrap_or_else(|| panic!("no envelope: {body}"));
        assert_eq!(envelope.keys().collect::<Vec<_>>(), ["error"], "{body}");
        body["error"].as_str().expect("a text").to_owned()
    }

    /// A header that is a whole number.
    #[track_caller]
    pub fn number(&self, name: &str) -> i64 {
        let value = self.header(name).unwrap_or_else(|| panic!("no {name}: {:?}", self.headers));
        value.parse().unwrap_or_else(|_| panic!("{name} is {value}"))
    }
}
