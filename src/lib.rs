#![doc = include_str!("../docs/ARCHITECTURE.md")]

pub mod app;
pub mod backend;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod domain;
pub mod embedded;
pub mod http;
pub mod ids;
pub mod openapi;
pub mod service;
pub mod store;

pub use self::embedded::Mynah;
