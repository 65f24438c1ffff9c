//! The `mynah` command: parse, run, exit code.

use std::process::ExitCode;

use mynah::cli::Cli;
use mynah::domain::error::with_sources;

/// Requests are many small allocations, made on one thread and freed on another. Without huge pages
/// (`no_thp`) the idle server holds 11 MB less.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::read().run() {
        Ok(code) => code,
        Err(fault) => {
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("mynah: {}\n", with_sources(fault.as_ref())),
            );
            ExitCode::FAILURE
        }
    }
}
