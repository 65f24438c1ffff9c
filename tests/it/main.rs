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

mod account_end;
mod canned;
mod characters_agents;
mod characters_auth;
mod characters_balance;
mod characters_completions;
mod characters_conversations;
mod characters_errors;
mod characters_images;
mod characters_isolation;
mod characters_limits;
mod characters_models;
mod characters_money;
mod characters_samples;
mod cli;
mod cli_environment;
mod cli_exec;
mod cli_manual;
mod cli_output;
mod concurrency;
mod container;
mod control;
mod control_bodies;
mod control_faults;
mod control_journal;
mod control_races;
mod control_replies;
mod control_snapshots;
mod database_file;
mod default_fixtures;
mod determinism;
mod documented_statuses;
mod durability;
mod embedded;
mod fixtures_check;
mod fixtures_files;
mod fixtures_schema;
mod hosts;
mod isolation;
mod layers;
mod ledger;
mod long_lists;
mod memory;
mod openapi;
mod openapi_collection;
mod operations;
mod options;
mod readme;
mod runner_auth;
mod runner_content;
mod runner_conversations;
mod runner_errors;
mod runner_limits;
mod runner_lists;
mod runner_run;
mod runner_samples;
mod runner_stream;
mod runner_variables;
mod secrets;
mod shutdown;
mod strict;
mod support;
mod templates;
mod tokens;
mod turns;
mod verify;
mod wire;
