//! Runs the command of `mynah exec`, and passes signals on to it.

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

use super::complain;
use super::{NOT_SERVED, Variable};
use crate::cli::signals::BY_SIGNAL;

/// What shells end with for a command that they find and cannot start, and for one that is not there.
const NOT_STARTED: u8 = 126;
const NOT_FOUND: u8 = 127;

/// The signals that are meant for the command.
const PASSED_ON: [i32; 7] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];

/// Starts the command, waits for its end, and meanwhile passes on to it the signals that come.
#[derive(Debug)]
pub(super) struct Attendant(Arc<Mutex<SupervisorState>>);

#[derive(Debug)]
enum SupervisorState {
    /// The server is being started, and there is no command yet.
    Starting,
    /// The command was started and not yet waited for, so the id is no other process's.
    Running(Pid),
    /// The command has ended with this exit code, and the server is being stopped.
    Ended(u8),
}

impl Attendant {
    /// Listens for signals. From now on none of them ends this process by itself.
    pub(super) fn listen() -> std::io::Result<Self> {
        let ignored = ignored();
        // What this process is to ignore (`nohup`), the command is, too: it inherits that, and would
        // not if it were listened for.
        let heeded = PASSED_ON.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
        let mut signals = SignalsInfo::<WithOrigin>::new(heeded)?;
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

    /// Runs the command; gives its exit code, or the one that tells why it was not started.
    pub(super) fn run(&self, command: &[OsString], variables: &[Variable]) -> std::io::Result<u8> {
        let mut child = {
            // A signal waits until the command is there to get it.
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
        // Its id stays its own until it is waited for, which no signal is to come in between.
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        retry_on_intr(|| waitid(WaitId::Pid(Pid::from_child(&child)), ended))?;
        let mut state = self.0.lock();
        let code = code(child.wait()?);
        *state = SupervisorState::Ended(code);
        Ok(code)
    }
}

impl SupervisorState {
    /// Handles a signal; `stops` counts SIGINT and SIGTERM up to and including this one.
    fn receive(&self, origin: &Origin, stops: u32) {
        match self {
            Self::Starting if ![SIGUSR1, SIGUSR2, SIGWINCH].contains(&origin.signal) => {
                exit(BY_SIGNAL + origin.signal);
            }
            Self::Running(command) if was_sent(origin) => {
                // One that has just ended needs no signal.
                let signal = Signal::from_named_raw(origin.signal);
                let _ = signal.map(|signal| kill_process(*command, signal));
            }
            // The first one may be the Ctrl-C that has ended the command.
            Self::Ended(code) if stops > 1 => exit(i32::from(*code)),
            _ => {}
        }
    }
}

/// Starts the command, or says why not and gives the exit code that tells it.
fn spawn(command: &[OsString], variables: &[Variable]) -> Result<Child, u8> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(NOT_SERVED);
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
        complain(format!("cannot run {}: {fault}", program.display()));
        // A script that is there can have an interpreter that is not.
        let is_missing = fault.kind() == ErrorKind::NotFound && !is_script(Path::new(program));
        if is_missing { NOT_FOUND } else { NOT_STARTED }
    })
}

fn is_script(program: &Path) -> bool {
    program.components().count() > 1 && program.exists()
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
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
