//! The measured servers: start, cost, termination.
//!
//! Each runs in its own process, so that its processor time and memory can be measured.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use mynah::clock::Stopwatch;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

/// A server prints this before its address when it is ready.
const READY: &str = "Ready on http://";

/// How to start Mynah: a binary, or this program in that role.
#[derive(Debug, Clone)]
pub(crate) struct Mynah {
    /// A binary to use instead of this program.
    pub(crate) binary: Option<PathBuf>,
}

/// Where a server's log goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Log<'p> {
    /// Warnings only, to standard error; none are expected.
    Warnings,
    /// The default log, written to this file.
    Default(&'p Path),
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    /// The address that it listens on.
    pub(crate) address: SocketAddr,
}

impl Mynah {
    /// Starts Mynah on a free port.
    pub(crate) fn start(&self, arguments: &[String], log: Log<'_>) -> anyhow::Result<Server> {
        let mut command = match &self.binary {
            Some(binary) => Command::new(binary),
            None => own_role("mynah")?,
        };
        // Options must not come from the environment.
        command.env_clear().args(["--port", "0"]).args(arguments);
        match log {
            Log::Warnings => command.args(["--log", "warn"]),
            Log::Default(file) => command.stderr(File::create(file)?),
        };
        Server::of(Process::start(command)?)
    }
}

impl Server {
    /// Starts the bare server with `spec`.
    pub(crate) fn ceiling(spec: &impl Serialize) -> anyhow::Result<Self> {
        let mut process = Process::start(own_role("ceiling")?)?;
        process.send_spec(spec)?;
        Self::of(process)
    }

    /// Waits until `process` has printed its address.
    fn of(mut process: Process) -> anyhow::Result<Self> {
        let stdout = process.stdout.take().context("no standard output")?;
        for line in BufReader::new(stdout).lines() {
            if let Some(address) = line?.strip_prefix(READY) {
                let address = address.parse().context("the server's address")?;
                return Ok(Self { process, address });
            }
        }
        bail!("the server exited before it was ready")
    }

    /// Sends SIGTERM and waits for the exit; fails unless the exit code is 0.
    pub(crate) fn terminate(mut self, within: Duration) -> anyhow::Result<()> {
        let (child, watch) = (&mut self.process.child, Stopwatch::start());
        let process = Pid::from_child(child);
        kill_process(process, Signal::TERM)?;
        loop {
            if let Some(status) = child.try_wait()? {
                ensure!(status.success(), "the server exited with {status}");
                return Ok(());
            }
            ensure!(watch.elapsed() < within, "the server still runs after {within:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Number of open descriptors.
    pub(crate) fn open_files(&self) -> anyhow::Result<usize> {
        let folder = format!("/proc/{}/fd", self.process.child.id());
        Ok(std::fs::read_dir(&folder).context(folder)?.count())
    }

    /// Its resource usage so far.
    pub(crate) fn cost(&self) -> anyhow::Result<Cost> {
        Cost::of(self.process.child.id())
    }
}

/// A command that runs this program in `role`.
fn own_role(role: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(role);
    Ok(command)
}

/// Runs this program in `role` with `spec` as JSON on standard input; parses its output as JSON.
pub(crate) fn run_role<T>(role: &str, spec: &impl Serialize) -> anyhow::Result<T>
where
    T: serde::de::DeserializeOwned,
{
    let mut process = Process::start(own_role(role)?)?;
    process.send_spec(spec)?;
    let stdout = process.stdout.take().context("no standard output")?;
    serde_json::from_reader(stdout).with_context(|| format!("the answer of `{role}`"))
}

/// A child process that is killed on drop.
#[derive(Debug)]
struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
}

impl Process {
    fn start(mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Ok(Self { child, stdin, stdout })
    }

    /// Writes `spec` to standard input and closes it.
    fn send_spec(&mut self, spec: &impl Serialize) -> anyhow::Result<()> {
        let mut stdin = self.stdin.take().context("no standard input")?;
        Ok(stdin.write_all(&serde_json::to_vec(spec)?)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resource usage of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// User and system time in seconds.
    pub(crate) cpu: f64,
    /// Memory in use, in bytes.
    pub(crate) resident: u64,
    /// Peak memory in bytes.
    pub(crate) peak: u64,
}

impl Cost {
    /// The usage of this process.
    pub(crate) fn own() -> anyhow::Result<Self> {
        Self::of(std::process::id())
    }

    fn of(process: u32) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name in parentheses may contain anything; user and system time are the 12th and 13th field
        // after it (proc_pid_stat(5)).
        let (_, fields) = stat.rsplit_once(')').context("no fields in stat")?;
        let mut ticks = 0;
        for field in fields.split_whitespace().skip(11).take(2) {
            ticks += field.parse::<u64>()?;
        }
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        Ok(Self {
            cpu: crate::figures::real(ticks)
                / crate::figures::real(rustix::param::clock_ticks_per_second()),
            resident: bytes(&status, "VmRSS:")?,
            peak: bytes(&status, "VmHWM:")?,
        })
    }
}

/// The value in bytes of the line `name` of `/proc/PID/status`, which is in kB.
fn bytes(status: &str, name: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: u64 = kibibytes.with_context(|| format!("no {name}"))?.trim().parse()?;
    Ok(kibibytes * 1024)
}
