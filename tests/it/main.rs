//! Integration tests: dialogues with a real server over HTTP.
//!
//! `support` starts a server in one line and speaks to it; each other file keeps one part of the
//! contract. Test names are sentences; `docs/contract.md` names them.

#![expect(
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers fail as loudly as the tests they serve, and nothing here is published"
)]

mod characters;
mod cli;
mod control;
mod docs;
mod fixtures;
mod runner;
mod server;
mod support;
mod testing;
mod verify;
