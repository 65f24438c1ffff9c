//! Options of a server inside a test.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use super::thread::{self, StartRequest};
use super::{
    BackendName, ErrorStyle, MessageContent, Mynah, Profile, ResetStyle, StartError, Time,
    TimeFormat,
};
use crate::config::{Config, RunnerStyle};
use crate::fixtures;
use crate::http::FaultHeader;
use crate::http::extract::Strictness;
use crate::http::route_table;

/// Builds a server: [`Mynah::builder`]. Options are those of `mynah serve` with other defaults: a free
/// port, data in memory, the seed 1, streams without pauses, a grace of one second.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let rules = r#"
///     [[rule]]
///     when = { contains = "refund" }
///     reply = [{ text = "Please call us." }]
/// "#;
/// let mynah = mynah::Mynah::builder().strict(true).fixture("a-refunds.toml", rules).await?;
/// # mynah.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "it starts when it is awaited"]
pub struct Builder {
    port: u16,
    config: Config,
    further: Vec<(String, String)>,
    grace: Duration,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            port: 0,
            config: Config::default(),
            further: Vec::new(),
            grace: Duration::from_secs(1),
        }
    }
}

impl Builder {
    /// The port on 127.0.0.1. Default: 0, a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The seed of ids and random choices.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Freezes every account's clock at this time. Default: clocks run with the system's.
    pub fn clock(mut self, at: Time) -> Self {
        self.config.clock = Some(at);
        self
    }

    /// The time between two words of a stream.
    pub fn pace(mut self, pace: Duration) -> Self {
        self.config.pace = pace;
        self
    }

    /// A folder of fixtures, replacing the built-in ones. It is read once.
    pub fn fixtures(mut self, folder: impl Into<PathBuf>) -> Self {
        self.config.fixtures = Some(folder.into());
        self
    }

    /// Adds a fixture file by name and text. It replaces a file of the same name (`replies.toml`) among
    /// the built-in ones or those of the folder. Files are read in the order of their names, and the
    /// first rule that matches answers.
    pub fn fixture(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.further.push((name.into(), text.into()));
        self
    }

    /// The backend of every deployment, overriding the fixtures.
    pub fn backend(mut self, backend: BackendName) -> Self {
        self.config.backend = Some(backend);
        self
    }

    /// Refuses fields that the documents do not define. Default: they are ignored.
    pub fn strict(mut self, strict: bool) -> Self {
        self.config.strictness = if strict { Strictness::Strict } else { Strictness::Lenient };
        self
    }

    /// The database: `sqlite://FILE`. Default: `sqlite::memory:`.
    pub fn database(mut self, url: impl Into<String>) -> Self {
        self.config.database = url.into();
        self
    }

    /// The most entries in the request log of an account; 0 for none. Default: 1000.
    pub fn journal_max(mut self, most: usize) -> Self {
        self.config.journal_max = most;
        self
    }

    /// Lets a request cause a fault by the header `x-mynah-fault`.
    pub fn fault_header(mut self, obeyed: bool) -> Self {
        self.config.fault_header = if obeyed { FaultHeader::Obeyed } else { FaultHeader::Ignored };
        self
    }

    /// The form of the Runner API's answers; call it before methods that change one thing of it.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.config.runner = RunnerStyle::of(profile);
        self
    }

    /// Which of the documented error envelopes the Runner API uses.
    pub fn runner_errors(mut self, style: ErrorStyle) -> Self {
        self.config.runner.errors = style;
        self
    }

    /// How the Runner API shows the content of stored messages.
    pub fn message_content(mut self, content: MessageContent) -> Self {
        self.config.runner.message_content = content;
        self
    }

    /// How the Runner API shows times.
    pub fn times(mut self, times: TimeFormat) -> Self {
        self.config.runner.times = times;
        self
    }

    /// The value of `X-RateLimit-Reset`.
    pub fn rate_limit_reset(mut self, reset: ResetStyle) -> Self {
        self.config.reset = reset;
        self
    }

    /// How long running responses may take at [`Mynah::stop`].
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Starts the server; awaiting the builder does the same.
    pub async fn start(self) -> Result<Mynah, StartError> {
        let Self { port, config, further, grace } = self;
        let fixtures = fixtures::read_with(config.fixtures.as_deref(), further, route_table())?;
        let (server, running) =
            thread::start(StartRequest { port, config, fixtures, grace }).await?;
        Ok(Mynah { server, running })
    }
}

impl IntoFuture for Builder {
    type Output = Result<Mynah, StartError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}
