//! Standard output and files of commands.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;

/// The mode of a new file before the process's umask is applied.
const NEW_FILE_MODE: u32 = 0o666;

/// Prints to standard output. A closed pipe (`mynah openapi runner | head`) is not an error.
pub(super) fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let printed = out.write_all(text).and_then(|()| out.flush());
    unless_closed(printed).context("cannot write to standard output")
}

/// Writes `bytes` to `file`. `-` is standard output; links are followed; pipes and devices are written
/// to. A regular file is replaced atomically.
pub(super) fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if file == Path::new("-") {
        return print(bytes);
    }
    let written = match replacement(file) {
        Some(new) => replace(file, new, bytes),
        None => fs::write(file, bytes),
    };
    unless_closed(written).with_context(|| format!("cannot write {}", file.display()))
}

fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    written.or_else(|error| match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

/// A temporary file beside `file`, with its mode and owner. `None` if `file` has to be written in place:
/// a link, a file with several names, a pipe, or a file in a folder that is not writable.
fn replacement(file: &Path) -> Option<tempfile::NamedTempFile> {
    let old = match fs::symlink_metadata(file) {
        Ok(old) if old.is_file() && old.nlink() == 1 => Some(old),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        _ => return None,
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let new = tempfile::Builder::new()
        .prefix(".mynah-")
        .permissions(fs::Permissions::from_mode(NEW_FILE_MODE))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .ok()?;
    let Some(old) = old else { return Some(new) };
    let owner = new.as_file().metadata().ok()?;
    let is_same_owner = (owner.uid(), owner.gid()) == (old.uid(), old.gid());
    (is_same_owner && new.as_file().set_permissions(old.permissions()).is_ok()).then_some(new)
}

/// Writes `bytes` to `new` and renames it to `file`.
fn replace(file: &Path, mut new: tempfile::NamedTempFile, bytes: &[u8]) -> io::Result<()> {
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    // A mount point cannot be replaced.
    new.persist(file).map(drop).or_else(|_| fs::write(file, bytes))
}
