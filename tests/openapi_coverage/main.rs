//! Prints which documented statuses of each operation the integration tests have met, and fails where
//! one is missing.
//!
//! Cargo runs this after `tests/it`, which records them (`support/openapi/coverage.rs`). It has no test
//! harness, so that the table is always printed; with a test filter it does nothing.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that prints"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{read_dir, read_to_string, remove_dir_all};
use std::path::PathBuf;
use std::process::ExitCode;

use mynah::domain::Api;
use mynah::openapi;
use serde_json::Value;

/// Statuses that no test can cause over HTTP, and why.
const UNREACHABLE: [(&str, u16, &str); 1] = [(
    "characters getPicture",
    500,
    "faults belong to accounts and a picture to none, so only a failure of the server's own gives it",
)];

/// The statuses of each operation, by API and `operationId`.
type Statuses = BTreeMap<String, BTreeSet<u16>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        if !arguments.iter().any(|argument| argument == "--ignored") {
            println!("every_documented_status_was_seen: test");
        }
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| !argument.starts_with('-')) {
        return ExitCode::SUCCESS;
    }
    let (documented, seen) = (documented(), seen());
    println!("\n{}", table(&documented, &seen));
    let missing = missing(&documented, &seen);
    if missing.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("documented, and met by no test:\n  {}", missing.join("\n  "));
    ExitCode::FAILURE
}

fn documented() -> Statuses {
    let mut statuses = Statuses::new();
    for api in Api::ALL {
        let document: Value =
            serde_json::from_str(openapi::json(api)).expect("the document is JSON");
        let paths = document["paths"].as_object().expect("paths").values();
        let operations = paths.flat_map(|path| path.as_object().expect("methods").values());
        for operation in operations.filter(|operation| operation["operationId"].is_string()) {
            let name = format!("{} {}", api.name(), operation["operationId"].as_str().unwrap());
            let responses = operation["responses"].as_object().expect("responses");
            let responses = responses.keys().map(|status| status.parse().expect("a status"));
            statuses.insert(name, responses.collect());
        }
    }
    statuses
}

/// What the newest build of the integration tests has recorded. Older records are removed.
fn seen() -> Statuses {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("openapi-coverage");
    let builds = read_dir(&folder).unwrap_or_else(|_| {
        panic!("there are no records of the integration tests: run `cargo test` as a whole")
    });
    let mut builds: Vec<PathBuf> = builds.map(|entry| entry.unwrap().path()).collect();
    builds.sort();
    let newest = builds.pop().expect("a record of the integration tests");
    for old in builds {
        remove_dir_all(old).unwrap();
    }
    let mut statuses = Statuses::new();
    for record in read_dir(newest).unwrap() {
        for line in read_to_string(record.unwrap().path()).unwrap().lines() {
            let (name, status) = line.rsplit_once(' ').expect("an operation and a status");
            statuses.entry(name.to_owned()).or_default().insert(status.parse().unwrap());
        }
    }
    statuses
}

fn table(documented: &Statuses, seen: &Statuses) -> String {
    let columns: BTreeSet<u16> = documented.values().flatten().copied().collect();
    let head: Vec<String> = columns.iter().map(u16::to_string).collect();
    let mut lines = vec![format!("{:<44} {}", "operation", head.join(" "))];
    let (mut of, mut exercised) = (0, 0);
    for (name, statuses) in documented {
        let nothing = BTreeSet::new();
        let seen = seen.get(name).unwrap_or(&nothing);
        of += statuses.len();
        exercised += statuses.intersection(seen).count();
        let mark = |status| match (statuses.contains(status), seen.contains(status)) {
            (false, _) => "   ·",
            (true, true) => "   x",
            (true, false) => "   -",
        };
        lines.push(format!("{name:<44}{}", columns.iter().map(mark).collect::<String>()));
    }
    lines.push(format!("documented {of} operations × statuses, seen {exercised}"));
    for (name, status, reason) in UNREACHABLE {
        lines.push(format!("beyond a test's reach: {name} {status}: {reason}"));
    }
    lines.join("\n")
}

fn missing(documented: &Statuses, seen: &Statuses) -> Vec<String> {
    let excused = |name: &str, status: u16| {
        UNREACHABLE.iter().any(|(theirs, its, _)| *theirs == name && *its == status)
    };
    let mut missing = Vec::new();
    for (name, statuses) in documented {
        for &status in statuses {
            if !seen.get(name).is_some_and(|seen| seen.contains(&status)) && !excused(name, status)
            {
                missing.push(format!("{name} {status}"));
            }
        }
    }
    missing
}
