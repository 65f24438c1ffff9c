//! Sends one HTTP request to a running server, without the start-up cost of an HTTP client library.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::Address;

/// A server's response.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// The address under which this machine reaches a server that listens on `address`.
pub(super) fn server(address: &Address) -> SocketAddr {
    let host = match address.host {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(host, address.port)
}

/// Sends one request and reads the response. `patience` is the limit of connecting, of sending and of
/// each read.
pub(super) fn ask(
    server: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&[u8]>,
    patience: Duration,
) -> std::io::Result<Answer> {
    let late = |fault: std::io::Error| match fault.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            std::io::Error::new(ErrorKind::TimedOut, format!("no response within {patience:?}"))
        }
        _ => fault,
    };
    let mut socket = TcpStream::connect_timeout(&server, patience).map_err(late)?;
    socket.set_read_timeout(Some(patience))?;
    socket.set_write_timeout(Some(patience))?;
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
    // In one write: a server that responds after the first of several and closes would reset the
    // connection.
    let request = [head.as_bytes(), body.unwrap_or_default()].concat();
    socket.write_all(&request).map_err(late)?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).map_err(late)?;
    parse(&answer).ok_or_else(|| {
        std::io::Error::new(
            ErrorKind::InvalidData,
            "the response is incomplete or not HTTP",
        )
    })
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let body = answer.get(end + 4..)?;
    // A truncated response is an error.
    let length = head.lines().filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let announced = length.next().map(|(_, length)| length.trim().parse::<usize>());
    match announced {
        Some(Ok(length)) if length != body.len() => None,
        _ => Some(Answer { status, body: body.to_vec() }),
    }
}
