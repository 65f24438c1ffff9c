//! What both APIs have in common, and the server as a process.

mod account_end;
mod concurrency;
mod database_file;
mod determinism;
mod durability;
mod hosts;
mod isolation;
mod long_lists;
mod memory;
mod operations;
mod secrets;
mod shutdown;
mod strict;
mod tokens;
mod turns;
mod wire;
