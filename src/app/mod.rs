//! Use cases of both APIs, one method each.
//!
//! [`auth`] finds the account of a key and checks what it may use, [`rate_limit`] counts requests,
//! [`generation`] asks models and records turns, [`studio`] creates agents and images, [`conversations`]
//! lists what is stored ([`item_list`]), [`accounts`] holds the state of accounts, [`request_log`] records
//! requests, [`faults`] chooses faults, [`replies`] changes scripted replies, [`snapshots`] copies and
//! restores state.

pub mod accounts;
pub mod auth;
pub mod conversations;
pub mod faults;
pub mod fixture_watch;
pub mod generation;
mod health;
pub mod item_list;
mod model_catalog;
pub mod rate_limit;
pub mod replies;
pub mod request_log;
pub mod snapshots;
pub mod studio;

pub use self::accounts::{AccountRegistry, AccountState};
pub use self::auth::{Authenticator, Caller};
pub use self::conversations::ConversationQueries;
pub use self::generation::Generation;
pub use self::health::{Health, Written};
pub use self::model_catalog::ModelCatalog;
pub use self::request_log::WatcherPermit;
pub use self::snapshots::Snapshots;
pub use self::studio::AgentsAndImages;
