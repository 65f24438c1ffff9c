//! `mynah exec`: runs a command with a temporary server.

mod supervisor;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use clap::builder::Resettable;
use futures::FutureExt as _;
use tokio::sync::oneshot;

use self::supervisor::Supervisor;
use super::client;
use super::serve;
use super::serve_options::ServeOptions;
use super::signals;
use crate::domain::error::with_sources;
use crate::domain::{Api, ApiKey};
use crate::fixtures::Fixtures;
use crate::server::Shutdown;

/// The exit code for a failure of `mynah` itself, as in `env` and `timeout`.
const EXEC_FAILED: u8 = 125;

/// How long writing an error message may take. Signals do not end the process meanwhile.
const MESSAGE_LIMIT: Duration = Duration::from_secs(1);

/// Unlike `serve`, `exec` does not print the port.
const PORT_HELP: &str = "The port to listen on; 0 takes a free one";

/// The options of `serve`, with other defaults. Address, database and public URL are not read from the
/// environment, where they may describe another server.
#[derive(Debug, Args)]
#[command(mut_arg("host", |host| host.env(Resettable::Reset)))]
#[command(mut_arg("port", |port| port.env(Resettable::Reset).default_value("0").help(PORT_HELP)))]
#[command(mut_arg("database", |url| url.env(Resettable::Reset).default_value("sqlite::memory:")))]
#[command(mut_arg("public_url", |url| url.env(Resettable::Reset)))]
#[command(mut_arg("pace", |pace| pace.default_value("0")))]
#[command(mut_arg("grace", |grace| grace.default_value("0")))]
#[command(mut_arg("log", |log| log.default_value("warn")))]
pub(super) struct ExecOptions {
    #[command(flatten)]
    serve: ServeOptions,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the command; returns its exit code, or `EXEC_FAILED`.
pub(super) fn exec(options: &ExecOptions) -> ExitCode {
    run(options).unwrap_or_else(|error| {
        print_error(with_sources(error.as_ref()));
        ExitCode::from(EXEC_FAILED)
    })
}

/// Starts and awaits the command on this thread, because the threads of the server's runtime may all be
/// busy.
fn run(options: &ExecOptions) -> anyhow::Result<ExitCode> {
    let ExecOptions { serve: options, command } = options;
    serve::start_log(options)?;
    let supervisor = Supervisor::listen().context("cannot listen for signals")?;
    let runtime = serve::runtime(options)?;
    let code = runtime.block_on(start(options)).and_then(|server| {
        let code =
            supervisor.run(command, &server.variables).context("cannot wait for the command");
        server.stop();
        code
    });
    serve::end(runtime);
    code.map(ExitCode::from)
}

/// The server of a command.
struct ServerUnderExec {
    /// The environment variables of the command.
    variables: Vec<Variable>,
    stop: oneshot::Sender<()>,
    stopped: mpsc::Receiver<Shutdown>,
    grace: Duration,
}

/// The name of an environment variable, and its value; `None` unsets it.
type Variable = (&'static str, Option<String>);

async fn start(options: &ServeOptions) -> anyhow::Result<ServerUnderExec> {
    let (server, listener, address) = serve::bind(options).await?;
    let base = format!("http://{}", client::reachable(address));
    let variables = variables(&base, options.admin_token.as_deref(), &server.fixtures());
    let (stop, stop_requested) = oneshot::channel::<()>();
    let (report, stopped) = mpsc::channel();
    let grace = Duration::from_secs(options.grace);
    tokio::spawn(async move {
        let stop = stop_requested.map(drop);
        let _ = report.send(server.serve(listener, stop, grace).await);
    });
    tokio::task::spawn_blocking(o200k::warm_up);
    Ok(ServerUnderExec { variables, stop, stopped, grace })
}

impl ServerUnderExec {
    /// Stops the server. Failures are only logged, because the exit code is the command's.
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

/// The environment variables of the command. A variable without a value is unset, so that the command
/// does not inherit that of another server.
fn variables(base: &str, admin_token: Option<&str>, fixtures: &Fixtures) -> Vec<Variable> {
    let account = fixtures
        .account("demo")
        .or_else(|| fixtures.accounts.iter().find(|account| !account.keys.is_empty()));
    let key = |nth: usize| {
        let keys = &account?.keys;
        keys.get(nth).or(keys.first()).map(|key: &ApiKey| key.reveal().to_owned())
    };
    // The last of the built-in deployments is the one that the API documents name.
    let deployment = fixtures
        .deployments
        .values()
        .rev()
        .find(|deployment| account.is_some_and(|account| account.id == deployment.owner));
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

fn print_error(message: String) {
    signals::write_within(MESSAGE_LIMIT, move || {
        let _ = writeln!(std::io::stderr(), "mynah: {message}");
    });
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::*;
    use crate::cli::Cli;
    use crate::fixtures;
    use crate::http::route_table;

    fn collect_variables(command: &Command, into: &mut Vec<String>) {
        let named = command.get_arguments().filter_map(|argument| argument.get_env());
        into.extend(named.map(|name| name.to_string_lossy().into_owned()));
        command.get_subcommands().for_each(|command| collect_variables(command, into));
    }

    #[test]
    fn no_variable_of_the_command_is_that_of_an_option() {
        let mut of_options = Vec::new();
        collect_variables(&Cli::command(), &mut of_options);
        assert!(of_options.iter().any(|name| name == "MYNAH_PORT"));
        let fixtures = fixtures::built_in(route_table()).unwrap().fixtures;
        for (name, value) in variables("http://127.0.0.1:1", None, &fixtures) {
            assert!(value.is_some(), "{name}");
            assert!(!of_options.iter().any(|of_option| of_option == name), "{name}");
        }
    }
}
