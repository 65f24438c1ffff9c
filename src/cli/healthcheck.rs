//! `mynah healthcheck`.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::client;
use super::serve_options::ListenAddress;

/// Limits connecting, sending, and each read.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Exit code 0 if the server is healthy; else 1, and the reason on standard error.
pub(super) fn healthcheck(address: &ListenAddress) -> ExitCode {
    let server = client::reachable(address.socket());
    let reason = match client::send(server, "GET", "/_mynah/health", None, None, TIMEOUT) {
        Ok(response) if response.status == 200 => return ExitCode::SUCCESS,
        Ok(response) => reason(&response.body)
            .unwrap_or_else(|| format!("answers with status {}", response.status)),
        Err(error) => error.to_string(),
    };
    let _ = writeln!(std::io::stderr(), "mynah: {server} is not healthy: {reason}");
    ExitCode::FAILURE
}

/// The reason that an unhealthy server gives.
fn reason(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("reason")?.as_str().map(str::to_owned)
}
