//! Programs that tests run: with the signals' default actions, killed when they are dropped, and
//! awaited with a limit.

use std::ffi::OsStr;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::flag;
use tokio::io::{AsyncBufRead, Lines};
use tokio::process::{Child, Command};

use super::limit::within;

/// A program to run; what it prints is kept, if it is not sent elsewhere. What it starts in turn is
/// not killed with it.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    static DEFAULT_SIGNALS: Once = Once::new();
    DEFAULT_SIGNALS.call_once(default_signals);
    let mut command = Command::new(name);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Lets the programs that this process starts have the signals' default actions, even if it was
/// itself started to ignore some (`cargo test &` in a script, `nohup`). A program inherits that a
/// signal is ignored; one that is caught it gets back with its default action.
fn default_signals() {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH] {
        match ignored() {
            Some(ignored) if ignored & (1 << (signal - 1)) == 0 => {}
            // It is still without effect here.
            Some(_) => drop(flag::register(signal, Arc::default()).unwrap()),
            None => {
                let always = Arc::new(AtomicBool::new(true));
                flag::register_conditional_default(signal, always).unwrap();
            }
        }
    }
}

/// The signals that this process ignores, a bit for each; nothing where the system does not tell.
fn ignored() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Runs a program to its end.
pub async fn output(command: &mut Command) -> Output {
    let what = format!("the end of {:?}", command.as_std());
    // Not `output`, which would have the streams go nowhere else than here.
    within(&what, command.spawn().unwrap().wait_with_output()).await.unwrap()
}

/// Waits for a program's end.
pub async fn ended(child: &mut Child) -> ExitStatus {
    within("the program's end", child.wait()).await.unwrap()
}

/// The next line that a program prints; nothing at the end.
pub async fn line<R: AsyncBufRead + Unpin>(lines: &mut Lines<R>) -> Option<String> {
    within("a line of the program", lines.next_line()).await.unwrap()
}

/// Whether there is curl on this machine.
pub async fn has_curl() -> bool {
    let mut curl = program("curl");
    within("the version of curl", curl.arg("--version").output()).await.is_ok()
}
