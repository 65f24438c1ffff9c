#![doc = include_str!("../docs/ARCHITECTURE.md")]

pub mod app;
pub mod backend;
pub mod cli;
pub mod clock;
pub mod domain;
pub mod http;
pub mod ids;
pub mod openapi;
pub mod service;
pub mod store;
pub mod tokens;
pub mod verify;
