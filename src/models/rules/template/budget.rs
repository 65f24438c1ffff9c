//! The budget of a reply: what its templates may still take.
//!
//! The engine passes no data of the caller to filters and the formatter, so the budget is in a
//! thread-local variable during a render ([`with_budget`]). A render is synchronous and stays on its
//! thread.

use std::cell::Cell;
use std::fmt;

use minijinja::{Error, ErrorKind};

/// Steps that the templates of one reply may take. Each of these is one step: a node in the body of a
/// loop or macro, per run; a value that is read; 256 bytes that a filter reads.
pub const MAX_STEPS: u64 = 1_000_000;

/// Bytes of text and values that the templates of one reply may create.
pub const MAX_BYTES: u64 = 32 << 20;

/// Levels of nesting of values. JSON has at most 128.
pub(super) const MAX_DEPTH: usize = 130;

/// Bytes that a value takes in a list, rounded up.
const VALUE_BYTES: u64 = 32;

/// What is left for the templates of one reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    steps: u64,
    bytes: u64,
    exceeded: Option<Bound>,
}

/// A bound that a render has exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// [`MAX_STEPS`].
    Steps,
    /// [`MAX_BYTES`].
    Bytes,
    /// The nesting of values.
    Depth,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps => write!(f, "the template exceeds its budget of {MAX_STEPS} steps"),
            Self::Bytes => {
                let mib = MAX_BYTES >> 20;
                write!(f, "the template exceeds its budget of {mib} MiB of text and values")
            }
            Self::Depth => {
                write!(f, "the template makes values that nest deeper than {MAX_DEPTH} levels")
            }
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: MAX_STEPS, bytes: MAX_BYTES, exceeded: None }
    }
}

impl Budget {
    /// The first bound that was exceeded.
    pub(super) fn exceeded(&self) -> Option<Bound> {
        self.exceeded
    }
}

const EMPTY: Budget = Budget { steps: 0, bytes: 0, exceeded: None };

thread_local! {
    static BUDGET: Cell<Budget> = const { Cell::new(EMPTY) };
}

/// Moves the budget back when the render ends, even by a panic.
struct BudgetScope<'b>(&'b mut Budget);

impl Drop for BudgetScope<'_> {
    fn drop(&mut self) {
        *self.0 = BUDGET.replace(EMPTY);
    }
}

/// Runs `render` with `budget` as the budget of this thread.
pub(super) fn with_budget<T>(budget: &mut Budget, render: impl FnOnce() -> T) -> T {
    BUDGET.set(*budget);
    let _scope = BudgetScope(budget);
    render()
}

/// The error of a render that exceeds `bound`.
#[cold]
pub(super) fn exceed(bound: Bound) -> Error {
    let mut budget = BUDGET.get();
    budget.exceeded.get_or_insert(bound);
    BUDGET.set(budget);
    Error::new(ErrorKind::InvalidOperation, bound.to_string())
}

pub(super) fn take_steps(count: u64) -> Result<(), Error> {
    let mut budget = BUDGET.get();
    match budget.steps.checked_sub(count) {
        Some(steps) => {
            budget.steps = steps;
            BUDGET.set(budget);
            Ok(())
        }
        None => Err(exceed(Bound::Steps)),
    }
}

pub(super) fn take_bytes(count: usize) -> Result<(), Error> {
    let mut budget = BUDGET.get();
    match budget.bytes.checked_sub(to_u64(count)) {
        Some(bytes) => {
            budget.bytes = bytes;
            BUDGET.set(budget);
            Ok(())
        }
        None => Err(exceed(Bound::Bytes)),
    }
}

/// Takes the steps and bytes of `count` values in a list.
pub(super) fn take_values(count: usize) -> Result<(), Error> {
    take_steps(to_u64(count))?;
    take_bytes(usize::try_from(to_u64(count).saturating_mul(VALUE_BYTES)).unwrap_or(usize::MAX))
}

/// Takes the steps of reading `count` bytes of text.
pub(super) fn take_reading(count: usize) -> Result<(), Error> {
    take_steps(to_u64(count) / 256)
}

pub(super) fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A writer that takes the bytes of what is written.
pub(super) struct MeteredWriter<'w, W>(pub(super) &'w mut W);

impl<W: fmt::Write> fmt::Write for MeteredWriter<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        take_bytes(text.len()).map_err(|_| fmt::Error)?;
        self.0.write_str(text)
    }
}
