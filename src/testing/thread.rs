//! The server's own thread: where it runs, how it is spoken to, and how it ends.
//!
//! The thread has a runtime of its own, and everything that touches the store or waits happens on it: a
//! test's runtime may end, pause its time or be blocked by the very client that the server answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::{Error, StartError};
use crate::app::{AccountRegistry, Snapshots};
use crate::config::Config;
use crate::fixtures::CheckedFixtures;
use crate::server::{STOP_MARGIN, Server};

/// What accounts need of their server. It may be gone.
#[derive(Debug, Clone)]
pub(super) struct ServerHandle {
    pub(super) address: SocketAddr,
    pub(super) registry: Arc<AccountRegistry>,
    pub(super) snapshots: Snapshots,
    runtime: Handle,
}

impl ServerHandle {
    /// `path` as clients reach it.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Does `act` where the server runs, to its end even if nobody waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        act: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        outcome(self.runtime.spawn(act).await)
    }

    /// Begins `act` where the server runs; nobody waits for it.
    pub(super) fn begin(&self, act: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(act));
    }

    /// Waits for `wait` where the server runs, as long as somebody waits for it.
    pub(super) async fn wait<T: Send + 'static>(
        &self,
        wait: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        outcome(AbortOnDropHandle::new(self.runtime.spawn(wait)).await)
    }
}

fn outcome<T>(ended: Result<T, tokio::task::JoinError>) -> Result<T, Error> {
    ended.map_err(|error| match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_) => Error::Stopped,
    })
}

/// What a server is started with.
#[derive(Debug)]
pub(super) struct StartRequest {
    pub(super) port: u16,
    pub(super) config: Config,
    pub(super) fixtures: CheckedFixtures,
    /// How long running answers get at a stop.
    pub(super) grace: Duration,
}

/// How long the thread may take to end beyond the time that running answers get.
const THREAD_MARGIN: Duration = STOP_MARGIN.saturating_add(Duration::from_millis(200));

/// A server that runs; dropped, it is stopped at once.
#[derive(Debug)]
pub(super) struct RunningServer {
    /// How long running answers get.
    stop: Option<oneshot::Sender<Duration>>,
    thread: Option<Thread>,
    grace: Duration,
}

/// The server's thread.
#[derive(Debug)]
struct Thread {
    handle: JoinHandle<()>,
    /// Nothing is sent here: the other end is dropped when the thread is through. The lock is never
    /// contended, it makes the receiver shareable.
    ended: Mutex<mpsc::Receiver<()>>,
}

impl RunningServer {
    /// Stops the server in good order.
    pub(super) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // It has ended already, otherwise.
            let _ = stop.send(self.grace);
        }
        let Some(thread) = self.thread.take() else { return };
        let limit = self.grace.saturating_add(THREAD_MARGIN);
        let (joined, ended) = oneshot::channel::<()>();
        // On a thread, since the runtime of the caller may be of any kind, its time paused.
        let join = std::thread::Builder::new().name("mynah-stop".to_owned()).spawn(move || {
            thread.join(limit);
            drop(joined);
        });
        if join.is_ok() {
            let _ = ended.await;
        }
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join(THREAD_MARGIN);
        }
    }
}

impl Thread {
    /// Waits for its end, or leaves it to itself after `limit`: work that does not stop, such as
    /// the rendering of an endless template, cannot be interrupted.
    fn join(self, limit: Duration) {
        if self.ended.into_inner().recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::error!("abandoned: a server that did not stop within {limit:?}");
        } else {
            // Its panic was told where it happened.
            let _ = self.handle.join();
        }
    }
}

/// Starts a server, and returns when it answers.
pub(super) async fn start(
    order: StartRequest,
) -> Result<(ServerHandle, RunningServer), StartError> {
    let grace = order.grace;
    let (ready, started) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    let (end, ended) = mpsc::channel::<()>();
    let serving = move || {
        run(order, ready, stopped);
        drop(end);
    };
    let thread = std::thread::Builder::new().name("mynah".to_owned()).spawn(serving);
    let handle = thread.map_err(StartError::Thread)?;
    let thread = Some(Thread { handle, ended: Mutex::new(ended) });
    let running = RunningServer { stop: Some(stop), thread, grace };
    let core = started.await.map_err(|_| StartError::Ended)??;
    Ok((core, running))
}

type Ready = oneshot::Sender<Result<ServerHandle, StartError>>;

fn run(order: StartRequest, ready: Ready, stopped: oneshot::Receiver<Duration>) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(StartError::Thread(error)));
            return;
        }
    };
    runtime.block_on(serve(order, ready, stopped));
    // What is still drawn for nobody is not waited for.
    runtime.shutdown_background();
}

async fn serve(order: StartRequest, ready: Ready, stopped: oneshot::Receiver<Duration>) {
    let (app, listener, core) = match prepare(order).await {
        Ok(prepared) => prepared,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    // Nobody is left to stop it who did not wait for its start: that is a stop, too.
    let _ = ready.send(Ok(core));
    app.serve_until(listener, async { stopped.await.unwrap_or_default() }).await;
}

async fn prepare(order: StartRequest) -> Result<(Server, TcpListener, ServerHandle), StartError> {
    let StartRequest { port, config, fixtures, grace: _ } = order;
    let listen = |source| StartError::Listen { port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let app = Server::build_from(&config, fixtures).await?;
    let registry = Arc::clone(app.registry());
    let snapshots = Snapshots::new(app.store().clone(), Arc::clone(&registry));
    Ok((app, listener, ServerHandle { address, registry, snapshots, runtime: Handle::current() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_does_not_end_is_not_waited_for_beyond_the_limit() {
        let (let_go, until_let_go) = mpsc::channel::<()>();
        let (end, ended) = mpsc::channel::<()>();
        let handle = std::thread::spawn(move || {
            let _ = until_let_go.recv();
            drop(end);
        });
        let thread = Some(Thread { handle, ended: Mutex::new(ended) });
        drop(RunningServer { stop: None, thread, grace: Duration::ZERO });
        drop(let_go);
    }
}
