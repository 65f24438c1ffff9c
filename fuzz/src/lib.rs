//! Fuzz targets for everything that a client, a test or a fixture author can write.
//! docs/robustness.md says how to run them.
//!
//! A target is a function of bytes. It returns if the input was handled, and panics if a property does
//! not hold. Its caller, the runner (`src/main.rs`) or libFuzzer (`fuzz/libfuzzer`), detects stack
//! overflows, endless loops and excessive memory.

pub mod mutate;
pub mod server;
pub mod targets;

use std::path::{Path, PathBuf};

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder in `corpus/` and `artifacts/`.
    pub name: &'static str,
    /// Handles one input; panics if a property does not hold.
    pub run: fn(&[u8]),
    /// Text with a meaning for the code under test; the mutator inserts it.
    pub dictionary: &'static [&'static str],
}

/// All targets.
pub const TARGETS: [Target; 5] = [
    targets::json_body::TARGET,
    targets::template::TARGET,
    targets::fixtures::TARGET,
    targets::allowlist::TARGET,
    targets::query::TARGET,
];

impl Target {
    /// The target called `name`.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// Its corpus in the repository, in order of file names.
    pub fn corpus(&self) -> std::io::Result<Vec<Vec<u8>>> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder("corpus").join(self.name))? {
            paths.push(entry?.path());
        }
        paths.sort();
        paths.iter().map(std::fs::read).collect()
    }

    /// The folder for inputs that failed.
    pub fn artifacts(&self) -> PathBuf {
        folder("artifacts").join(self.name)
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_corpus_and_handles_it() {
        for target in TARGETS {
            let corpus = target.corpus().unwrap();
            assert!(corpus.len() >= 5, "{} has {} inputs", target.name, corpus.len());
            // The same stack size as the server's worker threads.
            let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
            let replay = move || corpus.iter().for_each(|input| (target.run)(input));
            worker.spawn(replay).unwrap().join().unwrap();
        }
    }
}
