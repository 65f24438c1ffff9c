//! The configuration of a server; the command line parses into it.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

pub use crate::domain::{BackendName, Profile};
pub use crate::http::apis::control::ControlAccess;
pub use crate::http::apis::runner::{ErrorStyle, MessageContent, Style as RunnerStyle, TimeFormat};
pub use crate::http::extract::Strictness;
pub use crate::http::{FaultHeader, ResetStyle};

/// The configuration of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// `sqlite://FILE` or `sqlite::memory:`.
    pub database: String,
    /// A folder of fixtures; the built-in ones if `None`.
    pub fixtures: Option<PathBuf>,
    /// Overrides every deployment's own backend.
    pub backend: Option<BackendName>,
    /// The time between two words of a stream, unless a rule sets it.
    pub pace: Duration,
    /// The seed of ids and random numbers.
    pub seed: u64,
    /// The time at which every clock is frozen; clocks run with the system's if `None`.
    pub clock: Option<DateTime<Utc>>,
    /// Whether unknown fields are refused.
    pub strictness: Strictness,
    /// How the Runner API renders what its documents leave open.
    pub runner: RunnerStyle,
    /// Who may use the control plane.
    pub control: ControlAccess,
    /// Whether requests can cause a fault by a header.
    pub fault_header: FaultHeader,
    /// The value of `X-RateLimit-Reset`.
    pub reset: ResetStyle,
    /// The most entries in an account's request log; 0 for none.
    pub journal_max: usize,
    /// The URL under which clients reach the server, if it differs from the `Host` that they send.
    pub public_url: Option<Url>,
}

/// A server for tests: data in memory, streams without pauses, seed 1. Other values are the defaults of
/// the command line.
impl Default for Config {
    fn default() -> Self {
        Self {
            database: "sqlite::memory:".to_owned(),
            fixtures: None,
            backend: None,
            pace: Duration::ZERO,
            seed: 1,
            clock: None,
            strictness: Strictness::Lenient,
            runner: RunnerStyle::of(Profile::Documents),
            control: ControlAccess::ThisMachine,
            fault_header: FaultHeader::Ignored,
            reset: ResetStyle::Unix,
            journal_max: 1000,
            public_url: None,
        }
    }
}
