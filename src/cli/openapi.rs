//! `mynah openapi`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::output;
use super::urls;
use crate::domain::Api;
use crate::openapi::{self, Format, SERVER};

#[derive(Debug, Args)]
pub(super) struct OpenapiOptions {
    /// Which API.
    #[arg(value_enum)]
    api: Api,
    /// The format.
    #[arg(long, value_enum, default_value = "yaml")]
    format: DocumentFormat,
    /// The server URL in the document.
    #[arg(long, default_value = SERVER, value_name = "URL", value_parser = urls::base_url)]
    server: url::Url,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DocumentFormat {
    /// The source.
    Yaml,
    /// The same content.
    Json,
    /// The samples as requests: a .http file for VS Code (REST Client) and other tools.
    Http,
}

pub(super) fn print(options: &OpenapiOptions) -> anyhow::Result<ExitCode> {
    let server = options.server.as_str().trim_end_matches('/');
    let document = match options.format {
        DocumentFormat::Yaml => openapi::document(options.api, Format::Yaml, server),
        DocumentFormat::Json => openapi::document(options.api, Format::Json, server),
        DocumentFormat::Http => openapi::collection(options.api, server)?,
    };
    output::print(document.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
