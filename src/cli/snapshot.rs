//! `mynah snapshot save` and `mynah snapshot load`.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::HealthcheckTarget;
use super::client;
use super::output;

/// The time limit of the server for a large snapshot.
const PATIENCE: Duration = Duration::from_mins(1);

/// Writes all state of `account` to `file`.
pub(super) fn save(
    running: &HealthcheckTarget,
    account: &str,
    file: &Path,
) -> anyhow::Result<ExitCode> {
    let snapshot = ask(running, "GET", account, None)?;
    output::write(file, &snapshot)?;
    Ok(ExitCode::SUCCESS)
}

/// Replaces all state of `account` by that in `file`.
pub(super) fn load(
    running: &HealthcheckTarget,
    account: &str,
    file: &Path,
) -> anyhow::Result<ExitCode> {
    let snapshot = read(file)?;
    ask(running, "PUT", account, Some(&snapshot))?;
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

fn ask(
    running: &HealthcheckTarget,
    method: &str,
    account: &str,
    body: Option<&[u8]>,
) -> anyhow::Result<Vec<u8>> {
    let server = client::server(&running.address);
    let account: String = form_urlencoded::byte_serialize(account.as_bytes()).collect();
    let path = format!("/_mynah/accounts/{account}/snapshot");
    let token = running.admin_token.as_deref();
    let answer = client::ask(server, method, &path, token, body, PATIENCE)
        .with_context(|| format!("cannot reach {server}"))?;
    if answer.status == 200 {
        return Ok(answer.body);
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match body.get("error").and_then(Value::as_str) {
        Some(why) => bail!("{why}"),
        None => bail!("{server} answers with status {}", answer.status),
    }
}
