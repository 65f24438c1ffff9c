//! Counts tokens as tiktoken's `o200k_base` does, the tokenizer of GPT-4o and later.
//!
//! A text is cut into pieces ([`pieces`]: words, numbers, runs of punctuation or white space), and
//! each piece is either one token ([`vocabulary`]) or merged from its bytes ([`merge`]). Special
//! tokens such as `<|endoftext|>` have no meaning here: they count as the text they are.
//!
//! Nothing is built at start-up. The vocabulary is a table in the binary that is read where it
//! lies, so the kernel can drop its pages again, and a server that counts nothing pays nothing.
//! Reason and measurements: `docs/decisions/`; making of the table: `examples/o200k_base.rs`.

mod bucket;
mod counted;
mod merge;
mod pieces;
mod vocabulary;

pub use counted::Counted;
use merge::Merger;
use pieces::Pieces;

/// Texts up to this many bytes may be counted where others wait: a millisecond or two. A body may be
/// a thousand times as large, and is to be counted on a thread where nobody waits behind it.
pub const COUNTED_IN_PLACE: usize = 16 * 1024;

/// Number of `o200k_base` tokens in `text`.
///
/// Takes time in proportion to the text, however long its words are: a quarter of a microsecond a byte at worst.
/// Allocates only if some piece is not a token by itself, and then no more than a few megabytes
/// until the count is done.
pub fn count(text: &str) -> u64 {
    let mut merger = Merger::default();
    Pieces::new(text)
        .map(|piece| match vocabulary::rank(piece.as_bytes()) {
            Some(_) => 1,
            None => merger.count(piece.as_bytes()),
        })
        .sum()
}

/// Reads the vocabulary's pages once, so that the first [`count`] need not wait for the disk.
///
/// Takes a third of a millisecond when the binary is in the page cache, and brings the whole table
/// (2.5 MB, pages of the file) into the resident memory of the process.
pub fn warm_up() {
    vocabulary::touch();
}

#[cfg(test)]
mod tests;
