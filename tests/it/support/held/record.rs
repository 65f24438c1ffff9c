//! What the tests have seen of the documents, for `tests/openapi_coverage`.
//!
//! Each process of the suite appends to a file of its own in a folder of this very build, one line
//! an operation and status: `runner run 200`. The folder of the newest build is the one that counts.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, create_dir_all};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};
use std::time::UNIX_EPOCH;

use mynah::domain::Api;

/// Writes down that an answer was as its document says.
pub(super) fn seen(room: Api, operation: &str, status: u16) {
    static BOOK: LazyLock<Mutex<Book>> = LazyLock::new(|| Mutex::new(Book::open()));
    let line = format!("{} {operation} {status}\n", room.name());
    let mut book = BOOK.lock().unwrap();
    if book.lines.insert(line.clone()) {
        book.file.write_all(line.as_bytes()).unwrap();
    }
}

struct Book {
    lines: BTreeSet<String>,
    file: File,
}

impl Book {
    fn open() -> Self {
        let folder = folder();
        create_dir_all(&folder).unwrap();
        let name = format!("{}.txt", std::process::id());
        let file = OpenOptions::new().create(true).append(true).open(folder.join(name)).unwrap();
        Self { lines: BTreeSet::new(), file }
    }
}

fn folder() -> PathBuf {
    let program = std::env::current_exe().unwrap().metadata().unwrap();
    let built = program.modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
    let name = format!("{:020}", built.as_nanos());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("openapi-coverage").join(name)
}
