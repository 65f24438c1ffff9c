//! The server inside a Rust test.

mod server;
