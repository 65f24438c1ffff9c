//! Whether the server can do its work.

use crate::storage::Store;

/// Tells whether the server can do its work.
#[derive(Debug, Clone)]
pub struct Health(Store);

impl Health {
    /// The health of a server that stores in `store`.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Why requests that store something fail; nothing if they do not.
    pub fn complaint(&self) -> Option<String> {
        self.0.check_file().err().map(|lost| lost.to_string())
    }
}
