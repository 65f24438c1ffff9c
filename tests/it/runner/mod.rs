//! The Runner API.

mod agent_runs;
mod auth;
mod content;
mod conversations;
mod errors;
mod limits;
mod lists;
mod profiles;
mod run;
mod samples;
mod sdk_needs;
mod stream;
mod triggers;
mod variables;
