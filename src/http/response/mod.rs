//! What the APIs have in common in their responses.

pub(crate) mod account_end;
pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod lists;
pub(crate) mod pages;
pub(crate) mod plain;
pub(crate) mod text_stream;
pub(crate) mod tool_call;
pub(crate) mod trigger;
