//! Keys and the admin token: what must stand in no log, and in the journal's URLs and headers
//! neither.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::apis::control::ControlAccess;
use crate::app::AccountRegistry;

/// How often encoded text is decoded, at most: `%255F` takes two rounds.
const ROUNDS: usize = 3;

/// Tells what is a secret at this moment.
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
    /// The keys of `worlds`, and the token that `control` asks for, if it does.
    pub fn new(registry: Arc<AccountRegistry>, control: &ControlAccess) -> Self {
        let admin_token = match control {
            ControlAccess::Token(token) => Some(Arc::clone(token)),
            ControlAccess::ThisMachine | ControlAccess::Anyone | ControlAccess::Nobody => None,
        };
        Self { registry, admin_token }
    }

    /// Whether `text` is an account's key or the admin token.
    pub(super) fn is_one(&self, text: &str) -> bool {
        self.admin_token.as_deref() == Some(text) || self.registry.by_key(text).is_some()
    }

    /// Whether `text` is a secret or has one between its separators, percent-encoded or not.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.is_one(text) || text.split(separates).any(|piece| self.is_one(&decoded(piece)))
    }
}

/// Whether `character` ends a word in paths, queries, headers and ids.
pub(super) fn separates(character: char) -> bool {
    character.is_whitespace() || "/?&=;,:#+'\"()<>[]{}|!~@".contains(character)
}

/// `text` with its percent-encoding undone, more than once where it was done more than once.
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
