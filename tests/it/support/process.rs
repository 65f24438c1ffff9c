//! Programs that tests run: with the default actions of signals, killed when they are dropped, and
//! awaited with a time limit.

use std::ffi::OsStr;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::flag;
use tokio::io::{AsyncBufRead, Lines};
use tokio::process::{Child, Command};

use super::timeout::within;

/// A program to run, with pipes for its output. The processes that it starts are not killed with
/// it.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    static DEFAULT_SIGNALS: Once = Once::new();
    DEFAULT_SIGNALS.call_once(default_signals);
    let mut command = Command::new(name);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Gives the programs that this process starts the default actions of signals, even if it was itself
/// started to ignore some (`cargo test &` in a script, `nohup`): a program inherits that a signal is
/// ignored, but not that it is caught.
fn default_signals() {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH] {
        match ignored() {
            Some(ignored) if ignored & (1 << (signal - 1)) == 0 => {}
            // A handler without effect, so that programs get the default action.
            Some(_) => drop(flag::register(signal, Arc::default()).unwrap()),
            None => {
                let enabled = Arc::new(AtomicBool::new(true));
                flag::register_conditional_default(signal, enabled).unwrap();
            }
        }
    }
}

/// The signals that this process ignores, a bit for each; `None` where the system does not report
/// them.
fn ignored() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Runs a program to its end.
pub async fn output(command: &mut Command) -> Output {
    let what = format!("the end of {:?}", command.as_std());
    // Not `output`, which would overwrite where the streams go.
    within(&what, command.spawn().unwrap().wait_with_output()).await.unwrap()
}

pub async fn wait_for_exit(child: &mut Child) -> ExitStatus {
    within("the program's end", child.wait()).await.unwrap()
}

/// The next line that a program prints; `None` at the end.
pub async fn next_line<R: AsyncBufRead + Unpin>(lines: &mut Lines<R>) -> Option<String> {
    within("a line of the program", lines.next_line()).await.unwrap()
}

/// Whether curl is installed.
pub async fn has_curl() -> bool {
    let mut curl = program("curl");
    within("the version of curl", curl.arg("--version").output()).await.is_ok()
}
