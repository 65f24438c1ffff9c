//! `mynah fixtures check`, `mynah fixtures export` and `mynah fixtures schema`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use crate::http::route_table;
use crate::service::fixtures::{self, Fault, FixturesError};

/// Prints every fault and warning in the folder's files.
pub(super) fn check(folder: &Path) -> anyhow::Result<ExitCode> {
    let (faults, warnings) = match fixtures::read(folder, route_table()) {
        Ok(checked) => (checked.skipped, checked.warnings),
        Err(FixturesError::Faulty { faults, warnings }) => (faults, warnings),
        Err(other) => return Err(other.into()),
    };
    let mut out = std::io::stdout().lock();
    for fault in &faults {
        writeln!(out, "{fault}")?;
    }
    for warning in &warnings {
        let Fault { file, line, column, message } = warning;
        writeln!(out, "{file}:{line}:{column}: warning: {message}")?;
    }
    writeln!(out, "{}, {}", count(&faults, "fault"), count(&warnings, "warning"))?;
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn count(faults: &[Fault], what: &str) -> String {
    match faults {
        [] => format!("no {what}s"),
        [_] => format!("1 {what}"),
        many => format!("{} {what}s", many.len()),
    }
}

/// Writes the built-in fixtures into the folder.
pub(super) fn export(folder: &Path) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for path in fixtures::export(folder)? {
        writeln!(out, "{}", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the JSON Schema of fixture files.
pub(super) fn schema() -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout().lock(), "{:#}", fixtures::schema::schema())?;
    Ok(ExitCode::SUCCESS)
}
