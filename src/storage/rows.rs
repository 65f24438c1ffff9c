//! Rows of lists, read so that no list takes more memory than its short texts.
//!
//! A text can be ten megabytes long, and a list can have any number of them. So rows are read in
//! batches, and in a batch only rows with short texts are read whole. The others are read one by one
//! when it is their turn ([`super::Store::large`] bounds how many at a time).

use super::from_sql;

/// The most rows in a batch.
pub const BATCH: u64 = 100;
/// The same, as the length of a slice.
pub const BATCH_LENGTH: usize = 100;
/// The longest texts of a row, in bytes, with which it is read in a batch.
pub(super) const SHORT: usize = 16 * 1024;

/// A row of a batch.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// The ordinal or the position that it is found by.
    pub key: u64,
    /// The row, unless its texts are so long that it is to be read by itself.
    pub item: Option<T>,
}

impl<T> Listed<T> {
    /// The row of `key`; `long` tells whether its texts were left out.
    pub(super) fn new(key: i64, long: i64, item: T) -> Self {
        Self { key: from_sql(key), item: (long == 0).then_some(item) }
    }
}

/// The length of the `columns` together, in bytes. SQLite knows it without reading them.
pub(super) fn length(columns: &[&str]) -> String {
    let lengths = columns.iter().map(|column| format!("octet_length({column})"));
    lengths.collect::<Vec<_>>().join(" + ")
}

/// The `columns` of texts, and the column `long`, which tells whether a row is to be read by itself.
/// A `batch` leaves long texts out.
pub(super) fn texts(columns: &[&str], batch: bool) -> String {
    let name = |column: &str| column.rsplit('.').next().unwrap_or_default().to_owned();
    if !batch {
        return format!("{}, 0 AS long", columns.join(", "));
    }
    let length = length(columns);
    let texts: Vec<String> = columns
        .iter()
        .map(|column| {
            let name = name(column);
            format!("CASE WHEN {length} <= {SHORT} THEN {column} ELSE '' END AS {name}")
        })
        .collect();
    format!("{}, {length} > {SHORT} AS long", texts.join(", "))
}
