//! Accepts connections, serves HTTP/1.1 on them, and closes them: after their responses, or at once if
//! a fault or the end of an account aborts them.

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

/// How long a client may take to send the head of a request, from the end of the response before it. Slow
/// and idle connections are closed then. Most clients keep idle connections for a shorter time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// The pause after a failure to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
                    pause().await;
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

/// Serves one connection until it ends or is aborted.
async fn serve_connection(socket: TcpStream, pipeline: Pipeline, watcher: Watcher) {
    let abort = ConnectionAbort::default();
    let account_end = AccountEndWatch::default();
    let service = service_fn(async |request: hyper::Request<Incoming>| {
        let framed = request.version() >= Version::HTTP_11 || request.method() == Method::HEAD;
        let response = account_end.of(pipeline.answer(&abort, request).await);
        if abort.is_cut() {
            // The response is logged and not sent.
            std::future::pending::<()>().await;
        }
        if framed || response.body().size_hint().exact().is_some() {
            return Ok::<_, Infallible>(response);
        }
        Ok(response.map(|body| Body::new(Unframed::new(body, abort.clone()))))
    });
    let refusals = Refusals::new(pipeline.clone(), abort.clone());
    let socket = Socket { stream: without_delay(socket), abort: abort.clone(), refusals };
    let mut served = std::pin::pin!(watcher.watch(connection(socket, service)));
    // An aborted connection ends here, although its service is still pending.
    let outcome = poll_fn(|context| match served.as_mut().poll(context) {
        Poll::Pending if abort.is_cut() => Poll::Ready(Ok(())),
        Poll::Pending if account_end.poll(context).is_ready() => {
            abort.cut();
            Poll::Ready(Ok(()))
        }
        polled => polled,
    });
    if let Err(error) = outcome.await {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

fn without_delay(socket: TcpStream) -> TcpStream {
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
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(StallTimeout::new(socket)), service)
}

#[expect(clippy::disallowed_methods, reason = "not on the clock of an account")]
async fn pause() {
    tokio::time::sleep(ACCEPT_PAUSE).await;
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

    /// A server on the other end of a pipe that holds `capacity` bytes.
    fn start_server(capacity: usize) -> (DuplexStream, tokio::task::JoinHandle<hyper::Result<()>>) {
        let endless = || stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(b"word ")));
        let router = Router::new()
            .route("/", get(async || "hello"))
            .route("/endless", get(async move || Body::from_stream(endless())));
        let (client, server) = duplex(capacity);
        (client, tokio::spawn(connection(server, TowerToHyperService::new(router))))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_finish_a_head_is_disconnected() {
        let (mut client, server) = start_server(4096);
        let start = Instant::now();
        client.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
        assert!(server.await.unwrap().unwrap_err().is_timeout());
        assert_eq!((Instant::now() - start).as_secs(), HEAD_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_client_is_disconnected() {
        let (mut client, server) = start_server(4096);
        for _ in 0..3 {
            tokio::time::advance(HEAD_TIMEOUT / 2).await;
            client.write_all(b"GET / HTTP/1.1\r\nhost: mynah\r\n\r\n").await.unwrap();
            let read = client.read(&mut [0; 4096]).await.unwrap();
            assert!(read > 0);
        }
        let idle_since = Instant::now();
        let _ = server.await.unwrap();
        assert_eq!((Instant::now() - idle_since).as_secs(), HEAD_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_to_a_client_that_does_not_read_ends() {
        let (mut client, server) = start_server(4096);
        client.write_all(b"GET /endless HTTP/1.1\r\nhost: mynah\r\n\r\n").await.unwrap();
        assert!(server.await.unwrap().is_err());
    }

    #[tokio::test]
    async fn accepted_connections_send_small_chunks_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (socket, _) = accepted.unwrap();
        assert!(!socket.nodelay().unwrap(), "the default of the system");
        assert!(without_delay(socket).nodelay().unwrap());
        drop(client);
    }
}
