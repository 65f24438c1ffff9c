//! The tests of every storage, in memory and in a file.

use std::sync::Arc;

use tempfile::TempDir;

use crate::storage::{self, Storage};

mod in_memory {
    use super::{Arc, Storage, storage};

    async fn open() -> (Arc<dyn Storage>, ()) {
        (storage::open("sqlite::memory:").await.unwrap(), ())
    }

    storage::tests::storage_tests!(open);
}

mod in_a_file {
    use super::{Arc, Storage, TempDir, storage};

    async fn open() -> (Arc<dyn Storage>, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("mynah.db").display());
        (storage::open(&url).await.unwrap(), folder)
    }

    storage::tests::storage_tests!(open);
}
