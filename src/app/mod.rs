//! Use cases of both APIs, one method each.
//!
//! [`auth`] finds the account of a key and checks what it may use, [`rate_limit`] counts requests,
//! [`generation`] asks models and records turns, [`agents`] and [`images`] create and read these,
//! [`conversations`] reads conversations, [`triggers`] creates and finds triggers, [`item_list`] is the
//! items of any list, [`accounts`] holds the state of accounts, [`request_log`] records requests,
//! [`faults`] chooses faults, [`replies`] changes scripted replies, [`snapshots`] copies and restores state.

pub mod accounts;
pub mod agent_runs;
pub mod agents;
pub mod auth;
pub mod conversations;
pub mod faults;
pub mod fixture_watch;
pub mod generation;
mod health;
pub mod images;
pub mod item_list;
mod model_catalog;
pub mod rate_limit;
pub mod replies;
pub mod request_log;
mod run_state;
pub mod snapshots;
pub mod triggers;

pub use self::accounts::{AccountRegistry, AccountState};
pub use self::agent_runs::AgentRuns;
pub use self::agents::Agents;
pub use self::auth::{Authenticator, Caller};
pub use self::conversations::ConversationQueries;
pub use self::generation::Generation;
pub use self::health::{Health, Written};
pub use self::images::Images;
pub use self::model_catalog::ModelCatalog;
pub use self::request_log::WatcherPermit;
pub use self::snapshots::Snapshots;
pub use self::triggers::Triggers;
