//! Regular expressions, within bounds: of their source, of what they compile to, and of how long
//! matching takes.

use regex::{Regex, RegexBuilder};
use thiserror::Error;

/// How long a pattern may be, in bytes.
pub(super) const SOURCE: usize = 4 << 10;

/// What a pattern may compile to, in bytes.
pub(super) const COMPILED: usize = 1 << 20;

/// What the patterns of one list of rules may compile to together.
pub(super) const TOGETHER: usize = 16 << 20;

/// The size that the smallest patterns count for.
pub(super) const SMALLEST: usize = 4 << 10;

/// Sizes that are tried one after the other: the first that does is what a pattern counts for.
const SIZES: [usize; 5] = [SMALLEST, 16 << 10, 64 << 10, 256 << 10, COMPILED];

/// Bytes that one thread may remember of a pattern's matching.
const CACHE: usize = 128 << 10;

/// How deep a pattern may nest; its parser and compiler call themselves for every level.
const NESTING: u32 = 100;

/// A regular expression.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    regex: Regex,
    size: usize,
}

/// Why a pattern is refused.
#[derive(Debug, Error)]
pub(crate) enum PatternError {
    /// Its source is too long.
    #[error("a pattern is {} KiB long at most", SOURCE >> 10)]
    TooLong,
    /// It is not a pattern, or compiles to too much.
    #[error("{0}")]
    Regex(#[from] regex::Error),
    /// It compiles to too much.
    #[error(
        "the pattern compiles to more than {} KiB; counted repetitions of large classes such as \
         \\pL{{60}} do",
        COMPILED >> 10
    )]
    TooLarge,
    /// It and those before it compile to too much.
    #[error("the patterns of the rules compile to more than {} MiB together", TOGETHER >> 20)]
    TooManyTogether,
}

impl Pattern {
    pub(crate) fn new(source: &str) -> Result<Self, PatternError> {
        if source.len() > SOURCE {
            return Err(PatternError::TooLong);
        }
        for size in SIZES {
            let regex = RegexBuilder::new(source)
                .size_limit(size)
                .dfa_size_limit(CACHE)
                .nest_limit(NESTING)
                .build();
            match regex {
                Ok(regex) => return Ok(Self { regex, size }),
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PatternError::TooLarge)
    }

    /// The same, of which the size is taken from what is `left`. One that is refused counts as the
    /// largest there may be, so that a list of such is not compiled for ever.
    pub(super) fn within(source: &str, left: &mut usize) -> Result<Self, PatternError> {
        if *left == 0 {
            return Err(PatternError::TooManyTogether);
        }
        let pattern = Self::new(source);
        let size = match &pattern {
            Ok(pattern) => pattern.size,
            Err(PatternError::TooLarge) => COMPILED,
            Err(_) => 0,
        };
        let enough = *left >= size;
        *left = left.saturating_sub(size);
        if enough { pattern } else { Err(PatternError::TooManyTogether) }
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// What it compiles to, in bytes, rounded up.
    pub(super) fn size(&self) -> usize {
        self.size
    }
}
