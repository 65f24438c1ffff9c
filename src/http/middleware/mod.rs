//! The steps of the pipeline around the handlers.

mod access_log;
pub(crate) mod cors;
pub mod exchange;
pub(crate) mod fault_injection;
pub mod metrics;
pub(crate) mod rate_limit;
mod request_log;
pub mod response_headers;
pub(crate) mod unread_body;
