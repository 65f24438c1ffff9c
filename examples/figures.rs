//! Measures what the README says of the release binary: its size, the time from exec to the first
//! answer, and its memory when idle.
//!
//! ```sh
//! cargo build --release && cargo run --release --example figures
//! scripts/build-static && cargo run --release --example figures -- target/image/out/mynah
//! ```

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mynah::clock::Stopwatch;

const BINARY: &str = "target/release/mynah";
const RUNS: usize = 21;

fn main() -> Result<(), Box<dyn Error>> {
    let binary = std::env::args().nth(1).unwrap_or_else(|| BINARY.to_owned());
    let size = std::fs::metadata(&binary).map_err(|fault| format!("{binary}: {fault}"))?.len();
    let binary = Path::new(&binary);
    let mut runs = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        runs.push(run(binary)?);
    }
    runs.sort_unstable_by_key(|run| run.first_answer);
    let (Some(fastest), Some(middle), Some(slowest)) =
        (runs.first(), runs.get(RUNS / 2), runs.last())
    else {
        return Err("no runs".into());
    };
    let memory = runs.iter().map(|run| run.kibibytes).max().unwrap_or_default();
    let mut out = std::io::stdout().lock();
    writeln!(out, "size of the binary       {:.1} MB", mega(size))?;
    writeln!(
        out,
        "exec to first answer     {:.1?} (median of {RUNS}; {:.1?} to {:.1?})",
        middle.first_answer, fastest.first_answer, slowest.first_answer
    )?;
    writeln!(out, "memory when idle         {:.1} MB (VmRSS, the largest)", mega(memory * 1024))?;
    Ok(())
}

struct Run {
    first_answer: Duration,
    kibibytes: u64,
}

fn run(binary: &Path) -> Result<Run, Box<dyn Error>> {
    let stopwatch = Stopwatch::start();
    let mut server = Server(
        Command::new(binary)
            .args(["--port", "0", "--database", "sqlite::memory:", "--log", "error"])
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let stdout = server.0.stdout.take().ok_or("no standard output")?;
    let mut address = None;
    for line in BufReader::new(stdout).lines() {
        if let Some(url) = line?.strip_prefix("Ready on http://") {
            address = Some(url.to_owned());
            break;
        }
    }
    let mut socket = TcpStream::connect(address.ok_or("the server did not become ready")?)?;
    socket.write_all(
        b"POST /v1/runner/YOUR_DEPLOYMENT_ID HTTP/1.1\r\nhost: mynah\r\n\
          x-api-key: YOUR_API_KEY\r\ncontent-type: application/json\r\nconnection: close\r\n\
          content-length: 44\r\n\r\n{\"content\":[{\"type\":\"text\",\"text\":\"Hello\"}]}",
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let first_answer = stopwatch.elapsed();
    if !answer.starts_with("HTTP/1.1 200") {
        return Err(answer.into());
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.0.id()))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = resident.and_then(|size| size.trim().strip_suffix(" kB"));
    Ok(Run { first_answer, kibibytes: kibibytes.ok_or("no VmRSS")?.trim().parse()? })
}

/// Ends with its owner.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "for showing only")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
