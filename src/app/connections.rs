//! Connections: accepted, served over HTTP/1.1, and ended in good order; or cut, where a fault
//! says so.

mod socket;

use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use self::socket::Socket;
use crate::http::Line;

/// How long a client may take to send the head of a request, the first as well as each further
/// one: slow and idle clients are let go then. Longer than most clients keep idle connections.
const HEAD_PATIENCE: Duration = Duration::from_secs(75);
/// How long accepting rests when the system has no more sockets to give.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(50);

/// Serves `router` until `stop` comes, and then lets connections finish within `grace`.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    grace: Duration,
) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(attend(socket, router.clone(), graceful.watcher()));
                }
                Err(fault) => {
                    tracing::warn!(%fault, "cannot accept a connection");
                    rest().await;
                }
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still busy after {grace:?} and are cut off");
    }
    connections.shutdown().await;
}

/// Serves one connection until it ends, in good order or cut by a fault.
async fn attend(socket: TcpStream, router: Router, watcher: Watcher) {
    // Without it every chunk of a stream waits for the acknowledgement of the one before it, which
    // clients delay by up to 40 ms.
    if let Err(fault) = socket.set_nodelay(true) {
        tracing::debug!(%fault, "TCP_NODELAY could not be set");
    }
    let line = Line::default();
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(line.clone());
        let (answer, line) = (router.clone().oneshot(request), line.clone());
        async move {
            let answer = answer.await;
            if line.is_cut() {
                // The answer is logged, and never sent.
                std::future::pending::<()>().await;
            }
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(Socket { socket, line: line.clone() }), service);
    tokio::select! {
        outcome = watcher.watch(connection) => {
            if let Err(fault) = outcome {
                tracing::debug!(%fault, "a connection ended in disorder");
            }
        }
        () = line.until_cut() => {}
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the wire's own waiting; no account's clock is meant"
)]
async fn rest() {
    tokio::time::sleep(OUT_OF_SOCKETS).await;
}
