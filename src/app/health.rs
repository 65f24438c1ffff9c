//! The health of the server.

use crate::storage::Store;
pub use crate::storage::Written;

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

    /// What was committed since the database was opened.
    pub fn written(&self) -> Written {
        self.0.written()
    }
}
