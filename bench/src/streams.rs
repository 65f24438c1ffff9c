//! Paced streams, very many at once: how late each word comes, and what a stream costs in memory.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use hyper::StatusCode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::ceiling::{self, Reads};
use crate::figures::{empty_histogram, median, mega, milliseconds, note};
use crate::load::Line;
use crate::seed::Bed;
use crate::server::{Log, Mynah, Server};
use crate::workloads::{Rules, STREAM_ECHOED, echoed};

/// Words of a stream.
const WORDS: u32 = 50;
/// From word to word.
const PACE: Duration = Duration::from_millis(50);
/// Descriptors beside those of the streams.
const OTHER_FILES: u64 = 100;

/// How the streams begin.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum Begin {
    /// Spread evenly over a second, as those of many clients do.
    Spread,
    /// All in the same instant: each word is due for all streams at once.
    Together,
}

/// What came of one run.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Lateness {
    /// Milliseconds behind the due time that half of the words came at most.
    pub(crate) p50_ms: f64,
    /// That 99 of 100 words came at most.
    pub(crate) p99_ms: f64,
    /// That the last of all did.
    pub(crate) max_ms: f64,
    /// 99 of 100 gaps between two words were longer than the pace by so many milliseconds at most.
    pub(crate) gap_p99_ms: f64,
    /// Seconds of processor time for 1,000 streams.
    pub(crate) cpu_per_1000: f64,
    /// Kilobytes (of 1,000 bytes) that the server's memory grew by for each stream.
    pub(crate) kilobytes: f64,
}

/// Runs of Mynah and of the bare server in turns.
#[derive(Debug, Serialize)]
pub(crate) struct Streams {
    /// How many at once.
    pub(crate) count: u32,
    /// How they begin.
    pub(crate) begin: Begin,
    mynah: Vec<Lateness>,
    ceiling: Vec<Lateness>,
}

impl Streams {
    /// `count` streams, not measured yet.
    pub(crate) fn new(count: u32, begin: Begin) -> Self {
        Self { count, begin, mynah: Vec::new(), ceiling: Vec::new() }
    }

    /// Measures once more.
    pub(crate) fn measure(&mut self, mynah: &Mynah, bed: &Bed) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let fixtures = bed.fixtures(Rules::BuiltIn)?.display().to_string();
        let pace = PACE.as_millis().to_string();
        let options =
            ["--pace", &pace, "--database", "sqlite::memory:", "--fixtures", fixtures.as_str()];
        let server = mynah.start(&options.map(str::to_owned), Log::Warnings)?;
        self.mynah.push(runtime.block_on(self.run(&server))?);
        let words = text();
        let server = Server::ceiling(&ceiling::Spec {
            path: STREAM_ECHOED.to_owned(),
            reads: Reads::Content,
            status: 200,
            content_type: "text/plain; charset=utf-8".to_owned(),
            chunks: mynah::domain::words::split(&words).map(str::to_owned).collect(),
            pace: Some(u64::try_from(PACE.as_millis())?),
        })?;
        self.ceiling.push(runtime.block_on(self.run(&server))?);
        Ok(())
    }

    async fn run(&self, server: &Server) -> anyhow::Result<Lateness> {
        // What the first request of all makes the server set up is no stream's.
        Line::open(server.address).await?.ask(echoed("one")?).await?;
        let before = server.cost()?;
        let mut lines = Vec::new();
        for _ in 0..self.count {
            lines.push(Line::open(server.address).await?);
        }
        let begin = Instant::now() + Duration::from_millis(100);
        let apart = match self.begin {
            Begin::Spread => Duration::from_secs(1) / self.count,
            Begin::Together => Duration::ZERO,
        };
        let streams = lines
            .into_iter()
            .zip(0..)
            .map(|(line, nth)| tokio::spawn(watch(line, begin + apart * nth)));
        let streams = try_join_all(streams.collect::<Vec<_>>());
        let in_the_middle = async {
            // When all run and none is at its end.
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

    /// The middle of all runs: Mynah's and the bare server's.
    pub(crate) fn middle(&self) -> anyhow::Result<(Lateness, Lateness)> {
        Ok((Lateness::median(&self.mynah)?, Lateness::median(&self.ceiling)?))
    }
}

impl Lateness {
    fn median(runs: &[Self]) -> anyhow::Result<Self> {
        let middle = |figure: fn(&Self) -> f64| median(runs.iter().map(figure));
        Ok(Self {
            p50_ms: middle(|run| run.p50_ms)?,
            p99_ms: middle(|run| run.p99_ms)?,
            max_ms: middle(|run| run.max_ms)?,
            gap_p99_ms: middle(|run| run.gap_p99_ms)?,
            cpu_per_1000: middle(|run| run.cpu_per_1000)?,
            kilobytes: middle(|run| run.kilobytes)?,
        })
    }
}

/// Streams from `begin` on. Gives how late each word came, where word `n` (from 0) is due `n` times
/// the pace after the request was sent; and by how much each gap between words was too long.
async fn watch(mut line: Line, begin: Instant) -> anyhow::Result<(Histogram<u64>, Histogram<u64>)> {
    let ask = echoed(&text())?;
    let mut came = Vec::new();
    sleep_until(begin).await;
    let sent = Instant::now();
    let (status, _) = line.each_chunk(ask, |_| came.push(Instant::now())).await?;
    ensure!(status == StatusCode::OK, "a stream was answered {status}");
    ensure!(came.len() == usize::try_from(WORDS)?, "{} words came", came.len());
    let (mut late, mut gaps) = (empty_histogram()?, empty_histogram()?);
    for (nth, word) in (0..).zip(&came) {
        note(&mut late, word.saturating_duration_since(sent + PACE * nth));
    }
    for (word, next) in came.iter().zip(came.iter().skip(1)) {
        note(&mut gaps, (*next - *word).saturating_sub(PACE));
    }
    Ok((late, gaps))
}

/// What is streamed.
fn text() -> String {
    let words: Vec<String> = (1..=WORDS).map(|nth| format!("word{nth:02}")).collect();
    words.join(" ")
}

/// Lets this program, and what it starts, open a file for each of `streams`.
pub(crate) fn raise_open_files(streams: u32) -> anyhow::Result<()> {
    let wanted = u64::from(streams) + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
            .with_context(|| format!("{wanted} open files are not allowed here"))?;
    }
    Ok(())
}
