//! `mynah openapi`.

use std::process::ExitCode;

use super::output;
use super::{DocumentFormat, Openapi};
use crate::openapi::{self, Format};

/// Prints a document.
pub(super) fn print(options: &Openapi) -> anyhow::Result<ExitCode> {
    let server = options.server.as_str().trim_end_matches('/');
    let document = match options.format {
        DocumentFormat::Yaml => openapi::document(options.api, Format::Yaml, server),
        DocumentFormat::Json => openapi::document(options.api, Format::Json, server),
        DocumentFormat::Http => openapi::collection(options.api, server)?,
    };
    output::print(document.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
