//! `mynah exec`: a server of a command's own, there for as long as the command runs.

mod supervisor;

use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use clap::builder::Resettable;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::supervisor::Supervisor;
use super::Serve;
use super::serve;
use super::signals;
use crate::domain::error::with_sources;
use crate::domain::{Api, ApiKey, FixtureAccount};
use crate::fixtures::Fixtures;
use crate::ids::random_seed;
use crate::server::{Server, Shutdown};

/// What `mynah` ends with when it could not do its own part, so that nobody takes it for the
/// command's exit code; `env` and `timeout` do the same.
const NOT_SERVED: u8 = 125;

/// How long a complaint may take. A signal does not end the process meanwhile.
const COMPLAINT_LIMIT: Duration = Duration::from_secs(1);

/// Nothing is printed here.
const PORT: &str = "The port to listen on; 0 takes a free one";

/// The options of `serve`. Some have other defaults, for a server that nobody is to see; and where
/// it listens and keeps its data is not read from the environment, where it may be said of another.
#[derive(Debug, Args)]
#[command(mut_arg("host", |host| host.env(Resettable::Reset)))]
#[command(mut_arg("port", |port| port.env(Resettable::Reset).default_value("0").help(PORT)))]
#[command(mut_arg("database", |url| url.env(Resettable::Reset).default_value("sqlite::memory:")))]
#[command(mut_arg("public_url", |url| url.env(Resettable::Reset)))]
#[command(mut_arg("pace", |pace| pace.default_value("0")))]
#[command(mut_arg("grace", |grace| grace.default_value("0")))]
#[command(mut_arg("log", |log| log.default_value("warn")))]
pub(super) struct Exec {
    #[command(flatten)]
    serve: Serve,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the command; the exit code is the command's.
pub(super) fn exec(options: &Exec) -> ExitCode {
    run(options).unwrap_or_else(|error| {
        complain(with_sources(error.as_ref()));
        ExitCode::from(NOT_SERVED)
    })
}

/// The command is started and awaited on this thread, not on the server's runtime: whatever the
/// server is doing, the command's end is noticed.
fn run(options: &Exec) -> anyhow::Result<ExitCode> {
    let Exec { serve: options, command } = options;
    serve::start_log(options)?;
    let supervisor = Supervisor::listen().context("cannot listen for signals")?;
    let runtime = serve::runtime(options)?;
    let code = runtime.block_on(start(options)).and_then(|server| {
        let code = supervisor.run(command, &server.variables).context("cannot wait for the command");
        server.stop();
        code
    });
    serve::end(runtime);
    code.map(ExitCode::from)
}

/// The command's server.
struct ServerUnderExec {
    /// What the command finds in its environment.
    variables: Vec<Variable>,
    stop: oneshot::Sender<()>,
    stopped: mpsc::Receiver<Shutdown>,
    grace: Duration,
}

/// The name of an environment variable, and its value; without one it is not set.
type Variable = (&'static str, Option<String>);

async fn start(options: &Serve) -> anyhow::Result<ServerUnderExec> {
    let app = Server::build(&options.config(options.seed.unwrap_or_else(random_seed))).await?;
    let wanted = SocketAddr::new(options.address.host, options.address.port);
    let listener =
        TcpListener::bind(wanted).await.with_context(|| format!("cannot listen on {wanted}"))?;
    let address = listener.local_addr().context("cannot tell the port")?;
    let base = format!("http://{}", serve::reachable(address));
    let variables = variables(&base, options.admin_token.as_deref(), &app.fixtures());
    let (stop, told) = oneshot::channel();
    let (report, stopped) = mpsc::channel();
    let grace = Duration::from_secs(options.grace);
    tokio::spawn(async move {
        let told = async {
            let _ = told.await;
        };
        let _ = report.send(app.serve(listener, told, grace).await);
    });
    tokio::task::spawn_blocking(o200k::warm_up);
    Ok(ServerUnderExec { variables, stop, stopped, grace })
}

impl ServerUnderExec {
    /// Stops it. The command's exit code stands, so what goes wrong is only logged.
    fn stop(self) {
        let _ = self.stop.send(());
        let limit = self.grace.saturating_add(serve::END_MARGIN);
        if let Err(error) = self.stopped.recv_timeout(limit) {
            signals::log_briefly(move || match error {
                RecvTimeoutError::Timeout => {
                    tracing::error!("abandoned: a server that did not stop within {limit:?}");
                }
                RecvTimeoutError::Disconnected => tracing::error!("the server failed"),
            });
        }
    }
}

/// What the command finds in its environment; `None` where there is nothing to be said, so that
/// nothing of an outer server's is said either.
fn variables(base: &str, admin_token: Option<&str>, fixtures: &Fixtures) -> Vec<Variable> {
    let account = fixtures
        .account("demo")
        .or_else(|| fixtures.accounts.iter().find(|account| !account.keys.is_empty()));
    let key = |nth: usize| {
        let keys = &account?.keys;
        keys.get(nth).or(keys.first()).map(|key: &ApiKey| key.reveal().to_owned())
    };
    let is_its = |owner| account.is_some_and(|FixtureAccount { id, .. }| id == owner);
    // The first of the built-in ones by name is for another project; the last is the documents' own.
    let deployment =
        fixtures.deployments.values().rev().find(|deployment| is_its(&deployment.owner));
    let mut variables = vec![
        ("MYNAH_URL", Some(base.to_owned())),
        ("MYNAH_RUNNER_URL", Some(format!("{base}{}", Api::Runner.prefix()))),
        ("MYNAH_CHARACTERS_URL", Some(format!("{base}{}", Api::Characters.prefix()))),
        ("MYNAH_ADMIN_URL", Some(format!("{base}/_mynah"))),
        ("MYNAH_RUNNER_KEY", key(0)),
        ("MYNAH_CHARACTERS_KEY", key(1)),
        ("MYNAH_DEPLOYMENT", deployment.map(|deployment| deployment.id.to_string())),
        ("MYNAH_LLM", fixtures.llms.first().map(|llm| llm.id.to_string())),
        ("MYNAH_SD_MODEL", fixtures.sd_models.first().map(|model| model.id.to_string())),
    ];
    if let Some(token) = admin_token {
        variables.push(("MYNAH_ADMIN_TOKEN", Some(token.to_owned())));
    }
    variables
}

fn complain(sentence: String) {
    signals::write_within(COMPLAINT_LIMIT, move || {
        let _ = writeln!(std::io::stderr(), "mynah: {sentence}");
    });
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::*;
    use crate::cli::Cli;
    use crate::fixtures;
    use crate::http::route_table;

    fn settings(command: &Command, into: &mut Vec<String>) {
        let named = command.get_arguments().filter_map(|argument| argument.get_env());
        into.extend(named.map(|name| name.to_string_lossy().into_owned()));
        command.get_subcommands().for_each(|command| settings(command, into));
    }

    #[test]
    fn a_server_in_the_command_takes_none_of_the_variables_for_an_option() {
        let mut taken = Vec::new();
        settings(&Cli::command(), &mut taken);
        assert!(taken.iter().any(|name| name == "MYNAH_PORT"));
        let fixtures = fixtures::built_in(route_table()).unwrap().fixtures;
        for (name, value) in variables("http://127.0.0.1:1", None, &fixtures) {
            assert!(value.is_some(), "{name}");
            assert!(!taken.iter().any(|taken| taken == name), "{name}");
        }
    }
}
