//! What both APIs mean: one method an act, one transaction an act.
//!
//! [`auth`] tells who calls and what they may use, [`rate_limit`] counts requests, [`generation`] makes
//! answers and stores them, [`studio`] makes agents and pictures, [`conversations`] shows what is stored ([`item_list`]), [`accounts`] holds what hangs on an
//! account, [`request_log`] what was asked and answered, [`faults`] what is to go wrong, [`fixtures`]
//! is what they all start with.

pub mod accounts;
pub mod auth;
pub mod conversations;
pub mod faults;
pub mod fixture_watch;
pub mod generation;
mod health;
pub mod item_list;
pub mod rate_limit;
pub mod request_log;
pub mod snapshots;
pub mod studio;

pub use self::accounts::{AccountRegistry, AccountState};
pub use self::auth::{Authenticator, Caller};
pub use self::conversations::ConversationQueries;
pub use self::generation::Generation;
pub use self::health::Health;
pub use self::request_log::WatcherPermit;
pub use self::snapshots::Snapshots;
pub use self::studio::AgentsAndImages;
