//! The health of the server.

use std::sync::Arc;

use crate::storage::Storage;
pub use crate::storage::Written;

/// Checks whether the server can store data.
#[derive(Debug, Clone)]
pub struct Health(Arc<dyn Storage>);

impl Health {
    /// The health of a server that stores in `storage`.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self(storage)
    }

    /// Why writes fail; `None` if they do not.
    pub async fn write_error(&self) -> Option<String> {
        self.0.check().await.err().map(|error| error.to_string())
    }

    /// What was committed since the database was opened.
    pub fn written(&self) -> Written {
        self.0.written()
    }
}
