//! The load: a closed loop over connections that stay open, on one thread.
//!
//! Each connection sends its next request when the answer to the last one is complete. It is
//! hyper's client, so that nothing has to be installed beside this program (wrk would have to be),
//! and it leaves the other core of two to the server, which is all that a test machine has.

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

/// A request, with its body, as often as it is wanted.
pub(crate) type Ask = Request<Full<Bytes>>;

/// What came back.
#[derive(Debug)]
pub(crate) struct Came {
    /// The status.
    pub(crate) status: StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body, chunk by chunk.
    pub(crate) chunks: Vec<Bytes>,
}

impl Came {
    /// The content type; empty without one.
    pub(crate) fn content_type(&self) -> &str {
        let content_type = self.headers.get(header::CONTENT_TYPE);
        content_type.and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8(self.chunks.concat())?)
    }
}

/// A connection that is kept.
pub(crate) struct Line(SendRequest<Full<Bytes>>);

impl Line {
    /// Connects; its task runs beside.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).await.context("cannot connect")?;
        socket.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Asks, and gives what came back chunk by chunk.
    pub(crate) async fn ask(&mut self, ask: Ask) -> anyhow::Result<Came> {
        let mut chunks = Vec::new();
        let (status, headers) = self.each_chunk(ask, |chunk| chunks.push(chunk)).await?;
        Ok(Came { status, headers, chunks })
    }

    /// Whether the next request can be sent over it.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// Asks, takes the first `count` chunks of the answer's body, and drops the rest unread: what
    /// follows is to be asked over another connection.
    pub(crate) async fn first_chunks(
        &mut self,
        ask: Ask,
        count: usize,
    ) -> anyhow::Result<StatusCode> {
        self.0.ready().await?;
        let answer = self.0.send_request(ask).await?;
        let status = answer.status();
        let mut body = answer.into_body();
        for _ in 0..count {
            body.frame().await.transpose()?;
        }
        Ok(status)
    }

    /// Asks, and shows each chunk of the answer's body as it comes.
    pub(crate) async fn each_chunk(
        &mut self,
        ask: Ask,
        mut look: impl FnMut(Bytes),
    ) -> anyhow::Result<(StatusCode, HeaderMap)> {
        self.0.ready().await?;
        let (head, mut body) = self.0.send_request(ask).await?.into_parts();
        while let Some(frame) = body.frame().await {
            if let Ok(chunk) = frame?.into_data() {
                look(chunk);
            }
        }
        Ok((head.status, head.headers))
    }

    /// Asks, takes the whole answer and forgets it.
    async fn pass(&mut self, ask: Ask, expected: StatusCode) -> anyhow::Result<()> {
        self.0.ready().await?;
        let answer = self.0.send_request(ask).await?;
        let status = answer.status();
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        ensure!(status == expected, "answered {status} in place of {expected}");
        Ok(())
    }
}

/// How long is measured, and before that not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Before anything counts.
    pub(crate) warm_up: Duration,
    /// What counts.
    pub(crate) measured: Duration,
}

/// Asks `server` over one connection for each of `asks` and for as long as `span` says.
pub(crate) async fn drive(
    server: &Server,
    asks: &[Ask],
    expected: StatusCode,
    span: Span,
) -> anyhow::Result<Figures> {
    let mut lines = Vec::with_capacity(asks.len());
    for _ in asks {
        lines.push(Line::open(server.address).await?);
    }
    let begin = Instant::now() + span.warm_up;
    let end = begin + span.measured;
    let clients = lines
        .into_iter()
        .zip(asks)
        .map(|(line, ask)| tokio::spawn(keep_asking(line, ask.clone(), expected, (begin, end))));
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

/// Asks until `end`; gives the times of the answers that came from `begin` on.
async fn keep_asking(
    mut line: Line,
    ask: Ask,
    expected: StatusCode,
    (begin, end): (Instant, Instant),
) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = empty_histogram()?;
    loop {
        let sent = Instant::now();
        if sent >= end {
            return Ok(latencies);
        }
        line.pass(ask.clone(), expected).await?;
        let came = Instant::now();
        if came >= begin && came < end {
            note(&mut latencies, came - sent);
        }
    }
}
