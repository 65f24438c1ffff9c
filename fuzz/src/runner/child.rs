//! The process that runs inputs: on a thread with the server's stack size, with bounded memory, and with a
//! timeout enforced by the main thread.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, bail};
use mynah::clock::Stopwatch;
use mynah_fuzz::Target;
use mynah_fuzz::mutate::Inputs;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::Options;

/// The exit code after a timeout.
pub(super) const ENDLESS: i32 = 3;
/// Stack size of the server's worker threads (tokio's default), in bytes.
const STACK: usize = 2 * 1024 * 1024;
/// Maximum address space of the process in bytes; an input has at most 64 KiB.
const MEMORY: u64 = 2 * 1024 * 1024 * 1024;
/// How often the main thread checks for a timeout.
const LOOK: Duration = Duration::from_millis(100);

/// Whether any thread panicked, including panics that the server catches.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// The inputs to run.
enum Work {
    /// The inputs of the seed.
    Many { inputs: Inputs, progress: File, cases: u64, seconds: u64 },
    /// A single input.
    One(Vec<u8>),
}

/// Runs the inputs that `options` select; the exit code tells the result.
pub(crate) fn run(targets: &[Target], options: &Options) -> anyhow::Result<ExitCode> {
    let [target] = *targets else { bail!("--input needs exactly one target") };
    let work = match (&options.input, &options.progress) {
        (Some(file), _) => Work::One(
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?,
        ),
        (None, Some(progress)) => Work::Many {
            inputs: Inputs::new(options.seed, target.corpus()?, target.dictionary),
            progress: File::create(progress)?,
            cases: options.cases,
            seconds: options.seconds,
        },
        (None, None) => bail!("no inputs"),
    };
    let limit = Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    setrlimit(Resource::As, limit).context("cannot limit the memory")?;
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICKED.store(true, Ordering::Release);
        usual(panic);
    }));
    let (number, (ended, ends)) = (Arc::new(AtomicU64::new(0)), channel());
    let begun = Arc::clone(&number);
    let worker = std::thread::Builder::new().stack_size(STACK);
    worker.spawn(move || work.done(target, &begun, &ended))?;
    let patience = Duration::from_secs(options.patience);
    let (mut last, mut watch) = (0, Stopwatch::start());
    loop {
        match ends.recv_timeout(LOOK) {
            Ok(()) => return Ok(ExitCode::SUCCESS),
            Err(RecvTimeoutError::Disconnected) => return Ok(ExitCode::from(101)),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = number.load(Ordering::Acquire);
        if now != last {
            (last, watch) = (now, Stopwatch::start());
        } else if watch.elapsed() > patience {
            std::process::exit(ENDLESS);
        }
    }
}

impl Work {
    /// Runs all inputs and reports completion, unless one panics.
    fn done(self, target: Target, begun: &AtomicU64, ended: &Sender<()>) {
        match self {
            Self::One(input) => handle(target, &input),
            Self::Many { inputs, progress, cases, seconds } => {
                let (watch, time) = (Stopwatch::start(), Duration::from_secs(seconds));
                for number in 0..cases {
                    let written = progress.write_all_at(&number.to_le_bytes(), 0);
                    assert!(written.is_ok(), "cannot write the number of the input");
                    begun.store(number, Ordering::Release);
                    if watch.elapsed() >= time {
                        break;
                    }
                    handle(target, &inputs.input(number));
                }
            }
        }
        mynah_fuzz::server::renew();
        // Wakes the main thread.
        let _ = ended.send(());
    }
}

fn handle(target: Target, input: &[u8]) {
    (target.run)(input);
    assert!(!PANICKED.load(Ordering::Acquire), "a thread panicked");
}

/// The number of the last input that ran.
pub(super) fn read_progress(file: &Path) -> anyhow::Result<u64> {
    let bytes = std::fs::read(file).context("no input was run")?;
    let bytes = bytes.try_into().ok().context("no input was run")?;
    Ok(u64::from_le_bytes(bytes))
}
