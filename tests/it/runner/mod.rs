//! The Runner API.

mod auth;
mod content;
mod conversations;
mod errors;
mod limits;
mod lists;
mod profiles;
mod run;
mod samples;
mod stream;
mod agent_runs;
mod triggers;
mod variables;
