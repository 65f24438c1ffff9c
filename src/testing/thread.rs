//! The thread of the server: start, calls from the test, and stop.
//!
//! The thread has a runtime of its own. Everything that uses the database or waits runs there, because
//! the test's runtime may end, pause its time, or be blocked by the client that the server answers.

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
use crate::app::{AccountRegistry, AgentRuns, Snapshots, Triggers};
use crate::config::Config;
use crate::fixtures::CheckedFixtures;
use crate::server::{STOP_MARGIN, Server};

/// A handle of the server for its accounts. The server may have stopped.
#[derive(Debug, Clone)]
pub(super) struct ServerHandle {
    pub(super) address: SocketAddr,
    pub(super) registry: Arc<AccountRegistry>,
    pub(super) snapshots: Snapshots,
    pub(super) triggers: Triggers,
    pub(super) agent_runs: AgentRuns,
    runtime: Handle,
}

impl ServerHandle {
    /// The URL of `path`.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Runs `work` on the server's runtime, to its end even if the caller stops waiting.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        outcome(self.runtime.spawn(work).await)
    }

    /// Starts `work` on the server's runtime without waiting for it.
    pub(super) fn begin(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(work));
    }

    /// Waits for `wait` on the server's runtime; stops when the caller stops waiting.
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

/// What the thread needs to start the server.
#[derive(Debug)]
pub(super) struct StartRequest {
    pub(super) port: u16,
    pub(super) config: Config,
    pub(super) fixtures: CheckedFixtures,
    /// The grace at a stop.
    pub(super) grace: Duration,
}

/// How long the thread may take to end after the grace.
const THREAD_MARGIN: Duration = STOP_MARGIN.saturating_add(Duration::from_millis(200));

/// A running server; dropping it stops it at once.
#[derive(Debug)]
pub(super) struct RunningServer {
    /// The grace.
    stop: Option<oneshot::Sender<Duration>>,
    thread: Option<Thread>,
    grace: Duration,
}

#[derive(Debug)]
struct Thread {
    handle: JoinHandle<()>,
    /// Nothing is sent: the sender is dropped when the thread ends. The lock makes the receiver `Sync`
    /// and is never contended.
    ended: Mutex<mpsc::Receiver<()>>,
}

impl RunningServer {
    /// Stops the server gracefully.
    pub(super) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that it has already ended.
            let _ = stop.send(self.grace);
        }
        let Some(thread) = self.thread.take() else { return };
        let limit = self.grace.saturating_add(THREAD_MARGIN);
        let (joined, ended) = oneshot::channel::<()>();
        // On a thread, because the caller's runtime may be of any kind, with its time paused.
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
    /// Waits for the end of the thread, at most for `limit`. Work that does not stop cannot be
    /// interrupted and is abandoned.
    fn join(self, limit: Duration) {
        if self.ended.into_inner().recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::error!("abandoned: a server that did not stop within {limit:?}");
        } else {
            // The panic was reported where it happened.
            let _ = self.handle.join();
        }
    }
}

/// Starts a server and returns when it accepts connections.
pub(super) async fn start(
    request: StartRequest,
) -> Result<(ServerHandle, RunningServer), StartError> {
    let grace = request.grace;
    let (ready, started) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    let (end, ended) = mpsc::channel::<()>();
    let serving = move || {
        run(request, ready, stopped);
        drop(end);
    };
    let thread = std::thread::Builder::new().name("mynah".to_owned()).spawn(serving);
    let handle = thread.map_err(StartError::Thread)?;
    let thread = Some(Thread { handle, ended: Mutex::new(ended) });
    let running = RunningServer { stop: Some(stop), thread, grace };
    let server = started.await.map_err(|_| StartError::Ended)??;
    Ok((server, running))
}

type Ready = oneshot::Sender<Result<ServerHandle, StartError>>;

fn run(request: StartRequest, ready: Ready, stopped: oneshot::Receiver<Duration>) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(StartError::Thread(error)));
            return;
        }
    };
    runtime.block_on(serve(request, ready, stopped));
    // Blocking work is not waited for.
    runtime.shutdown_background();
}

async fn serve(request: StartRequest, ready: Ready, stopped: oneshot::Receiver<Duration>) {
    let (app, listener, server) = match prepare(request).await {
        Ok(prepared) => prepared,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    // If the caller did not wait for the start, the server stops at once.
    let _ = ready.send(Ok(server));
    app.serve_until(listener, async { stopped.await.unwrap_or_default() }).await;
}

async fn prepare(request: StartRequest) -> Result<(Server, TcpListener, ServerHandle), StartError> {
    let StartRequest { port, config, fixtures, grace: _ } = request;
    let listen = |source| StartError::Listen { port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let app = Server::build_from(&config, fixtures).await?;
    let registry = Arc::clone(app.registry());
    let snapshots = Snapshots::new(Arc::clone(app.storage()), Arc::clone(&registry));
    let triggers = Triggers::new(Arc::clone(app.storage()));
    let (agent_runs, runtime) = (app.agent_runs().clone(), Handle::current());
    let handle = ServerHandle { address, registry, snapshots, triggers, agent_runs, runtime };
    Ok((app, listener, handle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_does_not_end_is_not_waited_for_beyond_the_limit() {
        let (release, released) = mpsc::channel::<()>();
        let (end, ended) = mpsc::channel::<()>();
        let handle = std::thread::spawn(move || {
            let _ = released.recv();
            drop(end);
        });
        let thread = Some(Thread { handle, ended: Mutex::new(ended) });
        drop(RunningServer { stop: None, thread, grace: Duration::ZERO });
        drop(release);
    }
}
