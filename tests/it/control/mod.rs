//! The control plane.

mod accounts;
mod agent_run_replies;
mod bodies;
mod faults;
mod pattern;
mod races;
mod replies;
mod request_log;
mod runs;
mod snapshots;
mod triggers;
