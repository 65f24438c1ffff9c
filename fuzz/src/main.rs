//! Runs the fuzz targets: replays the corpus of each, then changes its inputs for a bounded time.
//!
//! ```sh
//! cargo run -p mynah-fuzz                              # every target, 15 seconds each
//! cargo run -p mynah-fuzz -- template --seconds 600    # one target, for longer
//! cargo run -p mynah-fuzz -- template --input FILE     # one input
//! ```
//!
//! Needs no nightly compiler. Inputs are changed without regard to which code they reach;
//! `fuzz/libfuzzer` does that.

mod runner;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use mynah_fuzz::{TARGETS, Target};

/// Runs the fuzz targets, and writes inputs that fail to `fuzz/artifacts/`.
#[derive(Debug, clap::Parser)]
#[command(name = "mynah-fuzz")]
struct Options {
    /// The targets; all of them without.
    targets: Vec<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Inputs for each target, if that many come before the time is over.
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    cases: u64,
    /// Where chance begins: the same seed makes the same inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds after which an input counts as one that never ends. Without optimisation, the tokens
    /// of the longest answer (32 MiB of one letter) take a minute and a half to count.
    #[arg(long, default_value_t = 180)]
    patience: u64,
    /// Runs this input, and no other.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Runs inputs in this process and writes the number of each to this file: what the runner
    /// starts.
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
                format!("there is no target `{name}`, but {known}")
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
