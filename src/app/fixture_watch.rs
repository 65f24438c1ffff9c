//! Fixtures that change while the server runs: saved changes take effect, and broken files change
//! nothing.
//!
//! The folder is looked at a few times a second ([`FolderState`]): this works on every file system,
//! mounted ones included, and with every way editors save a file. What changed is read once it has
//! rested for one look, so that files that are saved together are read together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::app::accounts::AccountRegistry;
use crate::domain::Error;
use crate::domain::error::with_sources;
use crate::fixtures::folder_state::FolderState;
use crate::fixtures::read;
use crate::fixtures::{Checked, FixturesError};

/// Time between two looks at the folder. A look at a hundred files takes well under a millisecond.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// A folder of fixtures that may change.
#[derive(Debug)]
pub struct FixtureWatch {
    folder: PathBuf,
    /// The state of the folder when it was read last.
    read: FolderState,
}

type ReloadOutcome = Result<Checked, FixturesError>;

impl FixtureWatch {
    /// Begins to watch `folder`: whatever is changed from now on will be noticed.
    pub fn begin(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), read: FolderState::of(folder) }
    }

    /// Reads the folder again whenever it has changed, for ever.
    pub async fn go_on(mut self, registry: Arc<AccountRegistry>) {
        let mut tick = tokio::time::interval(BETWEEN_LOOKS);
        let mut before = self.read.clone();
        loop {
            tick.tick().await;
            let (folder, earlier) = (self.folder.clone(), before.clone());
            let Ok(now) = spawn_blocking(move || earlier.next(&folder)).await else { continue };
            let rested = now == before;
            before.clone_from(&now);
            if !rested || now == self.read {
                continue;
            }
            let (folder, routes) = (self.folder.clone(), registry.routes());
            let reading = spawn_blocking(move || {
                let outcome = read(&folder, routes);
                (outcome, now.next(&folder), now)
            });
            match reading.await {
                // It is being written to: what was read may be half of it.
                Ok((_, after, now)) if after != now => before = after,
                Ok((outcome, _, now)) => {
                    self.read = now;
                    take_over(&self.folder, outcome, &registry).await;
                }
                Err(panicked) => {
                    tracing::error!("fixtures: cannot be read: {panicked}");
                    self.read = before.clone();
                }
            }
        }
    }
}

/// Reads `folder` and lets `worlds` go on with what is in it. Every fault goes to the log; then all
/// stays as it is. Tells whether there was none.
pub async fn reload(folder: &Path, registry: &AccountRegistry) -> bool {
    let (of_folder, routes) = (folder.to_owned(), registry.routes());
    match spawn_blocking(move || read(&of_folder, routes)).await {
        Ok(outcome) => take_over(folder, outcome, registry).await,
        Err(panicked) => {
            tracing::error!("fixtures: cannot be read: {panicked}");
            false
        }
    }
}

async fn take_over(folder: &Path, outcome: ReloadOutcome, registry: &AccountRegistry) -> bool {
    let (faults, warnings) = match outcome {
        Ok(checked) => {
            checked.log();
            return match registry.adopt(checked.fixtures).await {
                Ok(()) => {
                    tracing::info!("fixtures: read again from {}", folder.display());
                    true
                }
                Err(fault) => {
                    let error = Error::internal(fault).with_sources();
                    tracing::error!(error, "fixtures: cannot be taken over");
                    false
                }
            };
        }
        Err(FixturesError::Faulty { faults, warnings }) => {
            (faults.iter().map(ToString::to_string).collect(), warnings)
        }
        Err(fault) => (vec![with_sources(&fault)], Vec::new()),
    };
    for fault in &faults {
        tracing::error!("fixtures: {fault}");
    }
    for warning in &warnings {
        tracing::warn!("fixtures: {warning}");
    }
    tracing::error!("fixtures: {} not taken over; the last good ones stay", folder.display());
    false
}
