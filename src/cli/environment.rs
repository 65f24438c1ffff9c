//! Reads the command line and the environment variables of the chosen command.
//!
//! clap reads the variables of the options of `serve` even if another command is given: an invalid
//! `MYNAH_PORT` would make every command fail. So variables that do not apply are removed from the
//! options before the command line is parsed.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;

use clap::builder::{Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, CommandFactory as _, Error, FromArgMatches as _};

use super::Cli;

/// Kubernetes sets this variable to a URL in every pod of a namespace with a service named `mynah`.
const SERVICE_LINK: &str = "MYNAH_PORT";
const SERVICE_LINK_HINT: &str = "Kubernetes sets MYNAH_PORT for a service named mynah; set it to a \
    port in the container, or `enableServiceLinks: false` in the pod";

/// The commands that connect to a server; they ignore a `MYNAH_PORT` that Kubernetes has set.
const CLIENT_COMMANDS: [&str; 2] = ["healthcheck", "snapshot"];

/// The false values of clap's `BoolishValueParser`.
const FALSE_VALUES: [&str; 6] = ["n", "no", "f", "false", "off", "0"];

impl Cli {
    /// Reads the command line and environment of this process; exits if they are invalid.
    pub fn read() -> Self {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        read(&arguments).unwrap_or_else(|error| error.exit())
    }
}

fn read(arguments: &[OsString]) -> Result<Cli, Error> {
    let mut command = with_applicable_variables(Cli::command(), arguments);
    match command.try_get_matches_from_mut(arguments) {
        Ok(mut matches) => {
            Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
        }
        // The help text shows all variables.
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            Err(Cli::command().try_get_matches_from(arguments).err().unwrap_or(error))
        }
        Err(error) => Err(name_variable(error, &command, arguments)),
    }
}

/// Removes variables that count as not set, and those of options that the given command does not have.
fn with_applicable_variables(command: Command, arguments: &[OsString]) -> Command {
    let subcommand = arguments.get(1).and_then(|name| command.find_subcommand(name));
    let Some(subcommand) = subcommand.map(|subcommand| subcommand.get_name().to_owned()) else {
        return without_variables(command, &is_unset);
    };
    let command = command.mut_args(without_variable);
    if CLIENT_COMMANDS.contains(&subcommand.as_str())
        && is_service_link(std::env::var_os(SERVICE_LINK))
    {
        let _ = writeln!(std::io::stderr(), "mynah: MYNAH_PORT is ignored: {SERVICE_LINK_HINT}");
        return without_variables(command, &|argument| {
            is_unset(argument) || argument.get_env() == Some(OsStr::new(SERVICE_LINK))
        });
    }
    without_variables(command, &is_unset)
}

/// Removes the variables of the options that `is_removed` selects, including those of subcommands.
fn without_variables(command: Command, is_removed: &dyn Fn(&Arg) -> bool) -> Command {
    let of_option = |argument: Arg| {
        if is_removed(&argument) { without_variable(argument) } else { argument }
    };
    command.mut_args(of_option).mut_subcommands(|command| without_variables(command, is_removed))
}

fn without_variable(argument: Arg) -> Arg {
    argument.env(Resettable::Reset)
}

/// Whether the variable counts as not set: it is empty, or sets a switch to false. clap would count such
/// a switch as given when it looks for conflicts.
fn is_unset(argument: &Arg) -> bool {
    let is_switch = matches!(argument.get_action(), ArgAction::SetTrue);
    variable_value(argument).and_then(|value| value.into_string().ok()).is_some_and(|value| {
        value.is_empty()
            || (is_switch && FALSE_VALUES.contains(&value.to_ascii_lowercase().as_str()))
    })
}

fn variable_value(argument: &Arg) -> Option<OsString> {
    argument.get_env().and_then(std::env::var_os)
}

fn is_service_link(value: Option<OsString>) -> bool {
    let value = value.and_then(|value| value.into_string().ok());
    value.is_some_and(|value| value.starts_with("tcp://") || value.starts_with("udp://"))
}

/// The error; it names the variable if the wrong value comes from one.
fn name_variable(mut error: Error, command: &Command, arguments: &[OsString]) -> Error {
    let Some(option) = option_of(&error) else { return error };
    let without = without_variables(command.clone(), &|_| true);
    let error_without = without.try_get_matches_from(arguments).err();
    if error_without.and_then(|error| option_of(&error)).as_ref() == Some(&option) {
        return error;
    }
    let mut options = given_command(command, arguments).get_arguments();
    let argument = options.find(|argument| argument.to_string() == option);
    let Some((argument, variable)) = argument.and_then(|found| Some((found, found.get_env()?)))
    else {
        return error;
    };
    if variable == SERVICE_LINK && is_service_link(variable_value(argument)) {
        let hint = ContextValue::StyledStrs(vec![StyledStr::from(SERVICE_LINK_HINT)]);
        error.insert(ContextKind::Suggested, hint);
    }
    let named = format!("environment variable {} ({option})", variable.display());
    error.insert(ContextKind::InvalidArg, ContextValue::String(named));
    error
}

/// The option that has a wrong value: `--port <PORT>`.
fn option_of(error: &Error) -> Option<String> {
    let is_of_value = [ErrorKind::InvalidValue, ErrorKind::ValueValidation];
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) if is_of_value.contains(&error.kind()) => {
            Some(option.clone())
        }
        _ => None,
    }
}

/// The command that the arguments name.
fn given_command<'a>(mut command: &'a Command, arguments: &[OsString]) -> &'a Command {
    for name in arguments.iter().skip(1) {
        match command.find_subcommand(name) {
            Some(subcommand) => command = subcommand,
            None => break,
        }
    }
    command
}
