//! Measures the figures of the README for a server inside a test: from `Mynah::start()` to a server that
//! answers, creation of an account, and drop.
//!
//! ```sh
//! cargo run --release --example testing
//! ```

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use mynah::Mynah;
use mynah::clock::Stopwatch;

const RUNS: usize = 101;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mut starts, mut accounts, mut drops) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let stopwatch = Stopwatch::start();
        let mynah = Mynah::start().await?;
        starts.push(stopwatch.elapsed());
        let stopwatch = Stopwatch::start();
        mynah.account().await?;
        accounts.push(stopwatch.elapsed());
        let stopwatch = Stopwatch::start();
        drop(mynah);
        drops.push(stopwatch.elapsed());
    }
    print("start to ready", starts)?;
    print("an account", accounts)?;
    print("drop to gone", drops)?;
    Ok(())
}

fn print(what: &str, mut took: Vec<Duration>) -> Result<(), Box<dyn Error>> {
    took.sort_unstable();
    let (Some(fastest), Some(middle), Some(slowest)) =
        (took.first(), took.get(RUNS / 2), took.last())
    else {
        return Err("no runs".into());
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what:<16} {middle:.1?} (median of {RUNS}; {fastest:.1?} to {slowest:.1?})")?;
    Ok(())
}
