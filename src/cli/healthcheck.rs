//! `mynah healthcheck`.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::Address;
use super::client;

/// How long the server may take to connect and to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Exit code 0 when the server answers that it is well, else 1 and a sentence.
pub(super) fn healthcheck(address: &Address) -> ExitCode {
    let server = client::server(address);
    let why = match client::ask(server, "GET", "/_mynah/health", None, None, PATIENCE) {
        Ok(answer) if answer.status == 200 => return ExitCode::SUCCESS,
        Ok(answer) => match reason(&answer.body) {
            Some(reason) => reason,
            None => format!("answers with status {}", answer.status),
        },
        Err(error) => error.to_string(),
    };
    let _ = writeln!(std::io::stderr(), "mynah: {server} is not healthy: {why}");
    ExitCode::FAILURE
}

/// The reason that an unhealthy server gives.
fn reason(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer.get("reason")?.as_str().map(str::to_owned)
}
