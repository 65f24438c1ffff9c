//! `mynah exec`: a server of a command's own, there for as long as the command runs.

use std::ffi::OsString;
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use clap::builder::Resettable;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

use super::{Serve, serve};
use crate::app::App;
use crate::domain::error::with_sources;
use crate::domain::{Account, ApiKey};
use crate::ids::random_seed;
use crate::service::fixtures::Fixtures;
use crate::tokens;

/// What `mynah` ends with when it could not do its own part, so that nobody takes it for the
/// command's exit code; `env` and `timeout` do the same.
const NOT_SERVED: u8 = 125;
/// What shells end with for a command that they find and cannot start, and for one that is not there.
const NOT_STARTED: u8 = 126;
const NOT_FOUND: u8 = 127;
/// What shells add to the number of the signal that ended a command.
const BY_SIGNAL: i32 = 128;

/// The signals that are meant for the command.
const PASSED_ON: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

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
    run(options).unwrap_or_else(|fault| {
        complain(&with_sources(fault.as_ref()));
        ExitCode::from(NOT_SERVED)
    })
}

fn run(options: &Exec) -> anyhow::Result<ExitCode> {
    serve::start_log(&options.serve)?;
    let signals = signals().context("cannot listen for signals")?;
    serve::runtime(&options.serve)?.block_on(serve_command(options, signals))
}

async fn serve_command(
    options: &Exec,
    signals: mpsc::UnboundedReceiver<Signal>,
) -> anyhow::Result<ExitCode> {
    let Exec { serve: options, command } = options;
    let app = App::build(&options.config(options.seed.unwrap_or_else(random_seed))).await?;
    let wanted = SocketAddr::new(options.address.host, options.address.port);
    let listener =
        TcpListener::bind(wanted).await.with_context(|| format!("cannot listen on {wanted}"))?;
    let address = listener.local_addr().context("cannot tell the port")?;
    let base = format!("http://{}", serve::reachable(address));
    let variables = variables(&base, options.admin_token.as_deref(), &app.fixtures());
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move {
        let _ = stopped.await;
    };
    let server = tokio::spawn(app.serve(listener, stopped, Duration::from_secs(options.grace)));
    tokio::task::spawn_blocking(tokens::warm_up);
    let code = match spawn(command, &variables) {
        Ok(child) => attend(child, signals).await.context("cannot wait for the command")?,
        Err(code) => code,
    };
    let _ = stop.send(());
    server.await.context("the server failed")?;
    Ok(code)
}

/// What the command finds in its environment; `None` where there is nothing to be said, so that
/// nothing of an outer server's is said either.
fn variables(
    base: &str,
    admin_token: Option<&str>,
    fixtures: &Fixtures,
) -> Vec<(&'static str, Option<String>)> {
    let account = fixtures
        .account("demo")
        .or_else(|| fixtures.accounts.iter().find(|account| !account.keys.is_empty()));
    let key = |nth: usize| {
        let keys = account.map(|account| account.keys.as_slice()).unwrap_or_default();
        keys.get(nth).or(keys.first()).map(|key: &ApiKey| key.reveal().to_owned())
    };
    let is_its = |owner| account.is_some_and(|Account { id, .. }| id == owner);
    // The first of the built-in ones by name is for another project; the last is the documents' own.
    let deployment =
        fixtures.deployments.values().rev().find(|deployment| is_its(&deployment.owner));
    let mut variables = vec![
        ("MYNAH_URL", Some(base.to_owned())),
        ("MYNAH_RUNNER_URL", Some(format!("{base}/v1/runner"))),
        ("MYNAH_CHARACTERS_URL", Some(format!("{base}/api/v1"))),
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

/// Starts the command, or says why not and gives the exit code that tells it.
fn spawn(
    command: &[OsString],
    variables: &[(&'static str, Option<String>)],
) -> Result<Child, ExitCode> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(ExitCode::from(NOT_SERVED));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.spawn().map_err(|fault| {
        complain(&format!("cannot run {}: {fault}", program.display()));
        // A script that is there can have an interpreter that is not.
        let is_missing = fault.kind() == ErrorKind::NotFound && !is_script(Path::new(program));
        ExitCode::from(if is_missing { NOT_FOUND } else { NOT_STARTED })
    })
}

fn is_script(program: &Path) -> bool {
    program.components().count() > 1 && program.exists()
}

/// Waits for the command's end, and passes on to it the signals that come.
async fn attend(
    mut child: Child,
    mut signals: mpsc::UnboundedReceiver<Signal>,
) -> std::io::Result<ExitCode> {
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            Some(signal) = signals.recv() => {
                // While it has an id it was not waited for, so the id is no other process's yet.
                let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
                // One that has just ended needs no signal.
                let _ = id.map(|id| kill_process(id, signal));
            }
        }
    };
    Ok(ExitCode::from(code(status)))
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// The signals that are meant for the command and did not reach it already. From now on none of
/// them ends this process.
fn signals() -> std::io::Result<mpsc::UnboundedReceiver<Signal>> {
    let ignored = ignored();
    // What this process is to ignore (`nohup`), the command is, too: it inherits that, and would
    // not if it were listened for.
    let heeded = PASSED_ON.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let mut signals = SignalsInfo::<WithOrigin>::new(heeded)?;
    let (pass_on, passed) = mpsc::unbounded_channel();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for origin in signals.forever().filter(was_sent) {
            let signal = Signal::from_named_raw(origin.signal);
            if signal.is_some_and(|signal| pass_on.send(signal).is_err()) {
                break;
            }
        }
    })?;
    Ok(passed)
}

/// Whether a process sent it, to this one. The terminal's own (Ctrl-C, Ctrl-\, its closing) come
/// from the kernel, and go to the command as well.
fn was_sent(origin: &Origin) -> bool {
    origin.process.is_some() || matches!(origin.cause, Cause::Sent(_))
}

/// The signals that this process was started to ignore, a bit for each, where the system tells.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

fn complain(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "mynah: {sentence}");
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::*;
    use crate::cli::Cli;
    use crate::http::route_table;
    use crate::service::fixtures;

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
