//! The emulated APIs, the control plane, and the pages about them.

pub mod characters;
pub mod control;
pub(crate) mod docs;
pub(crate) mod health;
pub mod runner;
