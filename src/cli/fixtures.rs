//! `mynah fixtures check`, `mynah fixtures export` and `mynah fixtures schema`.

use std::path::Path;
use std::process::ExitCode;

use super::output;
use crate::fixtures::{self, Diagnostic, FixturesError};
use crate::http::route_table;

/// Prints all errors and warnings in the folder's files.
pub(super) fn check(folder: &Path) -> anyhow::Result<ExitCode> {
    let (errors, warnings) = match fixtures::read(folder, route_table()) {
        Ok(checked) => (checked.skipped, checked.warnings),
        Err(FixturesError::Invalid { errors, warnings }) => (errors, warnings),
        Err(other) => return Err(other.into()),
    };
    let mut lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.extend(warnings.iter().map(|warning| {
        let Diagnostic { file, line, column, .. } = warning;
        format!("{file}:{line}:{column}: warning: {}", warning.text())
    }));
    lines.push(format!("{}, {}\n", count(&errors, "error"), count(&warnings, "warning")));
    output::print(lines.join("\n").as_bytes())?;
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn count(diagnostics: &[Diagnostic], noun: &str) -> String {
    match diagnostics.len() {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// Writes the built-in fixtures into the folder.
pub(super) fn export(folder: &Path) -> anyhow::Result<ExitCode> {
    let paths = fixtures::export(folder)?;
    let lines: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    output::print((lines.join("\n") + "\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the JSON Schema of fixture files.
pub(super) fn schema() -> anyhow::Result<ExitCode> {
    output::print(format!("{:#}\n", fixtures::schema::schema(route_table())).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
