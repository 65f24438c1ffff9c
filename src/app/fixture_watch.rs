//! Reloads fixtures that change while the server runs. Files with errors change nothing.
//!
//! The folder is scanned a few times a second ([`FolderState`]): this works on every file system,
//! mounted ones included, and however editors save files. Changes are read once two scans in a row give
//! the same state, so that files that are saved together are read together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::app::accounts::AccountRegistry;
use crate::domain::error::{InternalError, with_sources};
use crate::fixtures::folder_state::FolderState;
use crate::fixtures::{CheckedFixtures, FixturesError, read};

/// The time between two scans. A scan of a hundred files takes well under a millisecond.
const SCAN_INTERVAL: Duration = Duration::from_millis(250);

/// A folder of fixtures that may change.
#[derive(Debug)]
pub struct FixtureWatch {
    folder: PathBuf,
    /// The state of the folder when it was last read.
    read: FolderState,
}

type ReloadOutcome = Result<CheckedFixtures, FixturesError>;

impl FixtureWatch {
    /// A watch that notices all changes of `folder` from now on.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), read: FolderState::of(folder) }
    }

    /// Reads the folder again whenever it has changed. Never returns.
    pub async fn run(mut self, registry: Arc<AccountRegistry>) {
        let mut tick = tokio::time::interval(SCAN_INTERVAL);
        let mut before = self.read.clone();
        loop {
            tick.tick().await;
            let (folder, earlier) = (self.folder.clone(), before.clone());
            let Ok(now) = spawn_blocking(move || earlier.next(&folder)).await else { continue };
            let is_stable = now == before;
            before.clone_from(&now);
            if !is_stable || now == self.read {
                continue;
            }
            let (folder, routes) = (self.folder.clone(), registry.routes());
            let reading = spawn_blocking(move || {
                let outcome = read(&folder, routes);
                (outcome, now.next(&folder), now)
            });
            match reading.await {
                // Changed while it was read, so what was read may be incomplete.
                Ok((_, after, now)) if after != now => before = after,
                Ok((outcome, _, now)) => {
                    self.read = now;
                    apply(&self.folder, outcome, &registry).await;
                }
                Err(panicked) => {
                    tracing::error!("fixtures: cannot be read: {panicked}");
                    self.read = before.clone();
                }
            }
        }
    }
}

/// Reads `folder` and applies its fixtures to the accounts. Returns false if it has errors, which are
/// logged; then nothing changes.
#[cfg(any(test, feature = "internals"))]
pub async fn reload(folder: &Path, registry: &AccountRegistry) -> bool {
    let (of_folder, routes) = (folder.to_owned(), registry.routes());
    match spawn_blocking(move || read(&of_folder, routes)).await {
        Ok(outcome) => apply(folder, outcome, registry).await,
        Err(panicked) => {
            tracing::error!("fixtures: cannot be read: {panicked}");
            false
        }
    }
}

async fn apply(folder: &Path, outcome: ReloadOutcome, registry: &AccountRegistry) -> bool {
    let (errors, warnings) = match outcome {
        Ok(checked) => {
            checked.log();
            return match registry.replace_fixtures(checked.fixtures).await {
                Ok(()) => {
                    tracing::info!("fixtures: read again from {}", folder.display());
                    true
                }
                Err(error) => {
                    let error = with_sources(&InternalError::new(error));
                    tracing::error!(error, "fixtures: cannot be taken over");
                    false
                }
            };
        }
        Err(FixturesError::Invalid { errors, warnings }) => {
            (errors.iter().map(ToString::to_string).collect(), warnings)
        }
        Err(error) => (vec![with_sources(&error)], Vec::new()),
    };
    for error in &errors {
        tracing::error!("fixtures: {error}");
    }
    for warning in &warnings {
        tracing::warn!("fixtures: {warning}");
    }
    tracing::error!("fixtures: {} not taken over; the last good ones stay", folder.display());
    false
}
