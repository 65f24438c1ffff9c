//! The file that holds a database: kept from other servers, and watched while it is open.
//!
//! Two servers on one file would give the same ids twice, so the first one locks it; the lock ends
//! with the process. A file that is deleted or replaced while it is open takes no harm that SQLite
//! would notice: what is written goes where nobody finds it after a restart. So each batch of writes
//! looks first whether the file is still there ([`Watched::check`]: three calls of `stat`, a few microseconds).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use crate::storage::{FileLost, StorageError};
use crate::clock::Stopwatch;

/// How often the log says that the file is lost.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// Which file it is, whatever its names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The databases that this process has locked. Closing any descriptor of a file takes away the locks
/// that SQLite has on it in the same process, so a file in here is never opened again.
static LOCKED: Mutex<BTreeSet<Identity>> = Mutex::new(BTreeSet::new());

/// A lock on a database that ends when it is dropped, which must be after SQLite has closed the file.
#[derive(Debug)]
pub(super) struct Lock {
    identity: Identity,
    /// Locked themselves, or kept open because closing would harm SQLite's locks.
    _files: Vec<File>,
}

impl Lock {
    /// Locks the database `path`, which is made if need be. Gives none where the file cannot be
    /// opened (SQLite says why) or where its file system knows no locks.
    pub(super) fn on(path: &Path) -> Result<Option<Self>, StorageError> {
        let in_use = || StorageError::InUse { path: path.display().to_string() };
        let mut locked = LOCKED.lock();
        match std::fs::metadata(path) {
            Ok(there) if locked.contains(&Identity::of(&there)) => return Err(in_use()),
            Ok(there) if !there.is_file() => return Ok(None),
            _ => {}
        }
        let Ok(file) = open(path) else { return Ok(None) };
        let Ok(metadata) = file.metadata() else { return Ok(None) };
        let mut files = vec![file];
        if !locks_are_apart(&files) {
            files.extend(File::create(with_suffix(&resolved(path), ".lock")));
        }
        match files.last().map(File::try_lock) {
            Some(Err(TryLockError::WouldBlock)) => return Err(in_use()),
            Some(Err(TryLockError::Error(error))) => {
                tracing::warn!(%error, path = %path.display(), "the database cannot be locked");
            }
            Some(Ok(())) | None => {}
        }
        let identity = Identity::of(&metadata);
        locked.insert(identity);
        Ok(Some(Self { identity, _files: files }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        LOCKED.lock().remove(&self.identity);
    }
}

fn open(path: &Path) -> Result<File, Error> {
    // As SQLite makes it.
    let writable = OpenOptions::new().read(true).append(true).create(true).mode(0o644).open(path);
    writable.or_else(|_| File::open(path))
}

/// Whether a lock on the database itself, which holds for all names of it, leaves SQLite's own locks
/// alone: they are of another kind on Linux, but for NFS, which makes one kind of both. Elsewhere a
/// file beside the database is locked.
#[cfg(target_os = "linux")]
fn locks_are_apart(files: &[File]) -> bool {
    let kind = |file| rustix::fs::fstatfs(file).map(|system| system.f_type);
    files.iter().all(|file| kind(file) != Ok(rustix::fs::NFS_SUPER_MAGIC))
}

#[cfg(not(target_os = "linux"))]
fn locks_are_apart(_: &[File]) -> bool {
    false
}

/// `path` without symbolic links: SQLite puts its log beside the file itself.
fn resolved(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// The files of a database that is open.
#[derive(Debug, Clone)]
pub(super) struct Watched(Arc<WatchedFiles>);

#[derive(Debug)]
struct WatchedFiles {
    /// The database, its log, and the log's index.
    parts: [FilePart; 3],
    /// Since the log last said that one is lost.
    told: Mutex<Option<Stopwatch>>,
}

#[derive(Debug)]
struct FilePart {
    path: PathBuf,
    /// None until it is there: the log is made when it is first needed.
    identity: OnceLock<Identity>,
}

impl Watched {
    /// The database `path`, which is open.
    pub(super) fn new(path: &Path) -> Self {
        let resolved = resolved(path);
        let part = |path| FilePart { path, identity: OnceLock::new() };
        let parts = [
            part(path.to_owned()),
            part(with_suffix(&resolved, "-wal")),
            part(with_suffix(&resolved, "-shm")),
        ];
        let watched = Self(Arc::new(WatchedFiles { parts, told: Mutex::new(None) }));
        if let Err(lost) = watched.check() {
            tracing::debug!(%lost, "the database is gone as soon as it is open");
        }
        watched
    }

    /// Whether the files are still those that were opened.
    pub(super) fn check(&self) -> Result<(), FileLost> {
        let outcome = self.0.parts.iter().try_for_each(FilePart::check);
        if let Err(lost) = &outcome {
            let mut told = self.0.told.lock();
            if told.is_none_or(|since| since.elapsed() >= TOLD_EVERY) {
                *told = Some(Stopwatch::start());
                tracing::error!("{lost}");
            }
        }
        outcome
    }
}

impl FilePart {
    fn check(&self) -> Result<(), FileLost> {
        let what = match std::fs::metadata(&self.path) {
            Ok(metadata) => {
                let found = Identity::of(&metadata);
                if *self.identity.get_or_init(|| found) == found {
                    return Ok(());
                }
                "was replaced".to_owned()
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if self.identity.get().is_none() {
                    return Ok(());
                }
                "was deleted or moved".to_owned()
            }
            Err(error) => format!("cannot be reached ({error})"),
        };
        Err(FileLost { path: self.path.display().to_string(), what })
    }
}
