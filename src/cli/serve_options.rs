//! The options of `serve`, which `exec` shares, and the [`Config`] that they describe.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use clap::{Args, ValueEnum};

use super::urls;
use crate::clock::parse_rfc3339;
use crate::config::{
    BackendName, Config, ControlAccess, ErrorStyle, FaultHeader, MessageContent, Profile,
    ResetStyle, RunnerStyle, Strictness, TimeFormat,
};
use crate::ids::random_seed;

/// Where the server listens.
#[derive(Debug, Clone, Args)]
pub(super) struct ListenAddress {
    /// The address to listen on; 0.0.0.0 for all addresses of the machine.
    #[arg(long, env = "MYNAH_HOST", default_value = "127.0.0.1", value_name = "IP")]
    host: IpAddr,
    /// The port to listen on; 0 chooses a free one and prints it.
    #[arg(long, env = "MYNAH_PORT", default_value_t = 4310)]
    port: u16,
}

#[derive(Debug, Clone, Args)]
#[expect(clippy::doc_markdown, reason = "this is the text of --help")]
pub(super) struct ServeOptions {
    #[command(flatten)]
    pub(super) address: ListenAddress,
    /// The database: sqlite://FILE, or sqlite::memory: for one that is lost at the end.
    #[arg(long, env = "MYNAH_DATABASE", default_value = "sqlite://mynah.db", value_name = "URL")]
    pub(super) database: String,
    /// A folder of fixtures, replacing the built-in ones (see `mynah fixtures export`). Saved changes
    /// take effect at once.
    #[arg(long, env = "MYNAH_FIXTURES", value_name = "DIR")]
    fixtures: Option<PathBuf>,
    /// The backend of every deployment, overriding the fixtures.
    #[arg(long, env = "MYNAH_BACKEND", value_enum)]
    backend: Option<BackendName>,
    /// Milliseconds between two words of a stream; 0 for as fast as the client reads.
    #[arg(long, env = "MYNAH_PACE", default_value_t = 20, value_name = "MS")]
    pace: u64,
    /// Makes ids and random choices repeatable: in each account the same requests get the same ids.
    #[arg(long, env = "MYNAH_SEED", value_name = "N")]
    seed: Option<u64>,
    /// Freezes every account's clock at this time.
    #[arg(long, env = "MYNAH_CLOCK", value_name = "RFC3339", value_parser = time)]
    clock: Option<DateTime<Utc>>,
    /// Refuses fields that the documents do not define (otherwise they are ignored).
    #[arg(long, env = "MYNAH_STRICT", value_parser = BoolishValueParser::new())]
    strict: bool,
    /// The form of the Runner API's answers where its published material differs. The next three options
    /// change one thing of it each.
    #[arg(long, env = "MYNAH_PROFILE", value_enum, default_value = "documents")]
    profile: Profile,
    /// Which of the documented error envelopes the Runner API uses. Default: `openai`; with
    /// `--profile current`, `fastapi`.
    #[arg(long, env = "MYNAH_RUNNER_ERRORS", value_enum)]
    runner_errors: Option<ErrorStyle>,
    /// How the Runner API shows stored messages: as text if they have only text, or always as content
    /// parts. Default: `text`; with `--profile current`, `parts`.
    #[arg(long, env = "MYNAH_MESSAGE_CONTENT", value_enum)]
    message_content: Option<MessageContent>,
    /// How the Runner API shows times. Default: `seconds`; with `--profile current`, `micros`.
    #[arg(long, env = "MYNAH_TIMES", value_enum)]
    times: Option<TimeFormat>,
    /// The URL under which clients reach this server, for links in responses (behind a proxy or in a
    /// container). Default: the `Host` of the request.
    #[arg(long, env = "MYNAH_PUBLIC_URL", value_name = "URL", value_parser = urls::public_url)]
    pub(super) public_url: Option<url::Url>,
    /// The value of `X-RateLimit-Reset`: the Unix time at which the window ends, or the seconds left.
    #[arg(long, env = "MYNAH_RATE_LIMIT_RESET", value_enum, default_value = "unix")]
    rate_limit_reset: ResetStyle,
    /// The token of the control plane, sent as `Authorization: Bearer …`. Without a token the control
    /// plane is open on a loopback address and closed on any other.
    #[arg(long, env = "MYNAH_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(super) admin_token: Option<String>,
    /// Opens the control plane to every client that reaches the server.
    #[arg(long, env = "MYNAH_ADMIN_OPEN", value_parser = BoolishValueParser::new())]
    #[arg(conflicts_with = "admin_token")]
    admin_open: bool,
    /// The most entries in the request log of an account; 0 for none.
    #[arg(long, env = "MYNAH_JOURNAL_MAX", default_value_t = 1000, value_name = "N")]
    journal_max: usize,
    /// Lets a request cause a fault by a header such as `x-mynah-fault: status=503`.
    #[arg(long, env = "MYNAH_FAULT_HEADER", value_parser = BoolishValueParser::new())]
    fault_header: bool,
    /// Threads that answer requests. Default: one less than the processors, which leaves one to clients
    /// and the database.
    #[arg(long, env = "MYNAH_THREADS", value_name = "N")]
    pub(super) threads: Option<NonZeroUsize>,
    /// Seconds that running responses get to finish when the server is stopped. The process ends at most
    /// two seconds later, whatever still runs; a second SIGINT or SIGTERM ends it at once.
    #[arg(long, env = "MYNAH_GRACE", default_value_t = 10, value_name = "SECONDS")]
    pub(super) grace: u64,
    /// The format of the log on standard error.
    #[arg(long, env = "MYNAH_LOG_FORMAT", value_enum, default_value = "text")]
    pub(super) log_format: LogFormat,
    /// The log level: error, warn, info (one line per request), debug; or a filter of modules.
    #[arg(long, env = "MYNAH_LOG", default_value = "info", value_name = "FILTER")]
    pub(super) log: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Plain text.
    Text,
    /// One JSON object per line.
    Json,
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    parse_rfc3339(text).ok_or_else(|| "expected a time like 2026-03-24T09:00:00Z".to_owned())
}

impl ListenAddress {
    pub(super) fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

impl ServeOptions {
    /// The configuration of a server with these options; its seed is random if none is given.
    pub(super) fn config(&self) -> Config {
        Config {
            database: self.database.clone(),
            fixtures: self.fixtures.clone(),
            backend: self.backend,
            pace: Duration::from_millis(self.pace),
            seed: self.seed.unwrap_or_else(random_seed),
            clock: self.clock,
            control: match &self.admin_token {
                _ if self.admin_open => ControlAccess::Anyone,
                Some(token) => ControlAccess::Token(token.as_str().into()),
                None if self.address.host.is_loopback() => ControlAccess::ThisMachine,
                None => ControlAccess::Nobody,
            },
            fault_header: if self.fault_header {
                FaultHeader::Obeyed
            } else {
                FaultHeader::Ignored
            },
            reset: self.rate_limit_reset,
            journal_max: self.journal_max,
            public_url: self.public_url.clone(),
            strictness: if self.strict { Strictness::Strict } else { Strictness::Lenient },
            runner: self.runner_style(),
        }
    }

    /// The profile with the changes that single options make to it.
    fn runner_style(&self) -> RunnerStyle {
        let mut style = RunnerStyle::of(self.profile);
        style.errors = self.runner_errors.unwrap_or(style.errors);
        style.message_content = self.message_content.unwrap_or(style.message_content);
        style.times = self.times.unwrap_or(style.times);
        style
    }
}
