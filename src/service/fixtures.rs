//! What every account starts with: plans, accounts, deployments, rules, conversations.
//!
//! Fixtures are TOML files, built in or in a folder of the user's. [`read`] takes the files,
//! [`forms`] says what is in them, [`check`] makes domain types of it and finds every fault,
//! [`rules`] finds rules that can never answer. [`Fixtures::seed`] gives an account its copy.

mod check;
mod forms;
pub mod reader;
mod rules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

pub use self::reader::Fault;
use crate::backend::canned::RuleSet;
use crate::domain::conversation::{Conversation, Message};
use crate::domain::{Account, Deployment};
use crate::ids::{DeploymentId, Kind, Minter};
use crate::store::{AccountRow, Connection, StoreError, accounts, conversations};

/// The built-in fixtures: name and text of each file.
const BUILT_IN: [(&str, &str); 4] = [
    ("accounts.toml", include_str!("../../fixtures/accounts.toml")),
    ("conversations.toml", include_str!("../../fixtures/conversations.toml")),
    ("deployments.toml", include_str!("../../fixtures/deployments.toml")),
    ("replies.toml", include_str!("../../fixtures/replies.toml")),
];

/// What every account starts with.
#[derive(Debug)]
pub struct Fixtures {
    /// The accounts, in the order of the files.
    pub accounts: Vec<Account>,
    /// The deployments of all of them.
    pub deployments: BTreeMap<DeploymentId, Arc<Deployment>>,
    /// The canned rules.
    pub rules: Arc<RuleSet>,
    /// The conversations that each account gets a copy of.
    pub conversations: Vec<(Conversation, Vec<Message>)>,
}

/// Fixtures that were read, with what is doubtful about them.
#[derive(Debug)]
pub struct Checked {
    /// The fixtures.
    pub fixtures: Fixtures,
    /// What works, but hardly as meant: rules that can never answer.
    pub warnings: Vec<Fault>,
}

/// Why fixtures cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FixturesError {
    /// The folder or one of its files cannot be read or written.
    #[error("cannot {act} {}: {source}", path.display())]
    File {
        /// `read` or `write`.
        act: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder holds no fixtures.
    #[error("there is no .toml file in {}", .0.display())]
    Empty(PathBuf),
    /// There are files where fixtures would be written.
    #[error("{} exists already; nothing was written", .0.display())]
    Exists(PathBuf),
    /// There are faults in the files.
    #[error("{}", describe(faults))]
    Faulty {
        /// Every one of them.
        faults: Vec<Fault>,
        /// What is doubtful besides.
        warnings: Vec<Fault>,
    },
}

fn describe(faults: &[Fault]) -> String {
    match faults {
        [] => "the fixtures are faulty".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

/// The built-in fixtures.
pub fn built_in() -> Result<Checked, FixturesError> {
    check::check(BUILT_IN.map(|(name, text)| (name.to_owned(), text.to_owned())))
}

/// The fixtures in `folder`: all of its `.toml` files, by name.
pub fn read(folder: &Path) -> Result<Checked, FixturesError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| FixturesError::File { act: "read", path, source }
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(FixturesError::Empty(folder.to_owned()));
    }
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(at(&path))?;
        files.push((path.display().to_string(), text));
    }
    check::check(files)
}

/// Writes the built-in fixtures into `folder` as a starting point; overwrites nothing.
pub fn export(folder: &Path) -> Result<Vec<PathBuf>, FixturesError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| FixturesError::File { act: "write", path, source }
    };
    std::fs::create_dir_all(folder).map_err(at(folder))?;
    let paths: Vec<PathBuf> = BUILT_IN.iter().map(|(name, _)| folder.join(name)).collect();
    if let Some(taken) = paths.iter().find(|path| path.exists()) {
        return Err(FixturesError::Exists(taken.clone()));
    }
    for (path, (_, text)) in paths.iter().zip(BUILT_IN) {
        std::fs::write(path, text).map_err(at(path))?;
    }
    Ok(paths)
}

impl Fixtures {
    /// Gives a new account its own copy of the conversations.
    pub async fn seed(
        &self,
        db: &mut Connection,
        owner: AccountRow,
        ids: &Minter,
    ) -> Result<(), StoreError> {
        for (conversation, messages) in &self.conversations {
            let ordinal = ids.next(Kind::Conversation);
            let activity = ids.next(Kind::Activity);
            let copy = Conversation { ordinal, ..conversation.clone() };
            conversations::insert(db, owner, &copy, activity).await?;
            for turn in messages.chunks_exact(2) {
                if let [said, answered] = turn {
                    let turn = [said, answered];
                    conversations::append_turn(db, owner, ordinal, turn, activity).await?;
                }
            }
            conversations::touch(db, owner, ordinal, conversation.updated_at, activity).await?;
        }
        accounts::save_counters(db, owner, ids).await
    }
}
