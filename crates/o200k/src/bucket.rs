//! Maps a token to its bucket in the table. Shared by the reader of the table (`vocabulary.rs`) and
//! the program that makes it (`examples/make_table.rs`).

/// Bits in a bucket number: three tokens per bucket on average. More buckets enlarge the table
/// without a measurable gain in speed.
const BITS: u32 = 16;

/// Number of buckets in the table.
pub(crate) const BUCKETS: usize = 1 << BITS;

/// 2⁶⁴ divided by the golden ratio: odd, with well-mixed bits.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// The bucket of `token`, below [`BUCKETS`]. After a change here the table must be made again.
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

/// Spreads every bit of `hash` over the upper bits, which select the bucket.
fn mix(hash: u64) -> u64 {
    let hash = hash.wrapping_mul(MULTIPLIER);
    (hash ^ (hash >> 32)).wrapping_mul(MULTIPLIER)
}
