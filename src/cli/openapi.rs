//! `mynah openapi`.

use std::process::ExitCode;

use super::output;
use super::{ApiName, DocumentFormat, Openapi};
use crate::openapi::{ApiDocument, Format};

/// Prints a document.
pub(super) fn print(options: &Openapi) -> anyhow::Result<ExitCode> {
    let room = match options.api {
        ApiName::Runner => ApiDocument::Runner,
        ApiName::Characters => ApiDocument::Characters,
    };
    let server = options.server.as_str().trim_end_matches('/');
    let document = match options.format {
        DocumentFormat::Yaml => room.document(Format::Yaml, server),
        DocumentFormat::Json => room.document(Format::Json, server),
        DocumentFormat::Http => room.collection(server)?,
    };
    output::print(document.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
