//! `mynah serve`: log, runtime, listener and graceful stop.

mod banner;

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use super::serve_options::{LogFormat, ServeOptions};
use super::signals;
use crate::clock::Stopwatch;
use crate::server::{STOP_MARGIN, Server, Shutdown};

/// How long the process may take to end after the grace: longer than the server's own limit, so that the
/// server closes its database first, and shorter than the documented two seconds.
pub(super) const END_MARGIN: Duration = STOP_MARGIN.saturating_add(Duration::from_millis(200));

/// How long tasks on other threads may take to end after the server has stopped.
const THREADS_LIMIT: Duration = Duration::from_millis(100);

/// Runs the server until SIGINT or SIGTERM.
pub(super) fn serve(options: &ServeOptions) -> anyhow::Result<ExitCode> {
    start_log(options)?;
    let grace = Duration::from_secs(options.grace);
    let stop = signals::stop_signal(grace.saturating_add(END_MARGIN))
        .context("cannot listen for signals")?;
    let runtime = runtime(options)?;
    let shutdown = runtime.block_on(run(options, stop, grace));
    end(runtime);
    Ok(match shutdown? {
        Shutdown::Complete => ExitCode::SUCCESS,
        Shutdown::Incomplete => ExitCode::FAILURE,
    })
}

/// Stops the runtime. Blocking work that does not end in time is abandoned.
pub(super) fn end(runtime: Runtime) {
    let stopwatch = Stopwatch::start();
    runtime.shutdown_timeout(THREADS_LIMIT);
    if stopwatch.elapsed() >= THREADS_LIMIT {
        signals::log_briefly(|| {
            // On a loaded machine threads may just be slow to end, so this is not a warning.
            tracing::info!("abandoned: work on other threads that did not stop");
        });
    }
}

/// The runtime of the server.
///
/// By default one processor is left to clients and the database: on two processors, one thread answers
/// more requests than two do (docs/performance.md, "Threads").
pub(super) fn runtime(options: &ServeOptions) -> anyhow::Result<Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = options.threads.map_or_else(|| (processors - 1).max(1), NonZeroUsize::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

async fn run(
    options: &ServeOptions,
    stop: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) -> anyhow::Result<Shutdown> {
    let (server, listener, address) = bind(options).await?;
    let banner = banner::banner(options, address, &server.fixtures());
    let server = tokio::spawn(server.serve(listener, stop, grace));
    // A closed standard output does not stop the server.
    let _ = std::io::stdout().write_all(banner.as_bytes());
    tokio::task::spawn_blocking(o200k::warm_up);
    server.await.context("the server failed")
}

/// Builds the server and its listener.
pub(super) async fn bind(
    options: &ServeOptions,
) -> anyhow::Result<(Server, TcpListener, SocketAddr)> {
    let server = Server::build(&options.config()).await?;
    let address = options.address.socket();
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr().context("cannot tell the port")?;
    Ok((server, listener, address))
}

/// Sets up the log on standard error.
pub(super) fn start_log(options: &ServeOptions) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log)
        .with_context(|| format!("`{}` is no log filter", options.log))?;
    let colours = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        // Errors of writing the log would be printed to standard error, which panics if it is closed.
        .log_internal_errors(false)
        .with_env_filter(filter);
    match options.log_format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).with_target(false).init(),
    }
    // One line in the format of the log, instead of several on standard error.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, panic = panic.payload_as_str().unwrap_or("(no message)"), "a panic");
    }));
    Ok(())
}
