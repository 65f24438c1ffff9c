//! Integration tests: dialogues with a real server over HTTP.
//!
//! `support` starts a server in one line and speaks to it; each other file keeps one part of the
//! contract. Test names are sentences; `docs/contract.md` names them.

mod characters_samples;
mod layers;
mod runner_samples;
mod support;
