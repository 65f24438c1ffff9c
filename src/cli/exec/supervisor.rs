//! Runs the command of `mynah exec` and forwards signals to it.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, exit};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

use super::{EXEC_FAILED, Variable, print_error};
use crate::cli::signals::SIGNAL_EXIT_CODE;

/// Exit codes of shells for a command that cannot be started, and for one that is not found.
const NOT_STARTED: u8 = 126;
const NOT_FOUND: u8 = 127;

/// The signals that are forwarded.
const FORWARDED: [i32; 7] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];

/// Starts the command, forwards signals to it, and waits for its end.
#[derive(Debug)]
pub(super) struct Supervisor(Arc<Mutex<SupervisorState>>);

#[derive(Debug)]
enum SupervisorState {
    /// The server is starting; there is no command yet.
    Starting,
    /// The command runs. Nothing has waited for it, so its process id is not reused.
    Running(Pid),
    /// The command has ended with this exit code; the server is stopping.
    Ended(u8),
}

impl Supervisor {
    /// Starts handling signals; they no longer end this process.
    pub(super) fn listen() -> std::io::Result<Self> {
        let ignored = ignored_signals();
        // Signals that this process ignores (`nohup`) are not handled, so that the command ignores them,
        // too.
        let handled = FORWARDED.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
        let mut signals = SignalsInfo::<WithOrigin>::new(handled)?;
        let state = Arc::new(Mutex::new(SupervisorState::Starting));
        let shared = Arc::clone(&state);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let mut stops = 0;
            for origin in signals.forever() {
                stops += u32::from([SIGINT, SIGTERM].contains(&origin.signal));
                shared.lock().receive(&origin, stops);
            }
        })?;
        Ok(Self(state))
    }

    /// Runs the command; returns its exit code, or that of the failed start.
    pub(super) fn run(&self, command: &[OsString], variables: &[Variable]) -> std::io::Result<u8> {
        let mut child = {
            // Signals are handled after the command was started.
            let mut state = self.0.lock();
            match spawn(command, variables) {
                Ok(child) => {
                    *state = SupervisorState::Running(Pid::from_child(&child));
                    child
                }
                Err(code) => {
                    *state = SupervisorState::Ended(code);
                    return Ok(code);
                }
            }
        };
        // `NOWAIT`: the process id stays valid until the lock is held, so no signal goes to another
        // process.
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        retry_on_intr(|| waitid(WaitId::Pid(Pid::from_child(&child)), ended))?;
        let mut state = self.0.lock();
        let code = exit_code(child.wait()?);
        *state = SupervisorState::Ended(code);
        Ok(code)
    }
}

impl SupervisorState {
    /// Handles a signal; `stops` counts SIGINT and SIGTERM up to and including this one.
    fn receive(&self, origin: &Origin, stops: u32) {
        match self {
            Self::Starting if ![SIGUSR1, SIGUSR2, SIGWINCH].contains(&origin.signal) => {
                exit(SIGNAL_EXIT_CODE + origin.signal);
            }
            Self::Running(command) if was_sent(origin) => {
                // An error means that the command has just ended.
                let signal = Signal::from_named_raw(origin.signal);
                let _ = signal.map(|signal| kill_process(*command, signal));
            }
            // The first one may be the Ctrl-C that ended the command.
            Self::Ended(code) if stops > 1 => exit(i32::from(*code)),
            _ => {}
        }
    }
}

/// Starts the command; reports a failure and returns its exit code.
fn spawn(command: &[OsString], variables: &[Variable]) -> Result<Child, u8> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(EXEC_FAILED);
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.spawn().map_err(|error| {
        print_error(format!("cannot run {}: {error}", program.display()));
        // For a script, the error means that its interpreter is missing.
        let is_missing = error.kind() == ErrorKind::NotFound && !is_script(Path::new(program));
        if is_missing { NOT_FOUND } else { NOT_STARTED }
    })
}

fn is_script(program: &Path) -> bool {
    program.components().count() > 1 && program.exists()
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| SIGNAL_EXIT_CODE + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// Whether a process sent the signal. Signals of the terminal (Ctrl-C, Ctrl-\, hang-up) come from the
/// kernel, which sends them to the command, too.
fn was_sent(origin: &Origin) -> bool {
    origin.process.is_some() || matches!(origin.cause, Cause::Sent(_))
}

/// The signals that this process ignores since its start, one bit each; 0 if unknown.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
