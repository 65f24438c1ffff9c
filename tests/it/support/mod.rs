//! A server under test and typed clients for it.
//!
//! [`TestApp`] serves on a free port with a database in memory, a fixed seed, a frozen clock and
//! streams without pauses. `app.runner()`, `app.characters()` and `app.control()` have a method for each
//! operation; `app.request(…)` sends anything else. Every exchange is checked against the OpenAPI
//! documents ([`openapi`]). [`raw`] reads HTTP byte by byte, [`binary`] runs the command, and [`timeout`]
//! limits every wait.

mod app;
pub mod binary;
pub mod characters;
pub mod control;
pub mod http;
pub mod log;
mod openapi;
pub mod process;
pub mod raw;
pub mod runner;
pub mod timeout;

use serde_json::{Value, json};

pub use self::app::TestApp;
pub use self::http::{TestRequest, TestResponse, client, client_without_timeout};

/// The demo account's key, as printed in the documents.
pub const KEY: &str = "YOUR_API_KEY";
/// The deployment of the samples.
pub const DEPLOYMENT: &str = "YOUR_DEPLOYMENT_ID";
/// The conversation of the samples.
pub const CONVERSATION: &str = "550e8400-e29b-41d4-a716-446655440000";
/// The echo deployment, which answers with the last message.
pub const ECHO: &str = "ECHO_DEPLOYMENT_ID";
/// The deployment with structured output.
pub const JSON: &str = "JSON_DEPLOYMENT_ID";
/// The deployment that needs no key.
pub const PUBLIC: &str = "PUBLIC_DEPLOYMENT_ID";
/// The deployment whose rules call the client's tools.
pub const AGENT: &str = "AGENT_DEPLOYMENT_ID";
/// The deployment of another project.
pub const OTHER: &str = "OTHER_DEPLOYMENT_ID";
/// The built-in accounts and deployments, for tests with fixtures of their own.
pub const ACCOUNTS: &str = include_str!("../../../fixtures/accounts.toml");
pub const DEPLOYMENTS: &str = include_str!("../../../fixtures/deployments.toml");
/// The time of every account's clock.
pub const NOW: &str = "2026-05-01T12:00:00Z";

/// A body of the Runner API with one part of text.
pub fn text_body(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

/// The same for a conversation that exists.
pub fn continue_body(conversation: &str, text: &str) -> Value {
    let mut body = text_body(text);
    body["conversation_id"] = json!(conversation);
    body
}

/// `value` without the fields `names`, each of which it must have.
#[track_caller]
pub fn without_fields(mut value: Value, names: &[&str]) -> Value {
    for name in names {
        let removed = value.as_object_mut().unwrap().shift_remove(*name);
        assert!(removed.is_some(), "there is no {name} in {value}");
    }
    value
}
