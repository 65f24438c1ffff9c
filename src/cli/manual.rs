//! `mynah completions` and `mynah man`, generated from clap's description of the command line.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::Cli;
use super::output;

const NAME: &str = env!("CARGO_PKG_NAME");

/// Prints the completion script of `shell`.
pub(super) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    // Into memory first: clap_complete panics if it cannot write.
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), NAME, &mut script);
    output::print(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the page `mynah(1)`, or writes it and the pages of all commands into `folder`.
pub(super) fn man(folder: Option<&Path>) -> anyhow::Result<ExitCode> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        output::print(&page)?;
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
