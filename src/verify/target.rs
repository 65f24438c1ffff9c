//! What is verified: where it is, and what it gives the suite to work with.

use url::{Host, Url};

use super::fact::{Api, Need};
use crate::domain::ApiKey;

/// The keys for one API.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// The account that the suite works in.
    pub own: Option<ApiKey>,
    /// Another account.
    pub second: Option<ApiKey>,
    /// An account without money (Characters API).
    pub broke: Option<ApiKey>,
    /// An account with a low limit (Characters API).
    pub limited: Option<ApiKey>,
}

impl Keys {
    fn all(&self) -> impl Iterator<Item = &ApiKey> {
        [&self.own, &self.second, &self.broke, &self.limited].into_iter().flatten()
    }
}

/// A server that claims to be one API or both. `Debug` shows no key.
#[derive(Debug, Clone)]
pub struct Target {
    /// What stands before `/v1/runner`; none leaves the Runner API out.
    pub runner: Option<Url>,
    /// What stands before `/api/v1`; none leaves the Characters API out.
    pub characters: Option<Url>,
    /// Keys for the Runner API.
    pub runner_keys: Keys,
    /// Keys for the Characters API.
    pub characters_keys: Keys,
    /// A deployment that answers with text.
    pub deployment: Option<String>,
    /// A deployment with structured output.
    pub json_deployment: Option<String>,
    /// A language model that costs something.
    pub model: Option<String>,
    /// A model that makes pictures.
    pub sd_model: Option<String>,
    /// Whether models may be asked, which costs money where they are real.
    pub may_spend: bool,
}

impl Target {
    /// What stands before an API's paths.
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

    /// Whether it offers what a fact of `api` needs.
    pub(super) fn offers(&self, api: Api, need: Need) -> bool {
        let keys = self.keys(api);
        match need {
            Need::Key => keys.own.is_some(),
            Need::SecondKey => keys.second.is_some(),
            Need::BrokeKey => keys.broke.is_some(),
            Need::LimitedKey => keys.limited.is_some(),
            Need::Deployment => self.deployment.is_some(),
            Need::JsonDeployment => self.json_deployment.is_some(),
            Need::Model => self.model.is_some(),
            Need::SdModel => self.sd_model.is_some(),
            Need::Spending => self.may_spend,
        }
    }

    /// `text` without any of the keys, whoever put them there.
    pub(super) fn without_keys(&self, text: &str) -> String {
        let keys = self.runner_keys.all().chain(self.characters_keys.all());
        keys.map(ApiKey::reveal)
            .filter(|key| !key.is_empty())
            .fold(text.to_owned(), |text, key| text.replace(key, "…"))
    }
}

/// Whether a URL leads to this machine.
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
    fn keys_are_taken_out_of_what_is_shown() {
        let own = Some(ApiKey::new("secret-one"));
        let target = Target {
            runner: None,
            characters: None,
            runner_keys: Keys { own, ..Keys::default() },
            characters_keys: Keys { broke: Some(ApiKey::new("zwei")), ..Keys::default() },
            deployment: None,
            json_deployment: None,
            model: None,
            sd_model: None,
            may_spend: true,
        };
        assert_eq!(target.without_keys("of secret-one, zwei and drei"), "of …, … and drei");
        assert!(!format!("{target:?}").contains("secret-one"));
    }
}
