//! The command line of `mynah`. Every option has an environment variable; an empty one counts as not
//! set.

mod client;
mod environment;
mod exec;
mod fixtures;
mod healthcheck;
mod manual;
mod openapi;
mod output;
mod serve;
mod signals;
mod snapshot;
mod urls;
mod verify;

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::builder::{BoolishValueParser, NonEmptyStringValueParser, PossibleValue};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::clock::parse_rfc3339;
use crate::domain::error::with_sources;
use crate::domain::{Api, BackendName};
use crate::http::apis::control;
use crate::domain::Profile;
use crate::http::apis::runner::{ErrorStyle, MessageContent, Style, TimeFormat};
use crate::http::extract::Strictness;
use crate::http::{FaultHeader, ResetStyle};
use crate::openapi::SERVER;
use crate::config::Config;

/// A mock server for the Runner API and the Characters API.
///
/// Without a command it serves. Start it and copy the lines it prints:
///
///   mynah                                     keeps its data in ./mynah.db
///   mynah --database sqlite::memory: --port 0 throw-away, on a free port
///   mynah --backend echo --pace 0             every answer is the question, at once
///   mynah --seed 1 --clock 2026-01-01T00:00:00Z   the same ids and times, run after run
#[derive(Debug, Parser)]
#[expect(clippy::doc_markdown, reason = "this is the text of --help")]
#[command(name = "mynah", version, verbatim_doc_comment)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::doc_markdown, reason = "this is the text of --help")]
enum Command {
    /// Serves both APIs on one port (the default command).
    Serve(Box<Serve>),
    /// Starts a temporary server, runs a command with the server's URLs and keys in its environment,
    /// and stops the server.
    ///
    /// The command gets MYNAH_URL, MYNAH_RUNNER_URL, MYNAH_CHARACTERS_URL, MYNAH_ADMIN_URL,
    /// MYNAH_RUNNER_KEY, MYNAH_CHARACTERS_KEY, MYNAH_DEPLOYMENT, MYNAH_LLM and MYNAH_SD_MODEL. The
    /// exit code is the command's: 128 + n if signal n ended it, 126 if it cannot be started, 127
    /// if it is not found, 125 if the server cannot be started. SIGHUP, SIGINT, SIGQUIT, SIGTERM,
    /// SIGUSR1, SIGUSR2 and SIGWINCH are passed on to the command.
    #[command(override_usage = "mynah exec [OPTIONS] -- COMMAND [ARGUMENT]...")]
    Exec(Box<exec::Exec>),
    /// Checks fixture files, or exports the built-in ones.
    #[command(subcommand)]
    Fixtures(FixturesCommand),
    /// Checks a running server's health: exit code 0 if it is healthy, else 1.
    ///
    /// For container images without a shell. Reads the same host and port settings as the server.
    Healthcheck(Address),
    /// Prints the OpenAPI document of one of the APIs, or its samples as requests.
    Openapi(Openapi),
    /// Saves or restores all state of an account of a running server.
    #[command(subcommand)]
    Snapshot(SnapshotOptions),
    /// Checks any server against the API documentation.
    ///
    /// Exit code 0 if every check passed, 1 if one failed, 2 if none could be run.
    Verify(Box<verify::Verify>),
    /// Prints a completion script for a shell.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Prints the manual page, for `man`.
    Man {
        /// Writes it and a page for each command into this folder instead.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum SnapshotOptions {
    /// Writes all state of an account to a file, a pipe or standard output.
    Save {
        /// The account's id: `demo`.
        account: String,
        /// The file; - is standard output.
        file: PathBuf,
        #[command(flatten)]
        running: HealthcheckTarget,
    },
    /// Replaces all state of an account by that in a file.
    Load {
        /// The account's id.
        account: String,
        /// The file; - is standard input.
        file: PathBuf,
        #[command(flatten)]
        running: HealthcheckTarget,
    },
}

#[derive(Debug, Args)]
struct Openapi {
    /// Which API.
    #[arg(value_enum)]
    api: Api,
    /// The format.
    #[arg(long, value_enum, default_value = "yaml")]
    format: DocumentFormat,
    /// The server URL in the document.
    #[arg(long, default_value = SERVER, value_name = "URL", value_parser = urls::base_url)]
    server: url::Url,
}

impl ValueEnum for Api {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(format!("The {}", self.title())))
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DocumentFormat {
    /// The source.
    Yaml,
    /// The same content.
    Json,
    /// The samples as requests: a .http file for VS Code (REST Client) and other tools.
    Http,
}

/// A server that is running.
#[derive(Debug, Clone, Args)]
struct HealthcheckTarget {
    #[command(flatten)]
    address: Address,
    /// The token of its control plane, if it has one.
    #[arg(long, env = "MYNAH_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    admin_token: Option<String>,
}

#[derive(Debug, Subcommand)]
enum FixturesCommand {
    /// Reports every error in a folder's fixture files, with file, line and what was expected.
    ///
    /// Also warns of rules that can never answer. Exit code 0 without errors, with or without
    /// warnings; 1 with errors. A `.toml` entry that is not a regular file of at most 4 MiB (a named
    /// pipe, a device, a folder, a broken link) is an error here; the server skips it.
    Check {
        /// The folder.
        dir: PathBuf,
    },
    /// Writes the built-in fixtures into a folder, as a starting point for your own.
    Export {
        /// The folder, created if it does not exist; no file in it is overwritten.
        dir: PathBuf,
    },
    /// Prints the JSON Schema of fixture files, for completion and checks in editors.
    ///
    /// Save it as mynah.schema.json beside the files, and begin each with the line
    /// #:schema ./mynah.schema.json (for Taplo and Even Better TOML).
    Schema,
}

/// Where the server listens.
#[derive(Debug, Clone, Args)]
struct Address {
    /// The address to listen on; 0.0.0.0 for all addresses of the machine.
    #[arg(long, env = "MYNAH_HOST", default_value = "127.0.0.1", value_name = "IP")]
    host: IpAddr,
    /// The port to listen on; 0 chooses a free one and prints it.
    #[arg(long, env = "MYNAH_PORT", default_value_t = 4310)]
    port: u16,
}

#[derive(Debug, Clone, Args)]
#[expect(clippy::doc_markdown, reason = "this is the text of --help")]
struct Serve {
    #[command(flatten)]
    address: Address,
    /// The database: sqlite://FILE, or sqlite::memory: for one that is lost at the end.
    #[arg(long, env = "MYNAH_DATABASE", default_value = "sqlite://mynah.db", value_name = "URL")]
    database: String,
    /// A folder of fixtures, replacing the built-in ones (see `mynah fixtures export`). Saved changes
    /// take effect at once.
    #[arg(long, env = "MYNAH_FIXTURES", value_name = "DIR")]
    fixtures: Option<PathBuf>,
    /// The backend of every deployment, overriding the fixtures.
    #[arg(long, env = "MYNAH_BACKEND", value_enum)]
    backend: Option<BackendArg>,
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
    profile: ProfileArg,
    /// Which of the documented error envelopes the Runner API uses. Default: `openai`; with
    /// `--profile current`, `fastapi`.
    #[arg(long, env = "MYNAH_RUNNER_ERRORS", value_enum)]
    runner_errors: Option<ErrorsArg>,
    /// How the Runner API shows stored messages: as text if they have only text, or always as content
    /// parts. Default: `text`; with `--profile current`, `parts`.
    #[arg(long, env = "MYNAH_MESSAGE_CONTENT", value_enum)]
    message_content: Option<ContentArg>,
    /// How the Runner API shows times. Default: `seconds`; with `--profile current`, `micros`.
    #[arg(long, env = "MYNAH_TIMES", value_enum)]
    times: Option<TimesArg>,
    /// The URL under which clients reach this server, for links in responses (behind a proxy or in a
    /// container). Default: the `Host` of the request.
    #[arg(long, env = "MYNAH_PUBLIC_URL", value_name = "URL", value_parser = urls::public_url)]
    public_url: Option<url::Url>,
    /// The value of `X-RateLimit-Reset`: the Unix time at which the window ends, or the seconds left.
    #[arg(long, env = "MYNAH_RATE_LIMIT_RESET", value_enum, default_value = "unix")]
    rate_limit_reset: ResetArg,
    /// The token of the control plane, sent as `Authorization: Bearer …`. Without a token the control
    /// plane is open on a loopback address and closed on any other.
    #[arg(long, env = "MYNAH_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    admin_token: Option<String>,
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
    threads: Option<NonZeroUsize>,
    /// Seconds that running responses get to finish when the server is stopped. The process ends at most
    /// two seconds later, whatever still runs; a second SIGINT or SIGTERM ends it at once.
    #[arg(long, env = "MYNAH_GRACE", default_value_t = 10, value_name = "SECONDS")]
    grace: u64,
    /// The format of the log on standard error.
    #[arg(long, env = "MYNAH_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
    /// The log level: error, warn, info (one line per request), debug; or a filter of modules.
    #[arg(long, env = "MYNAH_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BackendArg {
    /// Repeats the last message.
    Echo,
    /// Answers by the rules of the fixtures, else by a generated text.
    Canned,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProfileArg {
    /// As the API's documents print it.
    Documents,
    /// As the newest public material shows it: content parts, microseconds, {"detail": …}.
    Current,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TimesArg {
    /// 2026-03-24T09:00:00Z
    Seconds,
    /// 2026-03-24T09:00:00.250000, without a zone
    Micros,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ErrorsArg {
    /// {"error": {"type", "message", "param", "code"}}
    Openai,
    /// {"detail": …}, 422 for validation
    Fastapi,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ContentArg {
    /// A string for a message of text, parts for a message with a file.
    Text,
    /// Always an array of parts.
    Parts,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ResetArg {
    /// Unix time in seconds.
    Unix,
    /// Seconds left.
    Delta,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Plain text.
    Text,
    /// One JSON object per line.
    Json,
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    parse_rfc3339(text).ok_or_else(|| "expected a time like 2026-03-24T09:00:00Z".to_owned())
}

/// Reads the options of this process and runs its command.
pub(crate) fn main() -> ExitCode {
    match Cli::read().run() {
        Ok(code) => code,
        Err(error) => {
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("mynah: {}\n", with_sources(error.as_ref())),
            );
            ExitCode::FAILURE
        }
    }
}

impl Cli {
    /// Does what was asked; an error is one sentence for the user.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command.unwrap_or(Command::Serve(Box::new(self.serve))) {
            Command::Serve(options) => serve::serve(&options),
            Command::Exec(options) => Ok(exec::exec(&options)),
            Command::Completions { shell } => manual::completions(shell),
            Command::Man { dir } => manual::man(dir.as_deref()),
            Command::Fixtures(FixturesCommand::Check { dir }) => fixtures::check(&dir),
            Command::Fixtures(FixturesCommand::Export { dir }) => fixtures::export(&dir),
            Command::Fixtures(FixturesCommand::Schema) => fixtures::schema(),
            Command::Healthcheck(address) => Ok(healthcheck::healthcheck(&address)),
            Command::Openapi(options) => openapi::print(&options),
            Command::Snapshot(SnapshotOptions::Save { account, file, running }) => {
                snapshot::save(&running, &account, &file)
            }
            Command::Snapshot(SnapshotOptions::Load { account, file, running }) => {
                snapshot::load(&running, &account, &file)
            }
            Command::Verify(options) => verify::run(&options),
        }
    }
}

impl Serve {
    fn config(&self, seed: u64) -> Config {
        Config {
            database: self.database.clone(),
            fixtures: self.fixtures.clone(),
            backend: self.backend.map(|backend| match backend {
                BackendArg::Echo => BackendName::Echo,
                BackendArg::Canned => BackendName::Canned,
            }),
            pace: Duration::from_millis(self.pace),
            seed,
            clock: self.clock,
            control: match &self.admin_token {
                _ if self.admin_open => control::ControlAccess::Anyone,
                Some(token) => control::ControlAccess::Token(token.as_str().into()),
                None if self.address.host.is_loopback() => control::ControlAccess::ThisMachine,
                None => control::ControlAccess::Nobody,
            },
            fault_header: if self.fault_header {
                FaultHeader::Obeyed
            } else {
                FaultHeader::Ignored
            },
            reset: match self.rate_limit_reset {
                ResetArg::Unix => ResetStyle::Unix,
                ResetArg::Delta => ResetStyle::Delta,
            },
            journal_max: self.journal_max,
            public_url: self.public_url.clone(),
            strictness: if self.strict { Strictness::Strict } else { Strictness::Lenient },
            runner: self.runner_style(),
        }
    }

    /// The profile with the changes that single options make to it.
    fn runner_style(&self) -> Style {
        let mut style = Style::of(match self.profile {
            ProfileArg::Documents => Profile::Documents,
            ProfileArg::Current => Profile::Current,
        });
        if let Some(errors) = self.runner_errors {
            style.errors = match errors {
                ErrorsArg::Openai => ErrorStyle::OpenAi,
                ErrorsArg::Fastapi => ErrorStyle::FastApi,
            };
        }
        if let Some(content) = self.message_content {
            style.message_content = match content {
                ContentArg::Text => MessageContent::Text,
                ContentArg::Parts => MessageContent::Parts,
            };
        }
        if let Some(times) = self.times {
            style.times = match times {
                TimesArg::Seconds => TimeFormat::Seconds,
                TimesArg::Micros => TimeFormat::Micros,
            };
        }
        style
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_has_its_environment_variable() {
        for argument in Cli::command().get_arguments().filter(|arg| arg.get_long().is_some()) {
            let name = argument.get_long().unwrap();
            if ["help", "version"].contains(&name) {
                continue;
            }
            let variable = format!("MYNAH_{}", name.replace('-', "_").to_uppercase());
            assert_eq!(argument.get_env().unwrap(), variable.as_str());
        }
    }
}
