//! `mynah openapi`.

use std::io::Write as _;
use std::process::ExitCode;

use super::{Api, DocumentFormat, Openapi};
use crate::openapi::{Format, Room};

/// Prints a document.
pub(super) fn print(options: &Openapi) -> anyhow::Result<ExitCode> {
    let room = match options.api {
        Api::Runner => Room::Runner,
        Api::Characters => Room::Characters,
    };
    let format = match options.format {
        DocumentFormat::Yaml => Format::Yaml,
        DocumentFormat::Json => Format::Json,
    };
    let server = options.server.as_str().trim_end_matches('/');
    std::io::stdout().lock().write_all(room.document(format, server).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
