//! Cold start: time from exec to the first answer, idle memory, and size of the binary.

use std::path::PathBuf;

use anyhow::ensure;
use hyper::StatusCode;
use mynah::clock::Stopwatch;
use serde::Serialize;

use crate::figures::{median, mega};
use crate::load::Connection;
use crate::server::{Log, Mynah};
use crate::workloads::first_request;

/// Number of starts.
const STARTS: usize = 21;
/// The binary to start by default, if it exists.
const RELEASE: &str = "target/release/mynah";

/// The results of the starts.
#[derive(Debug, Serialize)]
pub(crate) struct Start {
    /// The binary.
    pub(crate) binary: PathBuf,
    /// Its size in megabytes.
    pub(crate) size_mb: f64,
    /// Milliseconds from exec to the end of the first answer: fastest, median, slowest.
    pub(crate) first_answer_ms: [f64; 3],
    /// Memory in megabytes after the first answer (`VmRSS`): the maximum of all starts.
    pub(crate) idle_mb: f64,
}

/// Starts `mynah`, by default the release binary or else this program, with a database in memory.
pub(crate) fn measure(mynah: &Mynah) -> anyhow::Result<Start> {
    let release = || Some(PathBuf::from(RELEASE)).filter(|release| release.exists());
    let mynah = Mynah { binary: mynah.binary.clone().or_else(release) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut times, mut idle) = (Vec::with_capacity(STARTS), 0);
    for _ in 0..STARTS {
        let (milliseconds, resident) = runtime.block_on(start(&mynah))?;
        times.push(milliseconds);
        idle = idle.max(resident);
    }
    let middle = median(times.iter().copied())?;
    let fastest = times.iter().copied().fold(f64::INFINITY, f64::min);
    let slowest = times.iter().copied().fold(0.0, f64::max);
    let binary = mynah.binary.map_or_else(std::env::current_exe, Ok)?;
    Ok(Start {
        size_mb: mega(std::fs::metadata(&binary)?.len()),
        binary,
        first_answer_ms: [fastest, middle, slowest],
        idle_mb: mega(idle),
    })
}

/// Milliseconds to the first answer, and memory in bytes after it.
async fn start(mynah: &Mynah) -> anyhow::Result<(f64, u64)> {
    let watch = Stopwatch::start();
    let database = ["--database", "sqlite::memory:"].map(str::to_owned);
    let server = mynah.start(&database, Log::Warnings)?;
    let response = Connection::open(server.address).await?.send(first_request()?).await?;
    let elapsed = watch.elapsed();
    ensure!(response.status == StatusCode::OK, "{}", response.text()?);
    Ok((elapsed.as_secs_f64() * 1000.0, server.cost()?.resident))
}
