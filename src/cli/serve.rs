//! `mynah serve`: log, database, listener, banner and graceful stop.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use super::signals;
use super::{LogFormat, Serve};
use crate::clock::Stopwatch;
use crate::domain::{Api, ApiKey};
use crate::ids::random_seed;
use crate::server::{STOP_MARGIN, Server, Shutdown};
use crate::storage;

/// How long the process may take to end after the grace.
///
/// It is longer than the server's own limit, so that the server closes its database first, and shorter
/// than the documented two seconds.
pub(super) const END_MARGIN: Duration = STOP_MARGIN.saturating_add(Duration::from_millis(200));

/// How long tasks on other threads may take to end after the server has stopped.
const THREADS_LIMIT: Duration = Duration::from_millis(100);

/// Runs the server until SIGINT or SIGTERM.
pub(super) fn serve(options: &Serve) -> anyhow::Result<ExitCode> {
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

/// Stops the runtime. Blocking work (drawing, counting, reading) cannot be interrupted and is
/// abandoned.
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
/// A mock server shares the machine with its clients. A thread for every processor would compete with
/// them: on two processors, one thread answers more than two do (docs/performance.md, "Threads").
pub(super) fn runtime(options: &Serve) -> anyhow::Result<Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = options.threads.map_or_else(|| (processors - 1).max(1), NonZeroUsize::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

async fn run(
    options: &Serve,
    stop: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) -> anyhow::Result<Shutdown> {
    let config = options.config(options.seed.unwrap_or_else(random_seed));
    let app = Server::build(&config).await?;
    let wanted = SocketAddr::new(options.address.host, options.address.port);
    let listener =
        TcpListener::bind(wanted).await.with_context(|| format!("cannot listen on {wanted}"))?;
    let address = listener.local_addr().context("cannot tell the port")?;
    let banner = banner(options, address, &app);
    let server = tokio::spawn(app.serve(listener, stop, grace));
    // The listener is bound, so requests sent after the banner are answered. A closed standard output
    // does not stop the server.
    let _ = std::io::stdout().write_all(banner.as_bytes());
    tokio::task::spawn_blocking(o200k::warm_up);
    server.await.context("the server failed")
}

/// Sets up the log on standard error.
pub(super) fn start_log(options: &Serve) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log)
        .with_context(|| format!("`{}` is no log filter", options.log))?;
    let colours = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        // An error in writing the log would be printed to standard error, which is the log: if it is
        // closed, that panics within a request.
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

fn banner(options: &Serve, address: SocketAddr, app: &Server) -> String {
    let base = match &options.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("http://{}", reachable(address)),
    };
    let fixtures = app.fixtures();
    let key_of = |id: &str| {
        let account = fixtures.accounts.iter().find(|account| account.id.as_str() == id);
        account.and_then(|account| account.keys.first()).map(|key| key.reveal().to_owned())
    };
    let keys: Vec<String> = fixtures
        .accounts
        .iter()
        .filter_map(|account| {
            let keys: Vec<&str> = account.keys.iter().map(ApiKey::reveal).collect();
            (!keys.is_empty())
                .then(|| format!("    {:<12} {}\n", account.id.as_str(), keys.join(", ")))
        })
        .collect();
    let samples = fixtures
        .deployments
        .values()
        .rev()
        .find_map(|deployment| Some((deployment, key_of(deployment.owner.as_str())?)));
    let curl = samples.map_or_else(String::new, |(deployment, key)| {
        let start = format!("{base}{}/{}", Api::Runner.prefix(), deployment.id);
        let headers = format!("-H 'content-type: application/json' -H 'x-api-key: {key}'");
        let body =
            |text| format!("-d '{{\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}}'");
        format!(
            "  Try it\n    curl {start} {headers} {}\n    curl -N {start}/stream {headers} {}\n\n",
            body("Your input message here."),
            body("Tell me a story."),
        )
    });
    format!(
        "Mynah {version}\n\n  Runner API      {base}{runner}\n  Characters API  {base}{characters}\n  Health          {base}/_mynah/health\n  \
         Database        {database}\n\n  Keys\n{keys}\n{curl}Ready on {base}\n",
        runner = Api::Runner.prefix(),
        characters = Api::Characters.prefix(),
        version = env!("CARGO_PKG_VERSION"),
        database = whereabouts(&options.database),
        keys = keys.concat(),
    )
}

/// The database for the banner: a relative path with its folder.
fn whereabouts(url: &str) -> String {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    match std::env::current_dir() {
        Ok(here) if !storage::is_in_memory(url) && Path::new(path).is_relative() => {
            format!("{url} in {}", here.display())
        }
        _ => url.to_owned(),
    }
}

/// The address under which this machine reaches the server.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
