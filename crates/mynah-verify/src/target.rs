//! The server under test: its URLs, keys and objects.

use url::{Host, Url};

use super::api::Api;
use super::need::Need;
use std::fmt;

/// An API key. `Debug` does not show it.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    /// Wraps a key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The keys for one API.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// The account that the checks use.
    pub own: Option<Key>,
    /// Another account.
    pub second: Option<Key>,
    /// An account with a balance of 0 (Characters API).
    pub broke: Option<Key>,
    /// An account with a low limit (Characters API).
    pub limited: Option<Key>,
}

impl Keys {
    fn all(&self) -> impl Iterator<Item = &Key> {
        [&self.own, &self.second, &self.broke, &self.limited].into_iter().flatten()
    }
}

/// A server that implements one API or both. `Debug` shows no key.
#[derive(Debug, Clone)]
pub struct Target {
    /// Base URL before `/v1/runner`; `None` skips the Runner API.
    pub runner: Option<Url>,
    /// Base URL before `/api/v1`; `None` skips the Characters API.
    pub characters: Option<Url>,
    /// Keys for the Runner API.
    pub runner_keys: Keys,
    /// Keys for the Characters API.
    pub characters_keys: Keys,
    /// A deployment that answers with text.
    pub deployment: Option<String>,
    /// A deployment with structured output.
    pub json_deployment: Option<String>,
    /// A deployment that calls the client's tool `get_weather` when it is asked about the weather.
    pub agent_deployment: Option<String>,
    /// A language model with a price.
    pub model: Option<String>,
    /// An image model.
    pub sd_model: Option<String>,
    /// Whether models may be used, which costs money on a real service.
    pub may_spend: bool,
}

impl Target {
    /// The base URL of an API.
    pub fn base(&self, api: Api) -> Option<&Url> {
        match api {
            Api::Runner => self.runner.as_ref(),
            Api::Characters => self.characters.as_ref(),
        }
    }

    /// The keys for an API.
    pub fn keys(&self, api: Api) -> &Keys {
        match api {
            Api::Runner => &self.runner_keys,
            Api::Characters => &self.characters_keys,
        }
    }

    /// Whether it provides what a check of `api` needs.
    pub(super) fn offers(&self, api: Api, need: Need) -> bool {
        let keys = self.keys(api);
        match need {
            Need::Key => keys.own.is_some(),
            Need::SecondKey => keys.second.is_some(),
            Need::BrokeKey => keys.broke.is_some(),
            Need::LimitedKey => keys.limited.is_some(),
            Need::Deployment => self.deployment.is_some(),
            Need::JsonDeployment => self.json_deployment.is_some(),
            Need::AgentDeployment => self.agent_deployment.is_some(),
            Need::Model => self.model.is_some(),
            Need::SdModel => self.sd_model.is_some(),
            Need::Spending => self.may_spend,
        }
    }

    /// `text` with every key replaced by `…`.
    pub(super) fn without_keys(&self, text: &str) -> String {
        let keys = self.runner_keys.all().chain(self.characters_keys.all());
        keys.map(Key::reveal)
            .filter(|key| !key.is_empty())
            .fold(text.to_owned(), |text, key| text.replace(key, "…"))
    }
}

/// Whether a URL names a loopback address.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_removed_from_texts() {
        let own = Some(Key::new("secret-one"));
        let target = Target {
            runner: None,
            characters: None,
            runner_keys: Keys { own, ..Keys::default() },
            characters_keys: Keys { broke: Some(Key::new("zwei")), ..Keys::default() },
            deployment: None,
            json_deployment: None,
            agent_deployment: None,
            model: None,
            sd_model: None,
            may_spend: true,
        };
        assert_eq!(target.without_keys("of secret-one, zwei and drei"), "of …, … and drei");
        assert!(!format!("{target:?}").contains("secret-one"));
    }
}
