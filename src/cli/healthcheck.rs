//! `mynah healthcheck`: one plain HTTP request, quick to start and with nothing to load.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use super::Address;

/// How long the server may take to connect and to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Exit code 0 when the server answers that it is well, else 1 and a sentence.
pub(super) fn healthcheck(address: &Address) -> ExitCode {
    let host = match address.host {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let server = SocketAddr::new(host, address.port);
    match status_line(server) {
        Ok(line) if line.split(' ').nth(1) == Some("200") => ExitCode::SUCCESS,
        Ok(line) => unwell(server, &format!("answers `{line}`")),
        Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            unwell(server, &format!("no answer within {PATIENCE:?}"))
        }
        Err(fault) => unwell(server, &fault.to_string()),
    }
}

fn unwell(server: SocketAddr, why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "mynah: {server} is not well: {why}");
    ExitCode::FAILURE
}

fn status_line(server: SocketAddr) -> std::io::Result<String> {
    const LONGEST: u64 = 4096;
    let mut socket = TcpStream::connect_timeout(&server, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    // In one piece: whoever answers after the first of several and closes takes its answer back.
    let request =
        format!("GET /_mynah/health HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    socket.take(LONGEST).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
