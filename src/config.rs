//! What a server is built from; the command line parses into it.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

pub use crate::domain::{BackendName, Profile};
pub use crate::http::apis::control::ControlAccess;
pub use crate::http::apis::runner::{ErrorStyle, MessageContent, Style as RunnerStyle, TimeFormat};
pub use crate::http::extract::Strictness;
pub use crate::http::{FaultHeader, ResetStyle};

/// What a server is built from.
#[derive(Debug, Clone)]
pub struct Config {
    /// `sqlite://FILE` or `sqlite::memory:`.
    pub database: String,
    /// A folder of fixtures; the built-in ones without.
    pub fixtures: Option<PathBuf>,
    /// Overrides every deployment's own backend.
    pub backend: Option<BackendName>,
    /// How fast words are streamed where a rule does not say.
    pub pace: Duration,
    /// Where ids and chance come from.
    pub seed: u64,
    /// Where every clock stands still; without, clocks run with the system's.
    pub clock: Option<DateTime<Utc>>,
    /// Whether unknown fields are refused.
    pub strictness: Strictness,
    /// How the Runner API renders what its documents leave open.
    pub runner: RunnerStyle,
    /// Who may use the control plane.
    pub control: ControlAccess,
    /// Whether requests may ask for faults of their own.
    pub fault_header: FaultHeader,
    /// What `X-RateLimit-Reset` holds.
    pub reset: ResetStyle,
    /// The most entries in an account's request log; 0 for none.
    pub journal_max: usize,
    /// The URL that clients reach the server under, if it is not what they send as `Host`.
    pub public_url: Option<Url>,
}

/// A server for tests: in memory, with the built-in fixtures, streams without pause and ids from
/// seed 1; in all else as the command is without options.
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
