//! Connections: accepted, served over HTTP/1.1, and ended in good order.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

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
                    let connection = connection(socket, router.clone());
                    let watched = graceful.watch(connection);
                    connections.spawn(async move {
                        if let Err(fault) = watched.await {
                            tracing::debug!(%fault, "a connection ended in disorder");
                        }
                    });
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

fn connection(
    socket: TcpStream,
    router: Router,
) -> http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>> {
    // Without it every chunk of a stream waits for the acknowledgement of the one before it, which
    // clients delay by up to 40 ms.
    if let Err(fault) = socket.set_nodelay(true) {
        tracing::debug!(%fault, "TCP_NODELAY could not be set");
    }
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the wire's own waiting; no account's clock is meant"
)]
async fn rest() {
    tokio::time::sleep(OUT_OF_SOCKETS).await;
}
