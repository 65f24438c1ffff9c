//! A text that is counted once.

use std::ops::Deref;
use std::sync::OnceLock;

use super::count;

/// A text whose tokens are counted when somebody first asks, and then known.
#[derive(Debug, Default)]
pub struct Counted {
    text: String,
    tokens: OnceLock<u64>,
}

impl Counted {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its tokens. The first to ask waits for as long as [`count`] takes.
    pub fn tokens(&self) -> u64 {
        *self.tokens.get_or_init(|| count(&self.text))
    }

    /// Its tokens, if they were counted already.
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
