//! What every account starts with: plans, accounts, deployments, models, rules, conversations,
//! agents, images.
//!
//! Fixtures are TOML files, built in or in a folder of the user's. [`files`] reads a folder,
//! [`reader`] makes items of its files, [`tables`] says what is in them, [`check`] and [`seeds`] make
//! domain types of it and find every fault, [`rules`] finds rules that can never answer.
//! [`Fixtures::seed`] gives an account its copy.
//! [`schema`] tells editors what is in the
//! files. [`FixtureHandle`] holds them while the server runs, [`watch`] puts changed ones there.

mod check;
mod files;
pub(crate) mod folder_state;
mod handle;
mod names;
mod rules;
pub mod schema;
mod seeds;
mod segment;
mod tables;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error as ThisError;

use self::files::Files;
pub use self::handle::FixtureHandle;
use crate::domain::catalog::{Agent, Image, LlmModel, SdModel};
use crate::domain::conversation::{Conversation, Message};
use crate::domain::error::{FieldError, FieldErrorKind as FieldFault};
use crate::domain::fault_rule::RouteTable;
use crate::domain::{Deployment, Error, FixtureAccount, Plan};
use crate::ids::{DeploymentId, IdGenerator, IdKind, LlmId, SdModelId};
use crate::models::rules::RuleSet;
use crate::storage::accounts;
use crate::storage::agents;
use crate::storage::conversations;
use crate::storage::images;
use crate::storage::messages;
use crate::storage::{AccountKey, Connection, StoreError};
pub use toml_diagnostics::Diagnostic;

/// The built-in fixtures: name and text of each file.
const BUILT_IN: [(&str, &str); 6] = [
    ("accounts.toml", include_str!("../fixtures/accounts.toml")),
    ("conversations.toml", include_str!("../fixtures/conversations.toml")),
    ("deployments.toml", include_str!("../fixtures/deployments.toml")),
    ("models.toml", include_str!("../fixtures/models.toml")),
    ("studio.toml", include_str!("../fixtures/studio.toml")),
    ("replies.toml", include_str!("../fixtures/replies.toml")),
];

/// What every account starts with.
#[derive(Debug)]
pub struct Fixtures {
    /// The plans, in the order of the files.
    pub plans: Vec<Plan>,
    /// The accounts, in the order of the files.
    pub accounts: Vec<FixtureAccount>,
    /// The deployments of all of them.
    pub deployments: BTreeMap<DeploymentId, Arc<Deployment>>,
    /// The language models of the Characters API, in the order of the files.
    pub llms: Vec<Arc<LlmModel>>,
    /// Its picture models, in the order of the files.
    pub sd_models: Vec<Arc<SdModel>>,
    /// The canned rules.
    pub rules: Arc<RuleSet>,
    /// The conversations that each account gets a copy of.
    pub conversations: Vec<(Conversation, Vec<Message>)>,
    /// The agents that each account gets a copy of.
    pub agents: Vec<Agent>,
    /// The images that each account gets a copy of, newest first.
    pub images: Vec<Image>,
}

/// Fixtures that were read, with what is doubtful about them.
#[derive(Debug)]
pub struct Checked {
    /// The fixtures.
    pub fixtures: Fixtures,
    /// What works, but hardly as meant: rules that can never answer.
    pub warnings: Vec<Diagnostic>,
    /// What is called like a fixture file and was not read: a folder, a named pipe, a broken link …
    pub skipped: Vec<Diagnostic>,
}

/// Why fixtures cannot be used.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum FixturesError {
    /// The folder or one of its files cannot be read or written.
    #[error("cannot {act} {}", path.display())]
    File {
        /// `read` or `write`.
        act: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What should be a folder of fixtures is something else.
    #[error("{} is {what}, not a folder of fixture files", path.display())]
    NoFolder {
        /// Its path.
        path: PathBuf,
        /// What it is: `a file`, `a named pipe`.
        what: &'static str,
    },
    /// There are too many files in the folder to look at.
    #[error("there are more than {most} files in {}", path.display())]
    Crowded {
        /// Its path.
        path: PathBuf,
        /// How many there may be.
        most: usize,
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
        faults: Vec<Diagnostic>,
        /// What is doubtful besides.
        warnings: Vec<Diagnostic>,
    },
}

fn describe(faults: &[Diagnostic]) -> String {
    match faults {
        [] => "the fixtures are faulty".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

/// The built-in fixtures. Faults in them are checked against `routes`.
pub fn built_in(routes: &RouteTable) -> Result<Checked, FixturesError> {
    check::check(Files::of(BUILT_IN.map(owned)), routes)
}

/// The fixtures in `folder`: all of its `.toml` files, by name, hidden ones aside.
pub fn read(folder: &Path, routes: &RouteTable) -> Result<Checked, FixturesError> {
    check::check(Files::in_folder(folder)?, routes)
}

/// The fixtures in one file, given as its bytes: what `mynah fixtures check` says of a folder with
/// that file alone.
pub fn read_bytes(name: &str, bytes: &[u8], routes: &RouteTable) -> Result<Checked, FixturesError> {
    check::check(Files::of([(name.to_owned(), bytes.to_vec())]), routes)
}

/// The fixtures in `folder`, or the built-in ones without, with further files (name and text): one
/// that is called like a file there takes its location. They are read in the order of their names.
pub fn read_with(
    folder: Option<&Path>,
    further: Vec<(String, String)>,
    routes: &RouteTable,
) -> Result<Checked, FixturesError> {
    let mut files = match folder {
        Some(folder) => Files::in_folder(folder)?,
        None => Files::of(BUILT_IN.map(owned)),
    };
    let name_of = |file: &str| Path::new(file).file_name().map(ToOwned::to_owned);
    files.read.retain(|(file, _)| !further.iter().any(|(name, _)| name_of(name) == name_of(file)));
    files.read.extend(further.into_iter().map(|(name, text)| (name, text.into_bytes())));
    files.read.sort_by_key(|(file, _)| name_of(file));
    check::check(files, routes)
}

fn owned((name, text): (&str, &str)) -> (String, Vec<u8>) {
    (name.to_owned(), text.as_bytes().to_vec())
}

/// Writes the built-in fixtures into `folder` as a starting point; overwrites nothing.
pub fn export(folder: &Path) -> Result<Vec<PathBuf>, FixturesError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| FixturesError::File { act: "write", path, source }
    };
    std::fs::create_dir_all(folder).map_err(at(folder))?;
    let paths: Vec<PathBuf> = BUILT_IN.iter().map(|(name, _)| folder.join(name)).collect();
    // A link that leads nowhere is there, too.
    if let Some(taken) = paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(FixturesError::Exists(taken.clone()));
    }
    for (path, (_, text)) in paths.iter().zip(BUILT_IN) {
        let mut file = std::fs::File::create_new(path).map_err(at(path))?;
        file.write_all(text.as_bytes()).map_err(at(path))?;
    }
    Ok(paths)
}

impl Checked {
    /// Writes what is doubtful, and what was skipped, to the log.
    pub fn log(&self) {
        for warning in self.skipped.iter().chain(&self.warnings) {
            tracing::warn!("fixtures: {warning}");
        }
    }
}

impl Fixtures {
    /// The account called `id`.
    pub fn account(&self, id: &str) -> Option<&FixtureAccount> {
        self.accounts.iter().find(|account| account.id.as_str() == id)
    }

    /// The plan called `id`, which a request names in `field`.
    pub fn plan(&self, id: &str, field: &str) -> Result<&Plan, FieldError> {
        self.plans.iter().find(|plan| plan.id == id).ok_or_else(|| {
            let message = format!("{field} must be one of the plans, and there is no `{id}`");
            FieldError::new(field, FieldFault::BadValue, message)
        })
    }

    /// The language model `id`, which a request names in `field`.
    pub fn llm(&self, id: &LlmId, field: &str) -> Result<Arc<LlmModel>, Error> {
        if let Some(llm) = self.llms.iter().find(|llm| llm.id == *id) {
            return Ok(Arc::clone(llm));
        }
        if self.sd_models.iter().any(|sd| sd.id.as_str() == id.as_str()) {
            let message = format!("{field} must be the id of an LLM, and `{id}` is an SD model");
            return Err(FieldError::new(field, FieldFault::BadValue, message).into());
        }
        Err(Error::UnknownLlm(id.clone()))
    }

    /// The picture model `id`, which a request names in `field`.
    pub fn sd_model(&self, id: &SdModelId, field: &str) -> Result<Arc<SdModel>, Error> {
        if let Some(sd) = self.sd_models.iter().find(|sd| sd.id == *id) {
            return Ok(Arc::clone(sd));
        }
        if self.llms.iter().any(|llm| llm.id.as_str() == id.as_str()) {
            let message = format!("{field} must be the id of an SD model, and `{id}` is an LLM");
            return Err(FieldError::new(field, FieldFault::BadValue, message).into());
        }
        Err(Error::UnknownSdModel(id.clone()))
    }

    /// Gives a new account its own copy of the conversations.
    pub async fn seed(
        &self,
        db: &mut Connection,
        owner: AccountKey,
        ids: &IdGenerator,
    ) -> Result<(), StoreError> {
        for (conversation, said) in &self.conversations {
            let ordinal = ids.next(IdKind::Conversation);
            let activity = ids.next(IdKind::Activity);
            let copy = Conversation { ordinal, ..conversation.clone() };
            conversations::insert(db, owner, &copy, activity).await?;
            messages::append(db, owner, ordinal, said, activity).await?;
            conversations::touch(db, owner, ordinal, conversation.updated_at, activity).await?;
        }
        for agent in &self.agents {
            agents::insert(db, owner, agent, ids.next(IdKind::Agent)).await?;
        }
        // Images stand in the files newest first, as lists show them.
        let images = self.images.iter().rev();
        let images: Vec<_> = images.map(|image| (ids.next(IdKind::Image), image.clone())).collect();
        images::insert(db, owner, &images).await?;
        let made = [IdKind::Conversation, IdKind::Activity, IdKind::Agent, IdKind::Image];
        accounts::save_counters(db, owner, ids, &made).await
    }
}
