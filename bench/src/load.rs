//! The load: a closed loop over keep-alive connections, on one thread.
//!
//! Each connection sends its next request when the answer to the last one is complete. The client is
//! hyper's, so that nothing has to be installed (as wrk would). One thread leaves the second core of
//! a test machine to the server.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use mynah::clock::Stopwatch;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::figures::{Figures, empty_histogram, note};
use crate::server::Server;

/// A request that can be cloned and sent repeatedly.
pub(crate) type HttpRequest = Request<Full<Bytes>>;

/// A complete response.
#[derive(Debug)]
pub(crate) struct FullResponse {
    /// The status.
    pub(crate) status: StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body, chunk by chunk.
    pub(crate) chunks: Vec<Bytes>,
}

impl FullResponse {
    /// The content type; empty if there is none.
    pub(crate) fn content_type(&self) -> &str {
        let content_type = self.headers.get(header::CONTENT_TYPE);
        content_type.and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8(self.chunks.concat())?)
    }
}

/// A keep-alive connection.
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    /// Connects and spawns the connection's task.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).await.context("cannot connect")?;
        socket.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Sends a request and reads the whole response.
    pub(crate) async fn send(&mut self, request: HttpRequest) -> anyhow::Result<FullResponse> {
        let mut chunks = Vec::new();
        let (status, headers) = self.each_chunk(request, |chunk| chunks.push(chunk)).await?;
        Ok(FullResponse { status, headers, chunks })
    }

    /// Whether another request can be sent.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// Sends a request, reads the first `count` chunks of the body and drops the rest. The connection
    /// cannot be used afterwards.
    pub(crate) async fn first_chunks(
        &mut self,
        request: HttpRequest,
        count: usize,
    ) -> anyhow::Result<StatusCode> {
        self.0.ready().await?;
        let answer = self.0.send_request(request).await?;
        let status = answer.status();
        let mut body = answer.into_body();
        for _ in 0..count {
            body.frame().await.transpose()?;
        }
        Ok(status)
    }

    /// Sends a request and passes each chunk of the body to `look` as it arrives.
    pub(crate) async fn each_chunk(
        &mut self,
        request: HttpRequest,
        mut look: impl FnMut(Bytes),
    ) -> anyhow::Result<(StatusCode, HeaderMap)> {
        self.0.ready().await?;
        let (head, mut body) = self.0.send_request(request).await?.into_parts();
        while let Some(frame) = body.frame().await {
            if let Ok(chunk) = frame?.into_data() {
                look(chunk);
            }
        }
        Ok((head.status, head.headers))
    }

    /// Sends a request, reads the whole response and discards it.
    async fn pass(&mut self, request: HttpRequest, expected: StatusCode) -> anyhow::Result<()> {
        self.0.ready().await?;
        let answer = self.0.send_request(request).await?;
        let status = answer.status();
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        ensure!(status == expected, "status {status} instead of {expected}");
        Ok(())
    }
}

/// The duration of a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Not measured.
    pub(crate) warm_up: Duration,
    /// Measured.
    pub(crate) measured: Duration,
}

/// Sends each of `requests` repeatedly over its own connection for the duration of `span`.
pub(crate) async fn drive(
    server: &Server,
    requests: &[HttpRequest],
    expected: StatusCode,
    span: Span,
) -> anyhow::Result<Figures> {
    let mut connections = Vec::with_capacity(requests.len());
    for _ in requests {
        connections.push(Connection::open(server.address).await?);
    }
    let begin = Instant::now() + span.warm_up;
    let end = begin + span.measured;
    let clients = connections.into_iter().zip(requests).map(|(connection, request)| {
        tokio::spawn(send_until(connection, request.clone(), expected, (begin, end)))
    });
    let clients = try_join_all(clients.collect::<Vec<_>>());
    let costs = async {
        sleep_until(begin).await;
        let (before, watch) = (server.cost(), Stopwatch::start());
        sleep_until(end).await;
        (before, server.cost(), watch.elapsed())
    };
    let (clients, (before, after, elapsed)) = tokio::join!(clients, costs);
    let mut latencies = empty_histogram()?;
    for client in clients? {
        latencies += client?;
    }
    Figures::of(&latencies, elapsed, &before?, &after?)
}

/// Sends a request repeatedly until `end`; returns the latencies of answers received between `begin` and
/// `end`.
async fn send_until(
    mut connection: Connection,
    request: HttpRequest,
    expected: StatusCode,
    (begin, end): (Instant, Instant),
) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = empty_histogram()?;
    loop {
        let sent = Instant::now();
        if sent >= end {
            return Ok(latencies);
        }
        connection.pass(request.clone(), expected).await?;
        let received = Instant::now();
        if received >= begin && received < end {
            note(&mut latencies, received - sent);
        }
    }
}
