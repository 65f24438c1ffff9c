//! Mynah inside a Rust test: a server in this process, and its control plane as methods.
//!
//! [`Mynah::start`] serves both APIs on a free port of this machine, until the value is dropped.
//! The client under test speaks HTTP to it and needs no knowledge of Mynah. The test sets the model's
//! replies, faults and the time, and asserts on the requests. The names are those of docs/control.md
//! and of the helpers for other languages (`clients/`).
//!
//! ```
//! use mynah::Mynah;
//! use mynah::testing::{Effect, Fault};
//! use serde_json::json;
//! # use serde_json::Value;
//! #
//! # fn ask(url: &str, key: &str, text: &str) -> std::io::Result<(u16, Value)> {
//! #     use std::io::{Read as _, Write as _};
//! #     let (host, path) = url["http://".len()..].split_once('/').unwrap();
//! #     let body = json!({"content": [{"type": "text", "text": text}]}).to_string();
//! #     let head = format!(
//! #         "POST /{path}/YOUR_DEPLOYMENT_ID HTTP/1.1\r\nhost: {host}\r\nx-api-key: {key}\r\n\
//! #          content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
//! #         body.len()
//! #     );
//! #     let mut socket = std::net::TcpStream::connect(host)?;
//! #     socket.write_all((head + &body).as_bytes())?;
//! #     let mut answer = String::new();
//! #     socket.read_to_string(&mut answer)?;
//! #     let (head, body) = answer.split_once("\r\n\r\n").unwrap();
//! #     let content = serde_json::from_str::<Value>(body)?["content"].clone();
//! #     Ok((head["HTTP/1.1 ".len()..][..3].parse().unwrap(), content))
//! # }
//! #
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mynah = Mynah::start().await?;
//! let account = mynah.account().plan("pro").seed(7).await?;
//! account.replies().queue("Yes.")?;
//!
//! // `ask` is the client under test: it takes a URL and a key, and returns status and content.
//! let (status, content) = ask(&account.runner_url(), account.key(), "Is billing open?")?;
//! assert_eq!((status, content), (200, json!("Yes.")));
//!
//! let effect = Effect { status: Some(503), ..Effect::default() };
//! account.faults().add(Fault { times: Some(1), effect, ..Fault::default() })?;
//! assert_eq!(ask(&account.runner_url(), account.key(), "And on Sundays?")?.0, 503);
//! assert_eq!(ask(&account.runner_url(), account.key(), "And on Sundays?")?.0, 200);
//!
//! account.expect_request_count(3, |request| request.path("/v1/runner/*"));
//! account.expect_request(|request| {
//!     request.body(json!({"content": [{"text": "And on Sundays?"}]})).status(200)
//! });
//! account.expect_no_request(|request| request.path("/api/v1/*"));
//! # Ok(())
//! # }
//! ```
//!
//! # The server
//!
//! The server has a thread and a runtime of its own. It serves blocking and asynchronous clients, with
//! any runtime of the test or none, with time paused or not, and can be shared by tests with different
//! runtimes. Dropping it stops it before the drop returns, without waiting for clients, and after at
//! most 1.5 seconds. [`Mynah::stop`] lets running responses finish first.
//!
//! By default data is in memory, the seed is 1 and streams have no pauses ([`Mynah::builder`] changes
//! these). The server prints nothing, handles no signals and installs no log subscriber; it logs to
//! the test's subscriber, if there is one. Servers in one process share nothing.
//!
//! # The account
//!
//! An [`Account`] is isolated from all others and chosen by the key that a client sends. It has its own
//! [clock], [replies](Account::replies), [faults](Account::faults), [triggers](Account::triggers),
//! [agent runs](Account::runs) and request log. Methods that act in
//! memory are plain calls; those that use the database are futures for any executor. Rules and faults
//! are given as Rust types or as the JSON of docs/control.md ([`Form`]).
//!
//! ```
//! # use mynah::Mynah;
//! # use serde_json::json;
//! # use std::time::Duration;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mynah = Mynah::start().await?;
//! let account = mynah.account().clock("2026-01-01T00:00:00Z".parse()?).await?;
//! account.clock().advance(Duration::from_mins(1));
//! assert_eq!(account.clock().now(), "2026-01-01T00:01:00Z".parse::<mynah::testing::Time>()?);
//!
//! let rule = json!({"when": {"contains": "refund"}, "reply": [{"text": "Please call us."}]});
//! account.replies().rule(rule)?;
//! let wrong = account.faults().add(json!({"effect": {"status": 200}})).unwrap_err();
//! assert_eq!(wrong.to_string(), "effect.status must be a whole number from 400 to 599");
//!
//! let snapshot = account.snapshot().await?;
//! let fork = account.fork().await?;
//! account.reset().await?;
//! account.restore(snapshot).await?;
//! assert_ne!(fork.key(), account.key());
//! # Ok(())
//! # }
//! ```
//!
//! [clock]: Account::clock

mod account;
mod builder;
mod clock;
mod error;
mod faults;
mod form;
mod pattern;
mod replies;
mod request;
mod request_log;
mod runs;
mod thread;
mod triggers;

use std::net::SocketAddr;

pub use self::account::{Account, AccountBuilder};
pub use self::builder::Builder;
pub use self::clock::AccountClock;
pub use self::error::{Error, ExpectationTimeout, StartError};
pub use self::faults::{AddedFault, Faults};
pub use self::form::Form;
pub use self::pattern::RequestPattern;
pub use self::replies::Replies;
pub use self::request::LoggedExchange;
pub use self::request_log::AccountRequestLog;
pub use self::runs::AccountRuns;
use self::thread::{RunningServer, ServerHandle};
pub use self::triggers::AccountTriggers;
pub use crate::app::accounts::{AccountChanges, LimitChange};
pub use crate::app::agent_runs::StoredRun;
pub use crate::app::snapshots::{Section, Snapshot};
pub use crate::domain::agent_run::{
    ClientCapability, ProgressEntry, RunEnd, RunStatus, RunStep, ToolCall, ToolResult,
};
pub use crate::domain::fault_rule::{
    BodyCorruption, Burst, ConnectionDrop as Dropped, Effect, ErrorEnvelope,
    FaultConditions as FaultWhen, FaultRule as Fault,
};
pub use crate::domain::reply_rule::{
    Pace, PartKind, Reply, ReplyConditions, ReplyRule, ReplyToolCall, ToolResultCondition,
};
pub use crate::domain::{Api, BackendName, Credits, Part, Plan, Profile, Trigger};
pub use crate::http::ResetStyle;
pub use crate::http::apis::runner::{ErrorStyle, MessageContent, TimeFormat};
use crate::ids::AccountId;
pub use crate::ids::{ConversationId, DeploymentId, FaultId, RunId, ToolCallId, TriggerId};
pub use crate::models::rules::account_rules::RuleListItem;
pub use crate::models::rules::edit::{Position, RuleDefinition};
pub use crate::models::rules::queue::QueuedReply;

/// A time in UTC: `"2026-01-01T00:00:00Z".parse()`.
pub type Time = chrono::DateTime<chrono::Utc>;

/// A server in this process. It stops when it is dropped.
#[derive(Debug)]
pub struct Mynah {
    server: ServerHandle,
    running: RunningServer,
}

impl Mynah {
    /// Starts a server on a free port with default options.
    pub async fn start() -> Result<Self, StartError> {
        Self::builder().start().await
    }

    /// Builds a server with other options.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The address of the listener.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.server.url("")
    }

    /// The base URL of the Runner API: `http://127.0.0.1:PORT/v1/runner`.
    pub fn runner_url(&self) -> String {
        self.server.url(Api::Runner.prefix())
    }

    /// The base URL of the Characters API: `http://127.0.0.1:PORT/api/v1`.
    pub fn characters_url(&self) -> String {
        self.server.url(Api::Characters.prefix())
    }

    /// Creates an account. It exists until [`Account::remove`] or the end of the server.
    pub fn account(&self) -> AccountBuilder {
        AccountBuilder::new(self.server.clone())
    }

    /// An existing account: of the fixtures (`demo`), or created before.
    pub fn existing(&self, id: &str) -> Result<Account, Error> {
        let account = self.server.registry.require(&AccountId::from(id))?;
        Ok(Account::new(self.server.clone(), account))
    }

    /// Stops the server gracefully: it accepts no new connections, running responses and streams finish
    /// within the grace, and what was acknowledged is stored.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}
