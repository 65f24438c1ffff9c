//! The signals that stop `mynah serve`.
//!
//! They are handled on a separate thread, because the threads of the runtime may all be busy.

use std::process::exit;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::oneshot;

use crate::server::KEPT;

/// The exit code of a process that a signal ended is this plus the signal's number, as in shells.
pub(super) const SIGNAL_EXIT_CODE: i32 = 128;

/// The exit code of a process that could not stop gracefully.
const FORCED: i32 = 1;

/// How long the last log line may take.
const LAST_LINE_LIMIT: Duration = Duration::from_millis(100);

/// Completes at the first SIGINT or SIGTERM. The second one ends the process at once, with exit code 128
/// + its number. When `limit` has passed after the first one, the process ends with exit code 1.
pub(super) fn stop_signal(limit: Duration) -> std::io::Result<impl Future<Output = ()>> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let (stop, stopped) = oneshot::channel();
    let (start, started) = mpsc::channel();
    // Both threads start now, because later the system may refuse new threads.
    thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        if started.recv().is_ok() {
            thread::sleep(limit);
            log_briefly(move || {
                tracing::error!("abandoned: work that did not stop within {limit:?}; {KEPT}");
            });
            exit(FORCED);
        }
    })?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            let _ = stop.send(());
            let _ = start.send(());
        }
        if let Some(second) = signals.next() {
            exit(SIGNAL_EXIT_CODE + second);
        }
    })?;
    Ok(async move {
        let _ = stopped.await;
    })
}

/// Logs a line; returns after 100 ms even if the log is a full pipe.
pub(super) fn log_briefly(log: impl FnOnce() + Send + 'static) {
    write_within(LAST_LINE_LIMIT, log);
}

/// Writes to standard error; returns after `limit` even if that is a full pipe.
pub(super) fn write_within(limit: Duration, write: impl FnOnce() + Send + 'static) {
    let (written, done) = mpsc::channel::<()>();
    let thread = thread::Builder::new().name("last line".to_owned()).spawn(move || {
        write();
        drop(written);
    });
    if thread.is_ok() {
        let _ = done.recv_timeout(limit);
    }
}
