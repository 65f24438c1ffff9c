//! The soak: asks a server everything there is, also what is hostile, for a while, and looks at what
//! is left behind. docs/robustness.md says what is asked and which bounds hold.
//!
//! Chance begins at a fixed seed: every run asks the same things in the same order, and only how
//! far it gets depends on the machine.

mod ask;
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
use self::report::{GROWTH, Report, Sample};
use self::round::Round;
use self::samples::Samples;
use self::tally::Tally;
use crate::server::{Log, Mynah, Server};
use crate::{say, streams as paced, tell};

/// Clients at once.
const WORKERS: u64 = 4;
/// Descriptors that this program and the server need.
const OPEN_FILES: u32 = 1000;
/// How long the server gets to close what clients have left.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);
/// How long it gets to end: its grace, and two seconds.
const ENDS_WITHIN: Duration = Duration::from_secs(12);

/// What every client of a run shares.
pub(crate) struct Shared {
    server: Server,
    samples: Samples,
    operations: Operations,
    tally: Tally,
    seed: u64,
}

/// Soaks a server for `seconds`; gives whether all bounds held.
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
    let server = mynah.start(&options.map(str::to_owned), Log::Usual(&log))?;
    let report = runtime.block_on(run(server, Duration::from_secs_f64(seconds), seed));
    let report = report.with_context(|| {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        format!(
            "the soak cannot go on; the last lines of the server's log, the last first: {last:#?}"
        )
    })?;
    say(&report.to_string())?;
    Ok(report.failures.is_empty())
}

async fn run(server: Server, time: Duration, seed: u64) -> anyhow::Result<Report> {
    let operations = Operations::of_routes().await?;
    let (samples, tally) = (Samples::of_documents()?, Tally::default());
    let shared = Rc::new(Shared { server, samples, operations, tally, seed });
    // What is set up by the first requests of all is no growth.
    tell("soak: warm-up")?;
    let watch = Stopwatch::start();
    let mut rounds = work(&shared, 0, Duration::ZERO).await?;
    let start = settled(&shared, None).await?;
    let half = time.saturating_sub(watch.elapsed()) / 2;
    tell("soak: first half")?;
    rounds += work(&shared, rounds, half).await?;
    let middle = settled(&shared, Some(&start)).await?;
    tell("soak: second half")?;
    rounds += work(&shared, rounds, half).await?;
    let end = settled(&shared, Some(&middle)).await?;
    let unasked = shared.operations.unasked(&shared.server).await?;
    let mut report = Report::of(&shared.tally, [start, middle, end], rounds, unasked);
    let shared = Rc::into_inner(shared).context("a client is still there")?;
    if let Err(error) = shared.server.terminate(ENDS_WITHIN) {
        report.failures.push(format!("on SIGTERM: {error:#}"));
    }
    Ok(report)
}

/// Lets every worker visit the server until `time` is over, and once at least; beside them,
/// somebody asks all the time how the server is. Gives the rounds.
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
        failed = ask::keep_asking_for_health(shared) => failed.map(|()| 0),
    }
}

/// What the server holds when nobody asks for anything; `before` tells what it should be back at.
async fn settled(shared: &Shared, before: Option<&Sample>) -> anyhow::Result<Sample> {
    let mut tick = interval(Duration::from_millis(100));
    let settling = async {
        loop {
            tick.tick().await;
            let sample = Sample::of(&shared.server)?;
            let returned = before.is_none_or(|before| {
                // The allocator gives pages back some time after they were freed.
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
        // The report says what did not come back.
        Err(_) => Sample::of(&shared.server),
    }
}
