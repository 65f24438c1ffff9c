//! The tokens of `o200k_base` and their ranks: a hash table in the binary, read in place.
//!
//! Layout of `o200k_base.bin`, all numbers little-endian:
//! - one `u32` for each bucket and one after the last: the offset of the bucket's first entry from
//!   the end of these numbers;
//! - the entries in bucket order: length of the token (`u8`), rank (`u24`), the token's bytes.
//!
//! The vocabulary is tiktoken's, under the MIT licence (`o200k_base.LICENSE`).

use super::bucket::{BUCKETS, bucket};

static TABLE: &[u8] = include_bytes!("../o200k_base.bin");

/// Length in bytes of the longest token (128 spaces). Longer input is not looked up.
const LONGEST: usize = 128;

/// Size in bytes of one offset.
const OFFSET_BYTES: usize = 4;

/// Size in bytes of the smallest memory page.
const PAGE_BYTES: usize = 4096;

/// The rank of `token`, if it is in the vocabulary. Lower ranks are merged first.
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
