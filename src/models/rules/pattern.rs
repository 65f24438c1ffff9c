//! Regular expressions with bounds on their source, their compiled size and their nesting.

use regex::{Regex, RegexBuilder};
use thiserror::Error;

use super::error::one_line;

/// The longest source in bytes.
pub(super) const SOURCE: usize = 4 << 10;

/// The largest compiled size in bytes.
pub(super) const COMPILED: usize = 1 << 20;

/// The largest compiled size of all patterns of a list of rules, in bytes.
pub(super) const TOGETHER: usize = 16 << 20;

/// The size that the smallest patterns count as.
pub(super) const SMALLEST: usize = 4 << 10;

/// Size limits that are tried in order: a pattern counts as the first that suffices.
const SIZES: [usize; 5] = [SMALLEST, 16 << 10, 64 << 10, 256 << 10, COMPILED];

/// The bytes of a pattern's matching cache on one thread.
const CACHE: usize = 128 << 10;

/// The deepest nesting; parser and compiler recurse for every level.
const NESTING: u32 = 100;

/// A regular expression.
#[derive(Debug, Clone)]
pub(crate) struct BoundedRegex {
    regex: Regex,
    size: usize,
}

/// Why a pattern is refused.
#[derive(Debug, Error)]
pub(crate) enum RegexError {
    /// Its source is too long.
    #[error("a pattern is {} KiB long at most", SOURCE >> 10)]
    TooLong,
    /// It is not a regular expression, or its compiled size is too large.
    #[error("{}", one_line(.0))]
    Regex(#[from] regex::Error),
    /// Its compiled size is too large.
    #[error(
        "the pattern compiles to more than {} KiB; counted repetitions of large classes such as \
         \\pL{{60}} do",
        COMPILED >> 10
    )]
    TooLarge,
    /// Its compiled size is too large together with those before it.
    #[error("the patterns of the rules compile to more than {} MiB together", TOGETHER >> 20)]
    TooManyTogether,
}

impl BoundedRegex {
    pub(crate) fn new(source: &str) -> Result<Self, RegexError> {
        if source.len() > SOURCE {
            return Err(RegexError::TooLong);
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
            Err(RegexError::TooLarge) => COMPILED,
            Err(_) => 0,
        };
        let enough = *left >= size;
        *left = left.saturating_sub(size);
        if enough { pattern } else { Err(RegexError::TooManyTogether) }
    }

    /// The source.
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
