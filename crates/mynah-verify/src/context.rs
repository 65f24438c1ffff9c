//! What a check works with: the target, helpers to send requests, and objects that checks share.
//!
//! A shared object is created on first use, once per run, so that a run leaves little behind. Checks of
//! its creation look at the response ([`TestContext::started`]); checks that depend on it use the object
//! ([`TestContext::runner_conversation_id`]) and do not run if it could not be created.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;

use super::api::Api;
use super::client::{Client, RequestOptions};
use super::expect::{CheckFailure, Response};
use super::target::{Key, Keys, Target};

/// The prefix of version 2 of the Runner API.
const RUNNER_V2: &str = "/v2/runner";

/// A response that several checks use.
type Shared = OnceCell<Result<Response, CheckFailure>>;

/// The responses that several checks use.
#[derive(Default)]
pub(super) struct SharedResponses {
    pub(super) run: Shared,
    pub(super) stream: Shared,
    pub(super) started: Shared,
    pub(super) continued: Shared,
    pub(super) streamed: Shared,
    pub(super) second_started: Shared,
    pub(super) agent: Shared,
    pub(super) conversation: Shared,
    pub(super) message: Shared,
    pub(super) image: Shared,
    pub(super) conversation_without_money: Shared,
    pub(super) beyond_the_limit: Shared,
    pub(super) waiting: Shared,
    pub(super) called: Shared,
    pub(super) resumed: Shared,
}

/// The key that a request carries.
#[derive(Debug, Clone, Copy)]
pub(super) enum Credential {
    /// The key of the account that the checks use.
    Main,
    /// The key of another account.
    Second,
    /// The key of an account with a balance of 0.
    Broke,
    /// The key of an account with a low limit.
    Limited,
    /// No key.
    None,
    /// An unknown key.
    Unknown,
}

pub(super) struct TestContext {
    pub(super) target: Target,
    pub(super) client: Client,
    /// Marks what this run creates.
    pub(super) run: String,
    pub(super) shared: SharedResponses,
}

impl TestContext {
    pub(super) fn new(target: Target, client: Client, run: String) -> Self {
        Self { target, client, run, shared: SharedResponses::default() }
    }

    /// Sends a request without a body.
    pub(super) async fn get(
        &self,
        api: Api,
        credential: Credential,
        path: &str,
    ) -> Result<Response, CheckFailure> {
        self.send(api, Method::GET, path, self.signed(api, credential)?).await
    }

    /// Sends a `POST` with a JSON body.
    pub(super) async fn post(
        &self,
        api: Api,
        credential: Credential,
        path: &str,
        body: &Value,
    ) -> Result<Response, CheckFailure> {
        self.send(api, Method::POST, path, self.signed(api, credential)?.json(body)).await
    }

    /// Sends a request to an API.
    pub(super) async fn send(
        &self,
        api: Api,
        method: Method,
        path: &str,
        options: RequestOptions,
    ) -> Result<Response, CheckFailure> {
        let prefix = match api {
            Api::Runner => "/v1/runner",
            Api::Characters => "/api/v1",
        };
        self.send_below(prefix, api, method, path, options).await
    }

    /// Sends a request without a body to version 2 of the Runner API.
    pub(super) async fn get_v2(&self, path: &str) -> Result<Response, CheckFailure> {
        let options = self.signed(Api::Runner, Credential::Main)?;
        self.send_below(RUNNER_V2, Api::Runner, Method::GET, path, options).await
    }

    /// Sends a `POST` with a JSON body to version 2 of the Runner API.
    pub(super) async fn post_v2(&self, path: &str, body: &Value) -> Result<Response, CheckFailure> {
        let options = self.signed(Api::Runner, Credential::Main)?.json(body);
        self.send_below(RUNNER_V2, Api::Runner, Method::POST, path, options).await
    }

    async fn send_below(
        &self,
        prefix: &str,
        api: Api,
        method: Method,
        path: &str,
        options: RequestOptions,
    ) -> Result<Response, CheckFailure> {
        let base = self.target.base(api).map_or("", Url::as_str).trim_end_matches('/');
        let name = format!("{method} {prefix}{path}");
        let url = Url::parse(&format!("{base}{prefix}{path}")).map_err(|error| {
            CheckFailure::Blocked(format!("{name} is not a valid URL: {error}"))
        })?;
        self.client.send(&method, &url, &name, &options).await
    }

    /// Request options with a credential.
    pub(super) fn signed(
        &self,
        api: Api,
        credential: Credential,
    ) -> Result<RequestOptions, CheckFailure> {
        let Keys { own, second, broke, limited } = self.target.keys(api);
        let key = match credential {
            Credential::Main => own,
            Credential::Second => second,
            Credential::Broke => broke,
            Credential::Limited => limited,
            Credential::None => return Ok(RequestOptions::default()),
            Credential::Unknown => {
                let key = Key::new(format!("no-such-key-{}", self.run));
                return Ok(RequestOptions::default().key(api, &key));
            }
        };
        let key =
            key.as_ref().ok_or_else(|| CheckFailure::Blocked("the key is missing".to_owned()))?;
        Ok(RequestOptions::default().key(api, key))
    }

    /// Fetches an absolute URL without a key, for instance a picture.
    pub(super) async fn fetch(&self, url: &str) -> Result<Response, CheckFailure> {
        let url = Url::parse(url).map_err(|_| CheckFailure::Differs {
            request: format!("GET {url}"),
            expected: "an absolute URL".to_owned(),
            seen: url.to_owned(),
        })?;
        let name = format!("GET {}", url.path());
        self.client.send(&Method::GET, &url, &name, &RequestOptions::default()).await
    }

    /// The deployment id, escaped for a path.
    pub(super) fn deployment(&self) -> String {
        escape_segment(self.target.deployment.as_deref().unwrap_or_default())
    }

    /// The id of the deployment with structured output, escaped for a path.
    pub(super) fn json_deployment(&self) -> String {
        escape_segment(self.target.json_deployment.as_deref().unwrap_or_default())
    }

    /// The id of the deployment that calls tools, escaped for a path.
    pub(super) fn agent_deployment(&self) -> String {
        escape_segment(self.target.agent_deployment.as_deref().unwrap_or_default())
    }

    /// The language model's id.
    pub(super) fn model(&self) -> &str {
        self.target.model.as_deref().unwrap_or_default()
    }

    /// The image model's id.
    pub(super) fn sd_model(&self) -> &str {
        self.target.sd_model.as_deref().unwrap_or_default()
    }
}

/// `name` escaped as one path segment.
pub(super) fn escape_segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC)
        .to_string()
        .replace("%5F", "_")
        .replace("%2D", "-")
}

/// A Runner API body with one text part.
pub(super) fn text_body(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// The text of stored content, which the documents show as a string or as parts.
pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        other => other.to_string(),
    }
}
