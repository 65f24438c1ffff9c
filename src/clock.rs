//! Time as an argument: the clock of an account, and waits on it.
//!
//! One [`Clock`] serves production and tests. It runs with the system's time until it is frozen,
//! set or advanced. Waiting ([`Clock::sleep`]) takes real time, frozen or not, so that a paced
//! stream never hangs; advancing the clock shortens the waits. A [`Pacer`] makes the waits of one
//! request: an advance shortens the later ones, too.
//!
//! Nothing else in the crate reads a system clock or sleeps (`clippy.toml` holds this).

mod account_clock;
mod mode;
mod pacer;
mod stopwatch;
#[cfg(test)]
mod tests;
mod text;

pub use self::account_clock::{Clock, ClockReading};
pub use self::mode::{ClockMode, LAST};
pub use self::pacer::Pacer;
pub use self::stopwatch::Stopwatch;
pub use self::text::{exact_rfc3339, parse_rfc3339, rfc3339};
