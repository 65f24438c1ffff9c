//! Keys and the admin token, which must appear neither in the log nor in URLs and headers of the
//! request log.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use crate::app::AccountRegistry;

/// The most rounds of percent-decoding: `%255F` takes two.
const ROUNDS: usize = 3;

/// The present secrets: accounts are created and removed at run time.
#[derive(Clone)]
pub struct Secrets {
    registry: Arc<AccountRegistry>,
    admin_token: Option<Arc<str>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// The keys of the accounts in `registry`, and the admin token if there is one.
    pub fn new(registry: Arc<AccountRegistry>, admin_token: Option<&Arc<str>>) -> Self {
        Self { registry, admin_token: admin_token.cloned() }
    }

    /// Whether `text` is an account's key or the admin token.
    pub(super) fn is_one(&self, text: &str) -> bool {
        self.admin_token.as_deref() == Some(text) || self.registry.by_key(text).is_some()
    }

    /// Whether `text` is a secret or contains one between separators, percent-encoded or not.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.is_one(text) || text.split(separates).any(|piece| self.is_one(&decoded(piece)))
    }
}

/// Whether `character` ends a word in paths, queries, headers and ids.
pub(super) fn separates(character: char) -> bool {
    character.is_whitespace() || "/?&=;,:#+'\"()<>[]{}|!~@".contains(character)
}

/// `text` percent-decoded, repeatedly where it was encoded repeatedly.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    let mut decoded = Cow::Borrowed(text);
    for _ in 0..ROUNDS {
        if !decoded.contains('%') {
            break;
        }
        decoded = percent_decode_str(&decoded).decode_utf8_lossy().into_owned().into();
    }
    decoded
}
