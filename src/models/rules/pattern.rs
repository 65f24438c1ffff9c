//! Regular expressions with bounds on source, compiled size and nesting.

use regex::{Regex, RegexBuilder};
use thiserror::Error;

use super::error::one_line;

/// Bytes of a pattern's source.
pub(super) const MAX_SOURCE: usize = 4 << 10;

/// Bytes of a compiled pattern.
pub(super) const MAX_SIZE: usize = 1 << 20;

/// Bytes of all compiled patterns of a list of rules.
pub(super) const MAX_TOTAL_SIZE: usize = 16 << 20;

/// The size that small patterns count as, in bytes.
pub(super) const MIN_SIZE: usize = 4 << 10;

/// Size limits that are tried in order: a pattern counts as the first that suffices.
const SIZES: [usize; 5] = [MIN_SIZE, 16 << 10, 64 << 10, 256 << 10, MAX_SIZE];

/// Bytes of a pattern's matching cache on one thread.
const MAX_CACHE: usize = 128 << 10;

/// Levels of nesting; parser and compiler recurse for each.
const MAX_NESTING: u32 = 100;

#[derive(Debug, Clone)]
pub(crate) struct BoundedRegex {
    regex: Regex,
    size: usize,
}

/// Why a pattern is refused.
#[derive(Debug, Error)]
pub(crate) enum RegexError {
    /// Its source is longer than `MAX_SOURCE`.
    #[error("a pattern is {} KiB long at most", MAX_SOURCE >> 10)]
    TooLong,
    /// It is not a regular expression, or its compiled size is too large.
    #[error("{}", one_line(.0))]
    Regex(#[from] regex::Error),
    /// Its compiled size exceeds `MAX_SIZE`.
    #[error(
        "the pattern compiles to more than {} KiB; counted repetitions of large classes such as \
         \\pL{{60}} do",
        MAX_SIZE >> 10
    )]
    TooLarge,
    /// With the patterns before it, the compiled size exceeds `MAX_TOTAL_SIZE`.
    #[error("the patterns of the rules compile to more than {} MiB together", MAX_TOTAL_SIZE >> 20)]
    TooManyTogether,
}

impl BoundedRegex {
    pub(crate) fn new(source: &str) -> Result<Self, RegexError> {
        if source.len() > MAX_SOURCE {
            return Err(RegexError::TooLong);
        }
        for size in SIZES {
            let regex = RegexBuilder::new(source)
                .size_limit(size)
                .dfa_size_limit(MAX_CACHE)
                .nest_limit(MAX_NESTING)
                .build();
            match regex {
                Ok(regex) => return Ok(Self { regex, size }),
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RegexError::TooLarge)
    }

    /// Compiles a pattern and subtracts its size from `left`. A refused pattern counts as the largest
    /// allowed one, which bounds the work for a list of them.
    pub(crate) fn within(source: &str, left: &mut usize) -> Result<Self, RegexError> {
        if *left == 0 {
            return Err(RegexError::TooManyTogether);
        }
        let pattern = Self::new(source);
        let size = match &pattern {
            Ok(pattern) => pattern.size,
            Err(RegexError::TooLarge) => MAX_SIZE,
            Err(_) => 0,
        };
        let enough = *left >= size;
        *left = left.saturating_sub(size);
        if enough { pattern } else { Err(RegexError::TooManyTogether) }
    }

    pub(crate) fn source(&self) -> &str {
        self.regex.as_str()
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The compiled size in bytes, rounded up.
    pub(super) fn size(&self) -> usize {
        self.size
    }
}
