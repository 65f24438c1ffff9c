#![doc = include_str!("../docs/ARCHITECTURE.md")]

pub mod app;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod domain;
pub mod fixtures;
pub mod http;
pub mod ids;
pub mod models;
pub mod openapi;
pub mod server;
pub mod storage;
pub mod testing;

pub use self::testing::Mynah;
