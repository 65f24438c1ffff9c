//! The file of a database: locked against other servers, and checked while it is open.
//!
//! Two servers on one file would allocate the same ids, so the first one locks it; the lock ends with the
//! process. SQLite does not notice that its file was deleted or replaced: writes would succeed and be lost
//! at the next start. So each batch of writes first checks the file ([`WatchedFile::check`]: three calls of
//! `stat`, a few microseconds).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Stopwatch;
use crate::storage::{FileLost, StorageError};

/// The shortest time between two log messages that the file is lost.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// A file, independent of its names.
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

/// The databases that this process has locked. Closing any descriptor of a file releases the locks that
/// SQLite has on it in the same process, so a file in this set must not be opened again.
static LOCKED: Mutex<BTreeSet<Identity>> = Mutex::new(BTreeSet::new());

/// A lock on a database until it is dropped, which must be after SQLite has closed the file.
#[derive(Debug)]
pub(super) struct Lock {
    identity: Identity,
    /// The locked file, and files that stay open because closing them would release SQLite's locks.
    _files: Vec<File>,
}

impl Lock {
    /// Locks the database `path`, and creates it if it does not exist. Returns `None` if the file cannot
    /// be opened (SQLite then reports why) or its file system has no locks.
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
    // With the mode that SQLite uses.
    let writable = OpenOptions::new().read(true).append(true).create(true).mode(0o644).open(path);
    writable.or_else(|_| File::open(path))
}

/// Whether a lock on the database itself, which is the same for all its names, does not conflict with
/// SQLite's own locks: on Linux the two are of different kinds, except on NFS. Elsewhere a file beside
/// the database is locked.
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
pub(super) struct WatchedFile(Arc<WatchedParts>);

#[derive(Debug)]
struct WatchedParts {
    /// The database, its log, and the log's index.
    parts: [FilePart; 3],
    /// Runs since the last log message that a file is lost.
    logged: Mutex<Option<Stopwatch>>,
}

#[derive(Debug)]
struct FilePart {
    path: PathBuf,
    /// Unset until the file exists: SQLite creates the log when it is first needed.
    identity: OnceLock<Identity>,
}

impl WatchedFile {
    /// The database `path`, which is open.
    pub(super) fn new(path: &Path) -> Self {
        let resolved = resolved(path);
        let part = |path| FilePart { path, identity: OnceLock::new() };
        let parts = [
            part(path.to_owned()),
            part(with_suffix(&resolved, "-wal")),
            part(with_suffix(&resolved, "-shm")),
        ];
        let watched = Self(Arc::new(WatchedParts { parts, logged: Mutex::new(None) }));
        if let Err(lost) = watched.check() {
            tracing::debug!(%lost, "the database file is lost right after opening");
        }
        watched
    }

    /// Whether the files are still those that were opened.
    pub(super) fn check(&self) -> Result<(), FileLost> {
        let outcome = self.0.parts.iter().try_for_each(FilePart::check);
        if let Err(lost) = &outcome {
            let mut logged = self.0.logged.lock();
            if logged.is_none_or(|since| since.elapsed() >= LOG_INTERVAL) {
                *logged = Some(Stopwatch::start());
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
