//! What a check works with: the target, ways to ask it, and what several checks share.
//!
//! What is shared is made when it is first wanted, once a run, so that little is left behind. Facts
//! about the making look at its answer ([`Probe::started`]); facts that build on it ask for the
//! thing ([`Probe::thread`]) and are not run where it could not be made.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;

use super::client::{Ask, Client};
use super::expect::{Seen, Unmet};
use super::fact::Api;
use super::target::{Keys, Target};
use crate::domain::ApiKey;

/// An answer that several checks look at.
type Shared = OnceCell<Result<Seen, Unmet>>;

/// What several checks share.
#[derive(Default)]
pub(super) struct Memo {
    pub(super) run: Shared,
    pub(super) stream: Shared,
    pub(super) started: Shared,
    pub(super) continued: Shared,
    pub(super) streamed: Shared,
    pub(super) second_started: Shared,
    pub(super) agent: Shared,
    pub(super) dialogue: Shared,
    pub(super) said: Shared,
    pub(super) image: Shared,
    pub(super) broke: Shared,
    pub(super) beyond_the_limit: Shared,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    /// The account that the suite works in.
    Own,
    /// Another account.
    Second,
    /// An account without money.
    Broke,
    /// An account with a low limit.
    Limited,
    /// No one: no key is sent.
    Nobody,
    /// A key that no server knows.
    Stranger,
}

/// What a check works with.
pub(super) struct Probe {
    pub(super) target: Target,
    pub(super) client: Client,
    /// Names what this run makes, and no other run.
    pub(super) run: String,
    pub(super) memo: Memo,
}

impl Probe {
    pub(super) fn new(target: Target, client: Client, run: String) -> Self {
        Self { target, client, run, memo: Memo::default() }
    }

    /// A request without a body.
    pub(super) async fn get(&self, api: Api, who: Who, path: &str) -> Result<Seen, Unmet> {
        self.send(api, Method::GET, path, self.signed(api, who)?).await
    }

    /// A `POST` of a JSON body.
    pub(super) async fn post(
        &self,
        api: Api,
        who: Who,
        path: &str,
        body: &Value,
    ) -> Result<Seen, Unmet> {
        self.send(api, Method::POST, path, self.signed(api, who)?.json(body)).await
    }

    /// Any request to an API.
    pub(super) async fn send(
        &self,
        api: Api,
        method: Method,
        path: &str,
        ask: Ask,
    ) -> Result<Seen, Unmet> {
        let prefix = match api {
            Api::Runner => "/v1/runner",
            Api::Characters => "/api/v1",
        };
        let base = self.target.base(api).map_or("", Url::as_str).trim_end_matches('/');
        let name = format!("{method} {prefix}{path}");
        let url = Url::parse(&format!("{base}{prefix}{path}"))
            .map_err(|fault| Unmet::Blocked(format!("{name} makes no URL: {fault}")))?;
        self.client.send(&method, &url, &name, &ask).await
    }

    /// A request that carries the key of `who`, and nothing else yet.
    pub(super) fn signed(&self, api: Api, who: Who) -> Result<Ask, Unmet> {
        let Keys { own, second, broke, limited } = self.target.keys(api);
        let key = match who {
            Who::Own => own,
            Who::Second => second,
            Who::Broke => broke,
            Who::Limited => limited,
            Who::Nobody => return Ok(Ask::default()),
            Who::Stranger => {
                let key = ApiKey::new(format!("no-such-key-{}", self.run));
                return Ok(Ask::default().key(api, &key));
            }
        };
        let key = key.as_ref().ok_or_else(|| Unmet::Blocked("there is no such key".to_owned()))?;
        Ok(Ask::default().key(api, key))
    }

    /// A picture, wherever it is kept, asked for without a key.
    pub(super) async fn fetch(&self, url: &str) -> Result<Seen, Unmet> {
        let url = Url::parse(url).map_err(|_| Unmet::Differs {
            request: format!("GET {url}"),
            expected: "an absolute URL".to_owned(),
            seen: url.to_owned(),
        })?;
        let name = format!("GET {}", url.path());
        self.client.send(&Method::GET, &url, &name, &Ask::default()).await
    }

    /// The deployment, as it stands in a path.
    pub(super) fn deployment(&self) -> String {
        escaped(self.target.deployment.as_deref().unwrap_or_default())
    }

    /// The deployment with structured output, as it stands in a path.
    pub(super) fn json_deployment(&self) -> String {
        escaped(self.target.json_deployment.as_deref().unwrap_or_default())
    }

    /// The language model.
    pub(super) fn model(&self) -> &str {
        self.target.model.as_deref().unwrap_or_default()
    }

    /// The model that makes pictures.
    pub(super) fn sd_model(&self) -> &str {
        self.target.sd_model.as_deref().unwrap_or_default()
    }
}

/// A name as one part of a path.
pub(super) fn escaped(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC)
        .to_string()
        .replace("%5F", "_")
        .replace("%2D", "-")
}

/// A Runner API body that says `text`.
pub(super) fn said(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// The text of stored content: the documents have a string in one place and parts in another.
pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        other => other.to_string(),
    }
}
