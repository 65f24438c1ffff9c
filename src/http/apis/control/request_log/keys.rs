//! Blanks keys in entries of the request log: the values of the headers that hold them, the
//! account's own keys anywhere, and in URLs and headers every other account's keys and the admin token.

use serde_json::{Map, Value};

use crate::app::AccountState;
use crate::app::request_log::HeaderLines;
use crate::domain::ApiKey;
use crate::http::secrets::{Secrets, decoded, separates};

/// The text that replaces a key.
const BLANK: &str = "[redacted]";
/// Headers whose values are keys.
const KEY_HEADERS: [&str; 14] = [
    "x-api-key",
    "authorization",
    "cookie",
    "set-cookie",
    "proxy-authorization",
    "api-key",
    "apikey",
    "x-goog-api-key",
    "x-auth-token",
    "x-access-token",
    "x-csrf-token",
    "x-amz-security-token",
    "x-functions-key",
    "ocp-apim-subscription-key",
];
/// Parameters of a query whose values are keys. `key` and `token` may be labels of conversations,
/// and are blanked where their value is a key.
const KEY_PARAMETERS: [&str; 6] =
    ["api_key", "api-key", "apikey", "x-api-key", "access_token", "authorization"];

/// The keys to be blanked: the account's own anywhere, and in URLs and headers also every other
/// account's and the admin token.
pub(super) struct BlankedKeys {
    own: Vec<ApiKey>,
    secrets: Option<Secrets>,
}

impl BlankedKeys {
    pub(super) fn of(account: &AccountState, secrets: Option<&Secrets>) -> Self {
        let mut own = account.keys();
        own.retain(|key| !key.reveal().is_empty());
        // A key may be a prefix of another, so the longest are replaced first.
        own.sort_by_key(|key| std::cmp::Reverse(key.reveal().len()));
        Self { own, secrets: secrets.cloned() }
    }

    /// `text` without keys of the account.
    pub(super) fn blanked(&self, mut text: String) -> String {
        for key in self.own.iter().map(ApiKey::reveal) {
            if text.contains(key) {
                text = text.replace(key, BLANK);
            }
        }
        text
    }

    /// `text`, of a URL or a header, without any secret, percent-encoded or not.
    pub(super) fn blanked_target(&self, text: &str) -> String {
        if self.is_secret(text) {
            return BLANK.to_owned();
        }
        let text = self.blanked(text.to_owned());
        let pieces = text.split_inclusive(separates).map(|piece| {
            let (word, rest) = piece.split_at(piece.trim_end_matches(separates).len());
            if self.is_secret(word) { [BLANK, rest] } else { [word, rest] }
        });
        pieces.flatten().collect()
    }

    /// A query without any secret and without the values of parameters whose name says that they are keys.
    pub(super) fn blanked_query(&self, query: &str) -> String {
        let parameters = query.split('&').map(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else {
                return self.blanked_target(parameter);
            };
            let is_key = KEY_PARAMETERS.contains(&decoded(name).to_lowercase().as_str());
            let value = if is_key { BLANK.to_owned() } else { self.blanked_target(value) };
            format!("{}={value}", self.blanked_target(name))
        });
        parameters.collect::<Vec<_>>().join("&")
    }

    /// Whether `text` is a secret or, percent-decoded, contains a key of the account.
    fn is_secret(&self, text: &str) -> bool {
        let plain = decoded(text);
        let has_own = plain != text && self.own.iter().any(|key| plain.contains(key.reveal()));
        has_own || self.secrets.as_ref().is_some_and(|secrets| secrets.is_one(&plain))
    }

    /// `value` without keys in texts and in the names of fields.
    pub(super) fn blanked_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.blanked(text)),
            Value::Array(items) => items.into_iter().map(|item| self.blanked_json(item)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, field)| (self.blanked(name), self.blanked_json(field)))
                .collect(),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
        }
    }

    pub(super) fn blanked_lines(&self, lines: &HeaderLines) -> Map<String, Value> {
        let mut headers = Map::new();
        for (name, value) in lines.iter() {
            let secret = KEY_HEADERS.contains(&name.as_str());
            let value = if secret { BLANK.to_owned() } else { self.blanked_target(&value) };
            match headers.get_mut(&name) {
                // As RFC 9110, 5.3 joins the lines of one header.
                Some(Value::String(before)) => *before = format!("{before}, {value}"),
                _ => {
                    headers.insert(name, Value::String(value));
                }
            }
        }
        headers
    }
}
