//! The control plane.

mod accounts;
mod bodies;
mod faults;
mod pattern;
mod races;
mod replies;
mod request_log;
mod snapshots;
