//! Columns of lists that leave out long texts (see [`Listed`]).

use crate::storage::{BATCH, Listed};

/// [`BATCH`] as the length of a slice.
pub(in crate::storage::sqlite) const BATCH_LENGTH: usize = 100;
const _: () = assert!(BATCH == 100, "the two are the same");
/// The most bytes of the texts of a row that is read in a batch.
pub(in crate::storage::sqlite) const SHORT: usize = 16 * 1024;

/// The item of the row `key`; `long` is not 0 if its texts were left out.
pub(super) fn listed<T>(key: u64, long: i64, item: T) -> Listed<T> {
    Listed { key, item: (long == 0).then_some(item) }
}

/// An expression for the length of the `columns` together, in bytes. SQLite computes it without reading
/// them.
pub(in crate::storage::sqlite) fn length(columns: &[&str]) -> String {
    let lengths = columns.iter().map(|column| format!("octet_length({column})"));
    lengths.collect::<Vec<_>>().join(" + ")
}

/// The `columns` of texts, and the column `long`: 1 if the texts are left out of a `batch` because they
/// are long.
pub(in crate::storage::sqlite) fn texts(columns: &[&str], batch: bool) -> String {
    if !batch {
        return format!("{}, 0 AS long", columns.join(", "));
    }
    let length = length(columns);
    let texts: Vec<String> = columns
        .iter()
        .map(|column| {
            let name = column.rsplit_once('.').map_or(*column, |(_, name)| name);
            format!("CASE WHEN {length} <= {SHORT} THEN {column} ELSE '' END AS {name}")
        })
        .collect();
    format!("{}, {length} > {SHORT} AS long", texts.join(", "))
}
