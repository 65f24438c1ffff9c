//! `mynah fixtures check`, `mynah fixtures export` and `mynah fixtures schema`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::output;
use crate::fixtures::{self, Diagnostic, FixturesError};
use crate::http::route_table;

#[derive(Debug, Subcommand)]
pub(super) enum FixturesCommand {
    /// Reports every error in a folder's fixture files, with file, line and what was expected.
    ///
    /// Also warns of rules that can never answer. Exit code 0 without errors, with or without
    /// warnings; 1 with errors. A `.toml` entry that is not a regular file of at most 4 MiB (a named
    /// pipe, a device, a folder, a broken link) is an error here; the server skips it.
    Check {
        /// The folder.
        dir: PathBuf,
    },
    /// Writes the built-in fixtures into a folder, as a starting point for your own.
    Export {
        /// The folder, created if it does not exist; no file in it is overwritten.
        dir: PathBuf,
    },
    /// Prints the JSON Schema of fixture files, for completion and checks in editors.
    ///
    /// Save it as mynah.schema.json beside the files, and begin each with the line
    /// #:schema ./mynah.schema.json (for Taplo and Even Better TOML).
    Schema,
}

pub(super) fn run(command: &FixturesCommand) -> anyhow::Result<ExitCode> {
    match command {
        FixturesCommand::Check { dir } => check(dir),
        FixturesCommand::Export { dir } => export(dir),
        FixturesCommand::Schema => schema(),
    }
}

fn check(folder: &Path) -> anyhow::Result<ExitCode> {
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

fn export(folder: &Path) -> anyhow::Result<ExitCode> {
    let paths = fixtures::export(folder)?;
    let lines: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    output::print((lines.join("\n") + "\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn schema() -> anyhow::Result<ExitCode> {
    output::print(format!("{:#}\n", fixtures::schema::schema(route_table())).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
