//! The statements, each with the rows that it reads or writes.

pub mod accounts;
pub mod agents;
pub mod conversations;
pub mod images;
pub mod listing;
pub mod messages;
pub mod pictures;
pub mod runs;
pub(super) mod rows;
pub mod snapshots;
pub mod triggers;
