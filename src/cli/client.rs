//! Sends one HTTP request to a running server, without the start-up cost of an HTTP client library.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

pub(super) struct HttpResponse {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// The address under which this machine reaches a server that listens on `address`.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Sends one request and reads the response. `timeout` limits connecting, sending and each read.
pub(super) fn send(
    server: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&[u8]>,
    timeout: Duration,
) -> std::io::Result<HttpResponse> {
    let explain_timeout = |error: std::io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            std::io::Error::new(ErrorKind::TimedOut, format!("no response within {timeout:?}"))
        }
        _ => error,
    };
    let mut socket = TcpStream::connect_timeout(&server, timeout).map_err(explain_timeout)?;
    socket.set_read_timeout(Some(timeout))?;
    socket.set_write_timeout(Some(timeout))?;
    let mut head = vec![
        format!("{method} {path} HTTP/1.1"),
        format!("host: {server}"),
        "connection: close".to_owned(),
    ];
    head.extend(token.map(|token| format!("authorization: Bearer {token}")));
    if let Some(body) = body {
        head.push("content-type: application/json".to_owned());
        head.push(format!("content-length: {}", body.len()));
    }
    let head = head.join("\r\n") + "\r\n\r\n";
    // In one write: if a server responded and closed after the first of several writes, the next write
    // would reset the connection.
    let request = [head.as_bytes(), body.unwrap_or_default()].concat();
    socket.write_all(&request).map_err(explain_timeout)?;
    let mut response = Vec::new();
    socket.read_to_end(&mut response).map_err(explain_timeout)?;
    parse(&response).ok_or_else(|| {
        std::io::Error::new(ErrorKind::InvalidData, "the response is incomplete or not HTTP")
    })
}

fn parse(response: &[u8]) -> Option<HttpResponse> {
    let end = response.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(response.get(..end)?).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let body = response.get(end + 4..)?;
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    match length.map(|(_, length)| length.trim().parse::<usize>()) {
        // A truncated response.
        Some(Ok(length)) if length != body.len() => None,
        _ => Some(HttpResponse { status, body: body.to_vec() }),
    }
}
