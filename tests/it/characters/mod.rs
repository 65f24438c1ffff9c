//! The Characters API.

mod agents;
mod auth;
mod balance;
mod completions;
mod conversations;
mod errors;
mod images;
mod isolation;
mod limits;
mod models;
mod money;
mod samples;
