//! Many paced streams at once: lateness of each word and memory per stream.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use hyper::StatusCode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::ceiling::{self, BodyKind};
use crate::figures::{empty_histogram, median, mega, milliseconds, note};
use crate::load::Connection;
use crate::seed::WorkFolder;
use crate::server::{Log, Mynah, Server};
use crate::workloads::{ECHO_STREAM_PATH, Rules, echo_stream};

/// Words per stream.
const WORDS: u32 = 50;
/// Time between two words.
const PACE: Duration = Duration::from_millis(50);
/// Descriptors besides those of the streams.
const OTHER_FILES: u64 = 100;

/// When the streams start.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum StartPattern {
    /// Spread evenly over a second, as those of many clients do.
    Spread,
    /// All at once: each word is due for all streams at the same time.
    Together,
}

/// The results of one run.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Lateness {
    /// Median lateness of words in milliseconds.
    pub(crate) p50_ms: f64,
    /// 99th percentile of the lateness.
    pub(crate) p99_ms: f64,
    /// Maximum lateness.
    pub(crate) max_ms: f64,
    /// 99th percentile of the time by which gaps between words exceeded the pace, in milliseconds.
    pub(crate) gap_p99_ms: f64,
    /// Processor time in seconds per 1,000 streams.
    pub(crate) cpu_per_1000: f64,
    /// Growth of the server's memory in kilobytes (1,000 bytes) per stream.
    pub(crate) kilobytes: f64,
}

/// Alternating runs of Mynah and the bare server.
#[derive(Debug, Serialize)]
pub(crate) struct Streams {
    /// Concurrent streams.
    pub(crate) count: u32,
    /// When they start.
    pub(crate) begin: StartPattern,
    mynah: Vec<Lateness>,
    ceiling: Vec<Lateness>,
}

impl Streams {
    /// `count` streams without results.
    pub(crate) fn new(count: u32, begin: StartPattern) -> Self {
        Self { count, begin, mynah: Vec::new(), ceiling: Vec::new() }
    }

    /// Measures one more round.
    pub(crate) fn measure(&mut self, mynah: &Mynah, folder: &WorkFolder) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let fixtures = folder.fixtures(Rules::BuiltIn)?.display().to_string();
        let pace = PACE.as_millis().to_string();
        let options =
            ["--pace", &pace, "--database", "sqlite::memory:", "--fixtures", fixtures.as_str()];
        let server = mynah.start(&options.map(str::to_owned), Log::Warnings)?;
        self.mynah.push(runtime.block_on(self.run(&server))?);
        let words = text();
        let server = Server::ceiling(&ceiling::CeilingSpec {
            path: ECHO_STREAM_PATH.to_owned(),
            body_kind: BodyKind::Content,
            status: 200,
            content_type: "text/plain; charset=utf-8".to_owned(),
            chunks: mynah::domain::words::split(&words).map(str::to_owned).collect(),
            pace: Some(u64::try_from(PACE.as_millis())?),
        })?;
        self.ceiling.push(runtime.block_on(self.run(&server))?);
        Ok(())
    }

    async fn run(&self, server: &Server) -> anyhow::Result<Lateness> {
        // One-time set-up by the first request does not count.
        Connection::open(server.address).await?.send(echo_stream("one")?).await?;
        let before = server.cost()?;
        let mut connections = Vec::new();
        for _ in 0..self.count {
            connections.push(Connection::open(server.address).await?);
        }
        let begin = Instant::now() + Duration::from_millis(100);
        let apart = match self.begin {
            StartPattern::Spread => Duration::from_secs(1) / self.count,
            StartPattern::Together => Duration::ZERO,
        };
        let streams = connections
            .into_iter()
            .zip(0..)
            .map(|(connection, nth)| tokio::spawn(watch(connection, begin + apart * nth)));
        let streams = try_join_all(streams.collect::<Vec<_>>());
        let in_the_middle = async {
            // All streams are running at this time.
            sleep_until(begin + Duration::from_secs(1) + PACE * WORDS / 4).await;
            server.cost()
        };
        let (streams, middle) = tokio::join!(streams, in_the_middle);
        let (mut late, mut gaps) = (empty_histogram()?, empty_histogram()?);
        for watched in streams? {
            let (late_one, gaps_one) = watched?;
            late += late_one;
            gaps += gaps_one;
        }
        let grown = middle?.resident.saturating_sub(before.resident);
        let cpu = server.cost()?.cpu - before.cpu;
        Ok(Lateness {
            p50_ms: milliseconds(&late, 0.5),
            p99_ms: milliseconds(&late, 0.99),
            max_ms: milliseconds(&late, 1.0),
            gap_p99_ms: milliseconds(&gaps, 0.99),
            cpu_per_1000: cpu / f64::from(self.count) * 1000.0,
            kilobytes: mega(grown) * 1000.0 / f64::from(self.count),
        })
    }

    /// Medians over the runs of Mynah and of the bare server.
    pub(crate) fn medians(&self) -> anyhow::Result<(Lateness, Lateness)> {
        Ok((Lateness::median(&self.mynah)?, Lateness::median(&self.ceiling)?))
    }
}

impl Lateness {
    fn median(runs: &[Self]) -> anyhow::Result<Self> {
        let of = |figure: fn(&Self) -> f64| median(runs.iter().map(figure));
        Ok(Self {
            p50_ms: of(|run| run.p50_ms)?,
            p99_ms: of(|run| run.p99_ms)?,
            max_ms: of(|run| run.max_ms)?,
            gap_p99_ms: of(|run| run.gap_p99_ms)?,
            cpu_per_1000: of(|run| run.cpu_per_1000)?,
            kilobytes: of(|run| run.kilobytes)?,
        })
    }
}

/// Runs a stream that starts at `begin`. Returns the lateness of each word, where word `n` (from 0) is due
/// `n` times the pace after the request was sent, and the excess of each gap between words.
async fn watch(
    mut connection: Connection,
    begin: Instant,
) -> anyhow::Result<(Histogram<u64>, Histogram<u64>)> {
    let request = echo_stream(&text())?;
    let mut arrivals = Vec::new();
    sleep_until(begin).await;
    let sent = Instant::now();
    let (status, _) = connection.each_chunk(request, |_| arrivals.push(Instant::now())).await?;
    ensure!(status == StatusCode::OK, "a stream had status {status}");
    ensure!(arrivals.len() == usize::try_from(WORDS)?, "{} words arrivals", arrivals.len());
    let (mut late, mut gaps) = (empty_histogram()?, empty_histogram()?);
    for (nth, word) in (0..).zip(&arrivals) {
        note(&mut late, word.saturating_duration_since(sent + PACE * nth));
    }
    for (word, next) in arrivals.iter().zip(arrivals.iter().skip(1)) {
        note(&mut gaps, (*next - *word).saturating_sub(PACE));
    }
    Ok((late, gaps))
}

/// The streamed text.
fn text() -> String {
    let words: Vec<String> = (1..=WORDS).map(|nth| format!("word{nth:02}")).collect();
    words.join(" ")
}

/// Raises the limit of open files of this program and its children to one for each of `streams`.
pub(crate) fn raise_open_files(streams: u32) -> anyhow::Result<()> {
    let wanted = u64::from(streams) + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
            .with_context(|| format!("{wanted} open files are not allowed here"))?;
    }
    Ok(())
}
