//! Records which documented operations and statuses the tests meet, for `tests/openapi_coverage`.
//!
//! Each process of the suite appends to a file of its own in a folder of this build, one line for an
//! operation and status: `runner run 200`. The reader takes the folder of the newest build.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, create_dir_all};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};
use std::time::UNIX_EPOCH;

use mynah::domain::Api;

/// Records that a response was as documented.
pub(super) fn record(api: Api, operation: &str, status: u16) {
    static COVERAGE: LazyLock<Mutex<Coverage>> = LazyLock::new(|| Mutex::new(Coverage::open()));
    let line = format!("{} {operation} {status}\n", api.name());
    let mut coverage = COVERAGE.lock().unwrap();
    if coverage.lines.insert(line.clone()) {
        coverage.file.write_all(line.as_bytes()).unwrap();
    }
}

struct Coverage {
    lines: BTreeSet<String>,
    file: File,
}

impl Coverage {
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
