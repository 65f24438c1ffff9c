//! `mynah snapshot save` and `mynah snapshot load`.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::client;
use super::output;
use super::serve_options::ListenAddress;

/// How long the server may take for a large snapshot.
const TIMEOUT: Duration = Duration::from_mins(1);

#[derive(Debug, Subcommand)]
pub(super) enum SnapshotCommand {
    /// Writes all state of an account to a file, a pipe or standard output.
    Save {
        /// The account's id: `demo`.
        account: String,
        /// The file; - is standard output.
        file: PathBuf,
        #[command(flatten)]
        server: SnapshotServer,
    },
    /// Replaces all state of an account by that in a file.
    Load {
        /// The account's id.
        account: String,
        /// The file; - is standard input.
        file: PathBuf,
        #[command(flatten)]
        server: SnapshotServer,
    },
}

#[derive(Debug, Clone, Args)]
pub(super) struct SnapshotServer {
    #[command(flatten)]
    address: ListenAddress,
    /// The token of its control plane, if it has one.
    #[arg(long, env = "MYNAH_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    admin_token: Option<String>,
}

pub(super) fn run(command: &SnapshotCommand) -> anyhow::Result<ExitCode> {
    match command {
        SnapshotCommand::Save { account, file, server } => {
            output::write(file, &server.request("GET", account, None)?)?;
        }
        SnapshotCommand::Load { account, file, server } => {
            server.request("PUT", account, Some(&read(file)?))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads `file`; `-` is standard input.
fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        return read.map(|_| bytes).context("cannot read standard input");
    }
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

impl SnapshotServer {
    /// Sends a request to the snapshot of `account`; returns the body of the response.
    fn request(&self, method: &str, account: &str, body: Option<&[u8]>) -> anyhow::Result<Vec<u8>> {
        let server = client::reachable(self.address.socket());
        let account: String = form_urlencoded::byte_serialize(account.as_bytes()).collect();
        let path = format!("/_mynah/accounts/{account}/snapshot");
        let token = self.admin_token.as_deref();
        let response = client::send(server, method, &path, token, body, TIMEOUT)
            .with_context(|| format!("cannot reach {server}"))?;
        if response.status == 200 {
            return Ok(response.body);
        }
        let error: Option<Value> = serde_json::from_slice(&response.body).ok();
        match error.as_ref().and_then(|error| error.get("error")?.as_str()) {
            Some(reason) => bail!("{reason}"),
            None => bail!("{server} answers with status {}", response.status),
        }
    }
}
