//! The SQL of reads and of account writes, with the rows of each table.

pub mod accounts;
pub mod agents;
pub mod conversations;
pub mod images;
pub mod listing;
pub mod messages;
pub mod pictures;
pub(super) mod rows;
mod run_summary;
pub mod runs;
pub mod snapshots;
pub mod triggers;
