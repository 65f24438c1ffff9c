//! The tokens of `o200k_base` and their ranks: a hash table in the binary, read in place.
//!
//! `assets/o200k_base.bin`, all numbers little-endian:
//! - for each bucket, and once more after the last: `u32`, where its entries begin, counted from
//!   the first byte after these numbers;
//! - the entries, bucket after bucket: length of the token (`u8`), rank (`u24`), the token.
//!
//! The vocabulary is tiktoken's, under the MIT licence (`assets/o200k_base.LICENSE`).

use super::bucket::{BUCKETS, bucket};

static TABLE: &[u8] = include_bytes!("../../assets/o200k_base.bin");

/// Bytes of the longest token (128 spaces): whatever is longer need not be looked up.
const LONGEST: usize = 128;

/// Bytes of one number in the list of buckets.
const OFFSET_BYTES: usize = 4;

/// Bytes in the smallest page of memory.
const PAGE_BYTES: usize = 4096;

/// The rank of `token` (the lower, the earlier it is merged), if it is in the vocabulary.
pub(super) fn rank(token: &[u8]) -> Option<u32> {
    if token.len() > LONGEST {
        return None;
    }
    let mut entries = entries(bucket(token))?;
    while let Some((&[length, low, middle, high], rest)) = entries.split_first_chunk() {
        let (known, rest) = rest.split_at_checked(usize::from(length))?;
        if known == token {
            return Some(u32::from_le_bytes([low, middle, high, 0]));
        }
        entries = rest;
    }
    None
}

/// Reads one byte of every page of the table.
pub(super) fn touch() {
    std::hint::black_box(TABLE.iter().step_by(PAGE_BYTES).fold(0, |sum, byte| sum ^ byte));
}

fn entries(bucket: usize) -> Option<&'static [u8]> {
    let (offsets, entries) = TABLE.split_at_checked((BUCKETS + 1) * OFFSET_BYTES)?;
    let (begin, rest) = offsets.get(bucket * OFFSET_BYTES..)?.split_first_chunk()?;
    let end = rest.first_chunk()?;
    entries.get(offset(*begin)?..offset(*end)?)
}

fn offset(bytes: [u8; OFFSET_BYTES]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}
