//! The steps of the pipeline around the handlers.

pub mod access_log;
pub mod fault_injection;
pub mod metrics;
pub(crate) mod request_log;
pub(crate) mod unread_body;
