//! The log of the server under test.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use tokio::sync::Notify;
use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber};

use super::timeout::within;

/// The log lines of this thread, and so of a server that shares the test's runtime.
#[derive(Clone, Default)]
pub struct Log {
    bytes: Arc<Mutex<Vec<u8>>>,
    written: Arc<Notify>,
}

impl Log {
    /// Captures the log until the guard is dropped.
    pub fn capture() -> (Self, DefaultGuard) {
        accept_subscribers_of_other_threads();
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// What was logged so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }

    /// Waits until the log contains `text`.
    pub async fn wait_for(&self, text: &str) {
        let logged = async {
            while !self.text().contains(text) {
                self.written.notified().await;
            }
        };
        within(text, logged).await;
    }
}

/// Makes every log statement consult the subscribers of all threads when it is first reached.
///
/// While a process has one subscriber, tracing asks that of the current thread only. A statement that
/// is first reached on a thread without a subscriber is then disabled on all threads. Two subscribers
/// that stay prevent this.
pub fn accept_subscribers_of_other_threads() {
    static SILENT: LazyLock<[Dispatch; 2]> =
        LazyLock::new(|| std::array::from_fn(|_| Dispatch::new(NoSubscriber::new())));
    LazyLock::force(&SILENT);
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.bytes.lock().unwrap().write(bytes)?;
        self.written.notify_one();
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_another_thread_logs_first_is_captured_later() {
    fn line() {
        tracing::info!("from two threads");
    }
    let (log, _logging) = Log::capture();
    std::thread::spawn(line).join().unwrap();
    assert_eq!(log.text(), "");
    line();
    assert!(log.text().contains("from two threads"));
}
