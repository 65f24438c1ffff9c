#![doc = include_str!("../docs/ARCHITECTURE.md")]
// Without the command, what only it uses is unused.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports, reason = "used by the command"))]

/// Declares modules that only this crate uses. The feature `internals` makes them public for the
/// benchmarks, the fuzz targets and the integration tests.
macro_rules! internal_modules {
    ($($(#[$attribute:meta])* $name:ident)*) => {$(
        #[cfg(not(feature = "internals"))]
        $(#[$attribute])*
        pub(crate) mod $name;
        #[cfg(feature = "internals")]
        #[doc(hidden)]
        $(#[$attribute])*
        pub mod $name;
    )*};
}

internal_modules! {
    app
    #[cfg(feature = "cli")]
    cli
    clock
    domain
    fixtures
    http
    ids
    models
    openapi
    server
    storage
}

// rustfmt finds only modules that are declared outside of macros.
#[cfg(any())]
mod app;
#[cfg(any())]
mod cli;
#[cfg(any())]
mod clock;
#[cfg(any())]
mod domain;
#[cfg(any())]
mod fixtures;
#[cfg(any())]
mod http;
#[cfg(any())]
mod ids;
#[cfg(any())]
mod models;
#[cfg(any())]
mod openapi;
#[cfg(any())]
mod server;
#[cfg(any())]
mod storage;

pub mod config;
pub mod testing;

pub use self::config::Config;
pub use self::server::{Server, ServerError, Shutdown};
pub use self::testing::Mynah;

/// Runs the command line of this process.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub fn run_cli() -> std::process::ExitCode {
    cli::main()
}
