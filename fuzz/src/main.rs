//! Runs the fuzz targets: replays the corpus of each, then mutates its inputs for a limited time.
//!
//! ```sh
//! cargo run -p mynah-fuzz                              # every target, 15 seconds each
//! cargo run -p mynah-fuzz -- template --seconds 600    # one target, for longer
//! cargo run -p mynah-fuzz -- template --input FILE     # one input
//! ```
//!
//! Needs no nightly compiler. Mutation is not guided by coverage; `fuzz/libfuzzer` is.

mod runner;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use mynah_fuzz::{TARGETS, Target};

/// Runs the fuzz targets and writes failing inputs to `fuzz/artifacts/`.
#[derive(Debug, clap::Parser)]
#[command(name = "mynah-fuzz")]
struct Options {
    /// The targets; default: all.
    targets: Vec<String>,
    /// Seconds per target.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Maximum number of inputs per target.
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    cases: u64,
    /// The same seed generates the same inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Timeout of an input in seconds. Without optimisation, counting the tokens of the longest answer
    /// (32 MiB of one letter) takes a minute and a half.
    #[arg(long, default_value_t = 180)]
    patience: u64,
    /// Runs only this input.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Runs inputs in this process and writes the number of each to this file; used by the runner.
    #[arg(long, hide = true)]
    progress: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let targets: Vec<Target> = if options.targets.is_empty() {
        TARGETS.to_vec()
    } else {
        let named = |name: &String| {
            Target::named(name).with_context(|| {
                let known = TARGETS.map(|target| target.name).join(", ");
                format!("unknown target `{name}`; there are {known}")
            })
        };
        options.targets.iter().map(named).collect::<anyhow::Result<_>>()?
    };
    if options.input.is_some() || options.progress.is_some() {
        return runner::child::run(&targets, &options);
    }
    let mut failed = false;
    for target in targets {
        failed |= runner::fuzz(target, &options)?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
