//! Compares Mynah with its limits: a bare server that sends the same bytes, and its storage without
//! HTTP. docs/performance.md explains what is measured and how to read it.
//!
//! ```sh
//! cargo run --release -p mynah-bench             # everything, about twelve minutes
//! cargo run --release -p mynah-bench -- --quick  # a smoke test, half a minute
//! cargo run --release -p mynah-bench -- --soak   # every operation for a minute; checks the bounds
//! ```

mod ceiling;
mod figures;
mod load;
mod report;
mod rows;
mod seed;
mod server;
mod soak;
mod start;
mod store;
mod streams;
mod workloads;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use crate::load::Span;
use crate::report::{Machine, Report, TableFormat};
use crate::rows::Row;
use crate::seed::WorkFolder;
use crate::server::Mynah;
use crate::streams::{StartPattern, Streams};

/// Compares Mynah with a bare server that sends the same bytes, and with its storage alone.
#[derive(Debug, clap::Parser)]
#[command(name = "mynah-bench")]
struct Options {
    /// Seconds per server and round (default 2); with --soak, in total (default 60).
    #[arg(long)]
    seconds: Option<f64>,
    /// Rounds; figures are their median.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Only rows with this in their name: `turn`, `stream`, `start` …
    #[arg(long, default_value = "")]
    only: String,
    /// A binary to measure instead of the Mynah compiled into this program.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Writes every round's figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Prints the tables as Markdown.
    #[arg(long)]
    markdown: bool,
    /// A smoke test: one short round, 10,000 conversations instead of 100,000, 200 streams instead of
    /// 2,000. The figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Sends every kind of request, including hostile ones, instead of measuring. Fails if memory or
    /// descriptors leak, or on a 5xx that was not requested.
    #[arg(long)]
    soak: bool,
    /// The seed of the soak: the same seed sends the same requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The name of paced streams for `--only`.
const PACED: &str = "paced streams";
/// The name of cold start for `--only`.
const START: &str = "start";

fn main() -> anyhow::Result<ExitCode> {
    // This program runs itself in other roles, each in its own process.
    let mut arguments = std::env::args();
    let (_, role) = (arguments.next(), arguments.next());
    match role.as_deref() {
        Some("mynah") => {
            let command = std::iter::once("mynah".to_owned()).chain(arguments);
            return mynah::cli::Cli::parse_from(command).run();
        }
        Some("ceiling") => ceiling::serve()?,
        Some("store") => store::drive()?,
        _ => return run(&Options::parse()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the soak or the measurements.
fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if options.soak {
        let mynah = Mynah { binary: options.server.clone() };
        let held = soak::soak(&mynah, options.seconds.unwrap_or(60.0), options.seed)?;
        return Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    measure(options)?;
    Ok(ExitCode::SUCCESS)
}

fn measure(options: &Options) -> anyhow::Result<()> {
    let (streams, many) = if options.quick { (200, 10_000) } else { (2000, 100_000) };
    streams::raise_open_files(streams)?;
    let mynah = Mynah { binary: options.server.clone() };
    let wanted = |name: &str| name.contains(&options.only);
    let workloads = workloads::all(many).into_iter().filter(|workload| wanted(workload.name));
    let mut report = Report {
        machine: Machine::this()?,
        rows: workloads.flat_map(|workload| Row::of(&workload).collect::<Vec<_>>()).collect(),
        streams: Vec::new(),
        start: if wanted(START) { Some(start::measure(&mynah)?) } else { None },
    };
    if wanted(PACED) {
        report.streams = [StartPattern::Spread, StartPattern::Together]
            .map(|it| Streams::new(streams, it))
            .into();
    }
    rounds(options, &mynah, &mut report)?;
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    let form = if options.markdown { TableFormat::Markdown } else { TableFormat::Text };
    print(&report.written(form)?)
}

/// Measures everything once per round, so that changes on the machine affect all rows alike.
fn rounds(options: &Options, mynah: &Mynah, report: &mut Report) -> anyhow::Result<()> {
    let (rounds, seconds) =
        if options.quick { (1, 0.3) } else { (options.rounds, options.seconds.unwrap_or(2.0)) };
    let measured = Duration::from_secs_f64(seconds);
    let span = Span { warm_up: measured / 4, measured };
    let folder = WorkFolder::new()?;
    for round in 1..=rounds {
        for row in &mut report.rows {
            progress(&format!("round {round} of {rounds}: {}, {}", row.name, row.connections))?;
            row.measure(mynah, &folder, span)?;
        }
        for streams in &mut report.streams {
            progress(&format!("round {round} of {rounds}: {PACED}, {:?}", streams.begin))?;
            streams.measure(mynah, &folder)?;
        }
    }
    Ok(())
}

/// Prints a line to standard output.
fn print(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Prints a line of progress to standard error.
fn progress(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr(), "{line}")?)
}
