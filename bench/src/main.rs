//! Measures Mynah beside what limits it: a bare server that answers the same bytes, and its store
//! without HTTP. docs/performance.md says what is measured and how to read it.
//!
//! ```sh
//! cargo run --release -p mynah-bench             # everything, some twelve minutes
//! cargo run --release -p mynah-bench -- --quick  # whether it works, half a minute
//! cargo run --release -p mynah-bench -- --soak   # asks everything for a minute; are bounds held?
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
use crate::report::{Form, Machine, Report};
use crate::rows::Row;
use crate::seed::Bed;
use crate::server::Mynah;
use crate::streams::{Begin, Streams};

/// Measures Mynah beside a bare server that answers the same bytes, and beside its store alone.
#[derive(Debug, clap::Parser)]
#[command(name = "mynah-bench")]
struct Options {
    /// Seconds that each server is measured for in each round (2); with --soak, of the whole (60).
    #[arg(long)]
    seconds: Option<f64>,
    /// Rounds; what is told is the middle of them.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Only what has this in its name: `turn`, `stream`, `start` …
    #[arg(long, default_value = "")]
    only: String,
    /// A binary to measure in place of Mynah as it is compiled into this program.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Writes every round's figures into this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Prints the tables as rows of Markdown.
    #[arg(long)]
    markdown: bool,
    /// One short round, 10,000 conversations where it would be 100,000, 200 streams where 2,000:
    /// to see that it works, not to go by.
    #[arg(long)]
    quick: bool,
    /// Measures nothing, but asks everything there is, hostile requests among it, and fails if memory
    /// or descriptors do not come back or the server answers a 5xx that nothing asked for.
    #[arg(long)]
    soak: bool,
    /// Where the soak's chance begins: the same seed asks the same things.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Paced streams as `--only` knows them.
const PACED: &str = "paced streams";
/// Cold start, the same.
const START: &str = "start";

fn main() -> anyhow::Result<ExitCode> {
    // This program plays every part in a process of its own.
    let mut arguments = std::env::args();
    let (_, role) = (arguments.next(), arguments.next());
    match role.as_deref() {
        Some("mynah") => {
            let command = std::iter::once("mynah".to_owned()).chain(arguments);
            return mynah::cli::Cli::parse_from(command).run();
        }
        Some("ceiling") => ceiling::serve()?,
        Some("store") => store::drive()?,
        _ => return asked_for(&Options::parse()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Does what the options ask for.
fn asked_for(options: &Options) -> anyhow::Result<ExitCode> {
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
        report.streams =
            [Begin::Spread, Begin::Together].map(|it| Streams::new(streams, it)).into();
    }
    rounds(options, &mynah, &mut report)?;
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    let form = if options.markdown { Form::Markdown } else { Form::Text };
    say(&report.written(form)?)
}

/// Every round measures everything once, so that what changes on the machine meanwhile meets all
/// rows alike.
fn rounds(options: &Options, mynah: &Mynah, report: &mut Report) -> anyhow::Result<()> {
    let (rounds, seconds) =
        if options.quick { (1, 0.3) } else { (options.rounds, options.seconds.unwrap_or(2.0)) };
    let measured = Duration::from_secs_f64(seconds);
    let span = Span { warm_up: measured / 4, measured };
    let bed = Bed::new()?;
    for round in 1..=rounds {
        for row in &mut report.rows {
            tell(&format!("round {round} of {rounds}: {}, {}", row.name, row.connections))?;
            row.measure(mynah, &bed, span)?;
        }
        for streams in &mut report.streams {
            tell(&format!("round {round} of {rounds}: {PACED}, {:?}", streams.begin))?;
            streams.measure(mynah, &bed)?;
        }
    }
    Ok(())
}

/// Prints `line` to standard output.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Tells `line` on standard error, where the table is not.
fn tell(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr(), "{line}")?)
}
