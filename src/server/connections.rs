//! Accepts connections, serves HTTP/1.1 on them, and closes them: after their responses, or at once
//! if a error says so.

mod accept_errors;
mod account_end;
mod coalesced_timer;
mod hyper_errors;
mod socket;
mod stall_timeout;
mod unframed;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::{Method, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use self::accept_errors::AcceptErrors;
use self::account_end::AccountEndWatch;
use self::coalesced_timer::CoalescedTimer;
use self::hyper_errors::Refusals;
use self::socket::Socket;
use self::stall_timeout::StallTimeout;
use self::unframed::Unframed;
use crate::clock::Stopwatch;
use crate::http::{ConnectionAbort, Pipeline};

/// How long a client may take to send the head of a request, the first or a further one. Slow and
/// idle connections are closed then. Most clients keep idle connections for a shorter time.
const HEAD_PATIENCE: Duration = Duration::from_secs(75);
/// The pause in accepting after the system had no more sockets.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(50);

/// The state when the grace is over.
pub(super) struct Stopped {
    /// The tasks of connections that were still busy. They were aborted and may not have ended yet.
    pub(super) busy: JoinSet<()>,
    /// The grace.
    pub(super) grace: Duration,
    /// Runs since `stop` completed.
    pub(super) since: Stopwatch,
}

/// Serves `pipeline` until `stop` completes, then lets connections finish within the grace that it
/// returned.
pub(super) async fn serve(
    listener: TcpListener,
    pipeline: Pipeline,
    stop: impl Future<Output = Duration>,
) -> Stopped {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut accept_errors = AcceptErrors::default();
    let mut stop = std::pin::pin!(stop);
    let grace = loop {
        tokio::select! {
            grace = &mut stop => break grace,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(serve_connection(socket, pipeline.clone(), graceful.watcher()));
                }
                // The client left before it was accepted.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    accept_errors.note(&error, tokio::time::Instant::now());
                    rest().await;
                }
            },
        }
    };
    let since = Stopwatch::start();
    drop(listener);
    tracing::info!("stopping: no new connections, running answers have {grace:?} to finish");
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still busy after {grace:?} and are cut off");
    }
    connections.abort_all();
    Stopped { busy: connections, grace, since }
}

/// Serves one connection until it ends or is aborted by a error.
async fn serve_connection(socket: TcpStream, pipeline: Pipeline, watcher: Watcher) {
    let line = ConnectionAbort::default();
    let ending = AccountEndWatch::default();
    let service = service_fn(async |request: hyper::Request<Incoming>| {
        let framed = request.version() >= Version::HTTP_11 || request.method() == Method::HEAD;
        let answer = ending.of(pipeline.answer(&line, request).await);
        if line.is_cut() {
            // The response is logged and not sent.
            std::future::pending::<()>().await;
        }
        if framed || answer.body().size_hint().exact().is_some() {
            return Ok::<_, Infallible>(answer);
        }
        Ok(answer.map(|body| Body::new(Unframed::new(body, line.clone()))))
    });
    let refusals = Refusals::new(pipeline.clone(), line.clone());
    let socket = Socket { stream: prepared(socket), line: line.clone(), refusals };
    let mut served = std::pin::pin!(watcher.watch(connection(socket, service)));
    // An aborted connection ends here, although its service is still pending.
    let outcome = poll_fn(|context| match served.as_mut().poll(context) {
        Poll::Pending if line.is_cut() => Poll::Ready(Ok(())),
        Poll::Pending if ending.poll(context).is_ready() => {
            line.cut();
            Poll::Ready(Ok(()))
        }
        polled => polled,
    });
    if let Err(error) = outcome.await {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

fn prepared(socket: TcpStream) -> TcpStream {
    // Otherwise each chunk waits for the acknowledgement of the one before it, which clients delay by
    // up to 40 ms.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    socket
}

fn connection<S, V>(socket: S, service: V) -> http1::Connection<TokioIo<StallTimeout<S>>, V>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    V: HttpService<Incoming, ResBody = Body>,
    V::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    http1::Builder::new()
        .timer(CoalescedTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(StallTimeout::new(socket)), service)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the wire's own waiting; no account's clock is meant"
)]
async fn rest() {
    tokio::time::sleep(OUT_OF_SOCKETS).await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::get;
    use futures::stream;
    use hyper_util::service::TowerToHyperService;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;

    /// A server on the other end of a pipe that holds `room` bytes.
    fn greeter(room: usize) -> (DuplexStream, tokio::task::JoinHandle<hyper::Result<()>>) {
        let endless = || stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(b"word ")));
        let router = Router::new()
            .route("/", get(async || "hello"))
            .route("/endless", get(async move || Body::from_stream(endless())));
        let (client, server) = duplex(room);
        (client, tokio::spawn(connection(server, TowerToHyperService::new(router))))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_finishes_its_head_is_let_go() {
        let (mut client, server) = greeter(4096);
        let start = Instant::now();
        client.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
        assert!(server.await.unwrap().unwrap_err().is_timeout());
        assert_eq!((Instant::now() - start).as_secs(), HEAD_PATIENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_nothing_more_to_ask_is_let_go() {
        let (mut client, server) = greeter(4096);
        for _ in 0..3 {
            tokio::time::advance(HEAD_PATIENCE / 2).await;
            client.write_all(b"GET / HTTP/1.1\r\nhost: mynah\r\n\r\n").await.unwrap();
            let read = client.read(&mut [0; 4096]).await.unwrap();
            assert!(read > 0);
        }
        let idle_since = Instant::now();
        let _ = server.await.unwrap();
        assert_eq!((Instant::now() - idle_since).as_secs(), HEAD_PATIENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_cannot_hold_a_stream_for_ever() {
        let (mut client, server) = greeter(4096);
        client.write_all(b"GET /endless HTTP/1.1\r\nhost: mynah\r\n\r\n").await.unwrap();
        assert!(server.await.unwrap().is_err());
    }

    #[tokio::test]
    async fn accepted_connections_send_small_chunks_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (socket, _) = accepted.unwrap();
        assert!(!socket.nodelay().unwrap(), "the system's own default");
        assert!(prepared(socket).nodelay().unwrap());
        drop(client);
    }
}
