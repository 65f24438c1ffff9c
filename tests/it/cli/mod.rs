//! The command line.

mod commands;
mod environment;
mod exec;
mod manual;
mod options;
mod output;
