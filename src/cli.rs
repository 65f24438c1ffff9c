//! The command line of `mynah`: a file for each command. Every option has an environment variable; an
//! empty one counts as not set.

mod client;
mod environment;
mod exec;
mod fixtures;
mod healthcheck;
mod manual;
mod openapi;
mod output;
mod serve;
mod serve_options;
mod signals;
mod snapshot;
mod urls;
mod value_names;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::serve_options::{ListenAddress, ServeOptions};
use crate::domain::error::with_sources;

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
    serve: ServeOptions,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::doc_markdown, reason = "this is the text of --help")]
enum Command {
    /// Serves both APIs on one port (the default command).
    Serve(Box<ServeOptions>),
    /// Starts a temporary server, runs a command with the server's URLs and keys in its environment,
    /// and stops the server.
    ///
    /// The command gets MYNAH_URL, MYNAH_RUNNER_URL, MYNAH_CHARACTERS_URL, MYNAH_ADMIN_URL,
    /// MYNAH_RUNNER_KEY, MYNAH_CHARACTERS_KEY, MYNAH_DEPLOYMENT, MYNAH_LLM and MYNAH_SD_MODEL. The
    /// exit code is the command's: 128 + n if signal n ended it, 126 if it cannot be started, 127
    /// if it is not found, 125 if the server cannot be started. SIGHUP, SIGINT, SIGQUIT, SIGTERM,
    /// SIGUSR1, SIGUSR2 and SIGWINCH are passed on to the command.
    #[command(override_usage = "mynah exec [OPTIONS] -- COMMAND [ARGUMENT]...")]
    Exec(Box<exec::ExecOptions>),
    /// Checks fixture files, or exports the built-in ones.
    #[command(subcommand)]
    Fixtures(fixtures::FixturesCommand),
    /// Checks a running server's health: exit code 0 if it is healthy, else 1.
    ///
    /// For container images without a shell. Reads the same host and port settings as the server.
    Healthcheck(ListenAddress),
    /// Prints the OpenAPI document of one of the APIs, or its samples as requests.
    Openapi(openapi::OpenapiOptions),
    /// Saves or restores all state of an account of a running server.
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// Checks any server against the API documentation.
    ///
    /// Exit code 0 if every check passed, 1 if one failed, 2 if none could be run.
    Verify(Box<verify::VerifyOptions>),
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

/// Reads the command line of this process and runs the command.
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
    /// Runs the command. The message of an error is one sentence for the user.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command.unwrap_or(Command::Serve(Box::new(self.serve))) {
            Command::Serve(options) => serve::serve(&options),
            Command::Exec(options) => Ok(exec::exec(&options)),
            Command::Completions { shell } => manual::completions(shell),
            Command::Man { dir } => manual::man(dir.as_deref()),
            Command::Fixtures(command) => fixtures::run(&command),
            Command::Healthcheck(address) => Ok(healthcheck::healthcheck(&address)),
            Command::Openapi(options) => openapi::print(&options),
            Command::Snapshot(command) => snapshot::run(&command),
            Command::Verify(options) => Ok(verify::verify(&options)),
        }
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
