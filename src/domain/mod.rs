//! The types and rules of both APIs. No I/O, no HTTP, no SQL, no async.

pub mod account;
pub mod agent_run;
pub mod allowlist;
pub mod api;
pub mod catalog;
pub mod conversation;
pub mod error;
pub mod fault_rule;
pub mod path;
pub mod profile;
pub mod prompt;
pub mod reply_rule;
pub mod trigger;
pub mod words;

pub use account::{ApiKey, Credits, FixtureAccount, Plan};
pub use allowlist::Allowlist;
pub use api::Api;
pub use catalog::{BackendName, Deployment, OutputMode};
pub use conversation::{Part, Role};
pub use profile::Profile;
pub use prompt::{Prompt, Scene, UsedTrigger};
pub use trigger::Trigger;
