//! Lets a request end its connection. `server/connections` acts on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Lets a response cut the connection of its request. Requests are answered in the task of their
/// connection, which checks the flag afterwards and need not be woken.
#[derive(Debug, Clone, Default)]
pub struct ConnectionAbort(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    cut: AtomicBool,
    reset_on_close: AtomicBool,
}

impl ConnectionAbort {
    /// Cuts the connection: the client sees a reset in place of the answer.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
    }

    /// Whether the connection was cut.
    pub fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Acquire)
    }

    /// Sets whether the client sees a reset if the connection is closed from now on.
    pub(crate) fn reset_on_close(&self, reset: bool) {
        self.0.reset_on_close.store(reset, Ordering::Release);
    }

    /// Whether the client sees a reset when the connection is closed.
    pub(crate) fn is_reset_on_close(&self) -> bool {
        self.is_cut() || self.0.reset_on_close.load(Ordering::Acquire)
    }
}
