//! The `mynah` command: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use mynah::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(fault) => {
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("mynah: {fault:#}\n"),
            );
            ExitCode::FAILURE
        }
    }
}
