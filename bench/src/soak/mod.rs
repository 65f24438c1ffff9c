//! The soak: sends every kind of request, including hostile ones, for a while, and checks for leaks.
//! docs/robustness.md lists the requests and the bounds.
//!
//! The seed is fixed: every run sends the same requests in the same order; how many depends on the
//! machine.

mod agent_runs;
mod client;
mod control;
mod faults;
mod hostile;
mod operations;
mod report;
mod round;
mod samples;
mod streams;
mod tally;
mod wire;

use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::try_join_all;
use mynah::clock::Stopwatch;
use tokio::time::{interval, timeout};

use self::operations::Operations;
use self::report::{GROWTH, Sample, SoakReport};
use self::round::Round;
use self::samples::Samples;
use self::tally::Tally;
use crate::server::{Log, Mynah, Server};
use crate::{print, progress, streams as paced};

/// Concurrent clients.
const WORKERS: u64 = 4;
/// Descriptors needed by this program and the server.
const OPEN_FILES: u32 = 1000;
/// Time for the server to close abandoned connections.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);
/// Time for the server to exit: its grace plus two seconds.
const ENDS_WITHIN: Duration = Duration::from_secs(12);

/// State shared by the clients of a run.
pub(crate) struct Shared {
    server: Server,
    samples: Samples,
    operations: Operations,
    tally: Tally,
    seed: u64,
}

/// Runs the soak for `seconds`; returns whether all bounds held.
pub(crate) fn soak(mynah: &Mynah, seconds: f64, seed: u64) -> anyhow::Result<bool> {
    paced::raise_open_files(OPEN_FILES)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let database = format!("sqlite://{}", folder.path().join("soak.db").display());
    let (seeded, log) = (seed.to_string(), folder.path().join("log"));
    let options = [
        "--database",
        &database,
        "--seed",
        &seeded,
        "--pace",
        "0",
        "--fault-header",
        "--log",
        "warn",
    ];
    let server = mynah.start(&options.map(str::to_owned), Log::Default(&log))?;
    let report = runtime.block_on(run(server, Duration::from_secs_f64(seconds), seed));
    let report = report.with_context(|| {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        format!("the soak cannot continue; last lines of the server's log, latest first: {last:#?}")
    })?;
    print(&report.to_string())?;
    Ok(report.failures.is_empty())
}

async fn run(server: Server, time: Duration, seed: u64) -> anyhow::Result<SoakReport> {
    let operations = Operations::of_routes().await?;
    let (samples, tally) = (Samples::of_documents()?, Tally::default());
    let shared = Rc::new(Shared { server, samples, operations, tally, seed });
    // One-time set-up by the first requests does not count as growth.
    progress("soak: warm-up")?;
    let watch = Stopwatch::start();
    let mut rounds = work(&shared, 0, Duration::ZERO).await?;
    let start = settled(&shared, None).await?;
    let half = time.saturating_sub(watch.elapsed()) / 2;
    progress("soak: first half")?;
    rounds += work(&shared, rounds, half).await?;
    let middle = settled(&shared, Some(&start)).await?;
    progress("soak: second half")?;
    rounds += work(&shared, rounds, half).await?;
    let end = settled(&shared, Some(&middle)).await?;
    let unrequested = shared.operations.unrequested(&shared.server).await?;
    let mut report = SoakReport::of(&shared.tally, [start, middle, end], rounds, unrequested);
    let shared = Rc::into_inner(shared).context("a client is still there")?;
    if let Err(error) = shared.server.terminate(ENDS_WITHIN) {
        report.failures.push(format!("on SIGTERM: {error:#}"));
    }
    Ok(report)
}

/// Runs rounds in every worker until `time` is over, at least one, while polling the server's health. Returns
/// the number of rounds.
async fn work(shared: &Rc<Shared>, first: u64, time: Duration) -> anyhow::Result<u64> {
    let watch = Stopwatch::start();
    let workers = (0..WORKERS).map(|worker| {
        let watch = &watch;
        async move {
            let mut round = first;
            loop {
                Round::begin(shared, worker, round).await?.all().await?;
                round += 1;
                if watch.elapsed() >= time {
                    return anyhow::Ok(round - first);
                }
            }
        }
    });
    let workers = try_join_all(workers);
    tokio::select! {
        rounds = workers => Ok(rounds?.into_iter().max().unwrap_or_default()),
        failed = client::poll_health(shared) => failed.map(|()| 0),
    }
}

/// Samples the idle server, after waiting until it has returned to `before` or the time is over.
async fn settled(shared: &Shared, before: Option<&Sample>) -> anyhow::Result<Sample> {
    let mut tick = interval(Duration::from_millis(100));
    let settling = async {
        loop {
            tick.tick().await;
            let sample = Sample::of(&shared.server)?;
            let returned = before.is_none_or(|before| {
                // The allocator returns pages with a delay.
                let memory = sample.resident <= before.resident + GROWTH;
                memory && sample.files <= before.files
            });
            if returned && operations::open_streams(&shared.server).await? == 0 {
                return Sample::of(&shared.server);
            }
        }
    };
    match timeout(SETTLES_WITHIN, settling).await {
        Ok(sample) => sample,
        // The report names what was not released.
        Err(_) => Sample::of(&shared.server),
    }
}
