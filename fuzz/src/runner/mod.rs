//! Runs a target in its own process, so that a panic, a stack overflow, excessive memory and an endless loop
//! are all reported as findings.

pub(crate) mod child;
mod minimise;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::Context as _;
use mynah_fuzz::Target;
use mynah_fuzz::mutate::Inputs;

use crate::Options;

/// How the process that ran inputs ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// All inputs were handled.
    Handled,
    /// This exit code.
    Code(i32),
    /// This signal: a stack overflow or out of memory.
    Signal(i32),
}

impl Ending {
    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(0), _) => Self::Handled,
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }

    fn reason(self) -> String {
        match self {
            Self::Handled => "was handled".to_owned(),
            Self::Code(child::ENDLESS) => "timed out".to_owned(),
            Self::Code(_) => "panicked".to_owned(),
            Self::Signal(signal) => {
                format!("ended the process by signal {signal} (stack or memory)")
            }
        }
    }
}

/// Fuzzes `target`; returns whether an input failed.
pub(crate) fn fuzz(target: Target, options: &Options) -> anyhow::Result<bool> {
    let folder = target.artifacts();
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let progress = folder.join(".progress");
    let status = command(target, options)?
        .args(["--seconds", &options.seconds.to_string()])
        .args(["--cases", &options.cases.to_string()])
        .arg("--progress")
        .arg(&progress)
        .status()?;
    let number = child::read_progress(&progress)?;
    let _ = std::fs::remove_file(&progress);
    let ending = Ending::of(status);
    if ending == Ending::Handled {
        say(&format!("{}: {number} inputs, none failed", target.name))?;
        return Ok(false);
    }
    let inputs = Inputs::new(options.seed, target.corpus()?, target.dictionary);
    let input = inputs.input(number);
    say(&format!("{}: input {number} of seed {} {}", target.name, options.seed, ending.reason()))?;
    let (file, candidate) = (save(&folder, &input)?, folder.join(".candidate"));
    let small = minimise::minimised(&input, |input| {
        std::fs::write(&candidate, input)?;
        Ok(single(target, options, &candidate, Stdio::null())? == ending)
    })?;
    std::fs::remove_file(&candidate)?;
    let shown = if small.is_empty() { file.clone() } else { save(&folder, &small)? };
    if shown != file {
        std::fs::remove_file(&file)?;
    }
    single(target, options, &shown, Stdio::inherit())?;
    say(&format!(
        "{}: minimised to {} of {} bytes; to repeat:\n  cargo run -p mynah-fuzz -- {0} --input {}",
        target.name,
        if small.is_empty() { input.len() } else { small.len() },
        input.len(),
        shown.display(),
    ))?;
    Ok(true)
}

/// Runs only the input in `file`.
fn single(target: Target, options: &Options, file: &Path, out: Stdio) -> anyhow::Result<Ending> {
    let status = command(target, options)?.arg("--input").arg(file).stderr(out).status()?;
    Ok(Ending::of(status))
}

fn command(target: Target, options: &Options) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(target.name)
        .args(["--seed", &options.seed.to_string()])
        .args(["--patience", &options.patience.to_string()]);
    Ok(command)
}

/// Writes an input into `folder`, named after a hash of its bytes.
fn save(folder: &Path, input: &[u8]) -> anyhow::Result<std::path::PathBuf> {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let file = folder.join(format!("{:016x}", hasher.finish()));
    std::fs::write(&file, input).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// Prints a line to standard output.
fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
