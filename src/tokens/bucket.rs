//! In which bucket of the table a token lies: the one thing that the reader of the table
//! (`vocabulary.rs`) and its maker (`examples/o200k_base.rs`) must agree on.

/// Binary digits of a bucket's number: three tokens a bucket. More buckets make the table larger,
/// and counting not measurably faster.
const BITS: u32 = 16;

/// Number of buckets in the table.
pub(crate) const BUCKETS: usize = 1 << BITS;

/// Odd, with its bits well mixed: 2⁶⁴ divided by the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// The bucket of `token`, below [`BUCKETS`]. Any change makes the table unreadable.
pub(crate) fn bucket(token: &[u8]) -> usize {
    let (words, rest) = token.as_chunks::<8>();
    let tail = rest.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte));
    let length = u64::try_from(token.len()).unwrap_or(u64::MAX);
    let mixed = words
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .chain([tail])
        .fold(length, |hash, word| mix(hash ^ word));
    usize::try_from(mixed >> (u64::BITS - BITS)).unwrap_or(0)
}

/// Spreads every bit of `hash` over the upper ones.
fn mix(hash: u64) -> u64 {
    let hash = hash.wrapping_mul(MULTIPLIER);
    (hash ^ (hash >> 32)).wrapping_mul(MULTIPLIER)
}
