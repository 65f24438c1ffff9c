//! The health of the server.

use crate::storage::Store;

/// Checks whether the server can store data.
#[derive(Debug, Clone)]
pub struct Health(Store);

impl Health {
    /// The health of a server that stores in `store`.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Why writes fail; `None` if they do not.
    pub fn complaint(&self) -> Option<String> {
        self.0.check_file().err().map(|lost| lost.to_string())
    }
}
