//! The log of the server under test.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tracing::subscriber::DefaultGuard;

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
