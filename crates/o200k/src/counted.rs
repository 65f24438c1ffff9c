//! A text whose tokens are counted once.

use std::ops::Deref;
use std::sync::OnceLock;

use super::count;

/// A text with a lazily computed, cached token count.
#[derive(Debug, Default)]
pub struct Counted {
    text: String,
    tokens: OnceLock<u64>,
}

impl Counted {
    /// The text without its count.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Number of tokens. The first call takes as long as [`count`].
    pub fn tokens(&self) -> u64 {
        *self.tokens.get_or_init(|| count(&self.text))
    }

    /// Number of tokens, if already counted.
    pub fn known_tokens(&self) -> Option<u64> {
        self.tokens.get().copied()
    }
}

impl Deref for Counted {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl From<String> for Counted {
    fn from(text: String) -> Self {
        Self { text, tokens: OnceLock::new() }
    }
}
