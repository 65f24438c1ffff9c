//! Malformed HTTP: cut off, wrong in length, too long, never read.

use std::time::Duration;

use hyper::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Shared;
use super::client::RequestPlan;
use super::round::Round;
use super::tally::{Expectation, Outcome};

/// Timeout of an answer; some of these requests get none.
const PATIENCE: Duration = Duration::from_millis(300);

const JSON: &str = "content-type: application/json\r\nx-api-key: YOUR_API_KEY";
const POST: &str = "POST /v1/runner/YOUR_DEPLOYMENT_ID HTTP/1.1";

/// Sends all malformed requests.
pub(crate) async fn all(round: &mut Round<'_>) -> anyhow::Result<()> {
    let many: Vec<_> = (0..300).map(|nth| format!("x-header-{nth}: {nth}\r\n")).collect();
    let many = many.concat();
    let long = "x".repeat(100_000);
    let requests = [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET /_mynah/health HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(),
        "GET /_mynah/health HTTP/1.0\r\n\r\n".to_owned(),
        "GET http://127.0.0.1/_mynah/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".to_owned(),
        "GET /_mynah/health HTTP/3.7\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".to_owned(),
        format!("GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n{many}\r\n"),
        format!("GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"),
        format!("{POST}\r\nhost: 127.0.0.1\r\n{JSON}\r\ncontent-length: 10\r\n\r\n{{}}"),
        format!("{POST}\r\nhost: 127.0.0.1\r\n{JSON}\r\ncontent-length: 2\r\n\r\n{{}}{{}}{{}}"),
        format!("{POST}\r\nhost: 127.0.0.1\r\n{JSON}\r\ncontent-length: -1\r\n\r\n{{}}"),
        format!("{POST}\r\nhost: 127.0.0.1\r\n{JSON}\r\ncontent-length: 99999999999\r\n\r\n{{}}"),
        format!(
            "{POST}\r\nhost: 127.0.0.1\r\n{JSON}\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{{}}"
        ),
        format!(
            "{POST}\r\nhost: 127.0.0.1\r\n{JSON}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{{}}"
        ),
        format!(
            "{POST}\r\nhost: 127.0.0.1\r\n{JSON}\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n"
        ),
        format!("{POST}\r\nhost: 127.0"),
        "GET /_mynah/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".repeat(20),
    ];
    for request in requests {
        let outcome = raw(round.shared, request.as_bytes()).await?;
        let about = || request.chars().take(80).collect();
        round.shared.tally.count("wire", Expectation::NoServerError, outcome, about);
    }
    Ok(())
}

/// Writes `bytes`, waits a while for an answer, and disconnects.
async fn raw(shared: &Shared, bytes: &[u8]) -> anyhow::Result<Outcome> {
    let mut socket = TcpStream::connect(shared.server.address).await?;
    // A server that refuses the request may close before everything is written.
    let _ = timeout(PATIENCE, socket.write_all(bytes)).await;
    let mut answer = [0; 256];
    let read = timeout(PATIENCE, socket.read(&mut answer)).await;
    let read = match read {
        Ok(Ok(read)) => answer.get(..read).unwrap_or_default(),
        Ok(Err(_)) => return Ok(Outcome::Broken),
        Err(_) => return Ok(Outcome::Left),
    };
    let status = String::from_utf8_lossy(read);
    let status =
        status.split(' ').nth(1).and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
    Ok(status.map_or(Outcome::Broken, Outcome::Answered))
}

/// Sends `plan` without reading the response; it stays open while the socket is held.
pub(crate) async fn open_and_wait(
    shared: &Shared,
    plan: &RequestPlan,
) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(shared.server.address).await?;
    let headers: Vec<_> =
        plan.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "{} {} HTTP/1.1\r\nhost: 127.0.0.1\r\n{}content-length: {}\r\n\r\n",
        plan.method,
        plan.target,
        headers.concat(),
        plan.body.len()
    );
    socket.write_all(&[head.as_bytes(), &plan.body].concat()).await?;
    let about = || plan.target.clone();
    shared.tally.count(plan.kind, plan.expected, Outcome::Left, about);
    Ok(socket)
}
