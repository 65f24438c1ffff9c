//! What accounts start with: plans, accounts, deployments, models, reply rules, conversations, agents,
//! images and triggers.
//!
//! Fixtures are TOML files, built in or in a folder. [`files`] reads a folder and [`sections`] the
//! tables of its files ([`tables`]). [`validate`] turns these into domain types and reports every
//! error; [`unreachable`] warns of reply rules that can never answer. [`schema`] describes the files
//! to editors. [`FixtureHandle`] holds the current fixtures while the server runs, and
//! [`folder_state`] tells whether a folder has changed.

mod built_in;
mod error;
mod files;
pub(crate) mod folder_state;
mod handle;
mod ids;
pub mod schema;
mod sections;
mod tables;
mod unreachable;
mod validate;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub use toml_diagnostics::Diagnostic;

pub use self::built_in::export;
pub use self::error::FixturesError;
pub use self::handle::FixtureHandle;

use self::files::FixtureFiles;
use crate::domain::catalog::{Agent, Image, LlmModel, ModelLookupError, SdModel};
use crate::domain::conversation::{Conversation, Message};
use crate::domain::error::{FieldError, FieldErrorKind};
use crate::domain::fault_rule::RouteTable;
use crate::domain::{Credits, Deployment, FixtureAccount, Plan, Trigger};
use crate::ids::{DeploymentId, IdGenerator, IdKind, LlmId, SdModelId};
use crate::models::rules::RuleSet;
use crate::storage::AccountData;

/// What accounts start with.
#[derive(Debug)]
pub struct Fixtures {
    /// In the order of the files.
    pub plans: Vec<Plan>,
    /// In the order of the files.
    pub accounts: Vec<FixtureAccount>,
    /// The deployments of all accounts.
    pub deployments: BTreeMap<DeploymentId, Arc<Deployment>>,
    /// The language models of the Characters API, in the order of the files.
    pub llms: Vec<Arc<LlmModel>>,
    /// The image models of the Characters API, in the order of the files.
    pub sd_models: Vec<Arc<SdModel>>,
    /// The reply rules.
    pub rules: Arc<RuleSet>,
    /// The conversations that each account gets a copy of, with their messages.
    pub conversations: Vec<(Conversation, Vec<Message>)>,
    /// The agents that each account gets a copy of.
    pub agents: Vec<Agent>,
    /// The images that each account gets a copy of, newest first.
    pub images: Vec<Image>,
    /// The triggers that each account gets a copy of.
    pub triggers: Vec<Trigger>,
}

/// Fixtures without errors.
#[derive(Debug)]
pub struct CheckedFixtures {
    /// The fixtures.
    pub fixtures: Fixtures,
    /// Reply rules that can never answer.
    pub warnings: Vec<Diagnostic>,
    /// What is named like a fixture file but was not read: a folder, a named pipe, a broken link …
    pub skipped: Vec<Diagnostic>,
}

/// The built-in fixtures. Their fault rules may name these routes.
pub fn built_in(routes: &RouteTable) -> Result<CheckedFixtures, FixturesError> {
    validate::validate(FixtureFiles::new(built_in::files()), routes)
}

/// The fixtures in `folder`: all of its `.toml` files that are not hidden, by name.
pub fn read(folder: &Path, routes: &RouteTable) -> Result<CheckedFixtures, FixturesError> {
    validate::validate(FixtureFiles::in_folder(folder)?, routes)
}

/// The fixtures in one file. Reports what `mynah fixtures check` does for a folder with that file
/// alone.
#[cfg(any(test, feature = "internals"))]
pub fn read_bytes(
    name: &str,
    bytes: &[u8],
    routes: &RouteTable,
) -> Result<CheckedFixtures, FixturesError> {
    validate::validate(FixtureFiles::new(vec![(name.to_owned(), bytes.to_vec())]), routes)
}

/// The fixtures in `folder`, or else the built-in ones, with further files (name and text), which
/// replace files of the same name. Files are read in the order of their names.
pub fn read_with(
    folder: Option<&Path>,
    further: Vec<(String, String)>,
    routes: &RouteTable,
) -> Result<CheckedFixtures, FixturesError> {
    let mut files = match folder {
        Some(folder) => FixtureFiles::in_folder(folder)?,
        None => FixtureFiles::new(built_in::files()),
    };
    let name_of = |file: &str| Path::new(file).file_name().map(ToOwned::to_owned);
    files.read.retain(|(file, _)| !further.iter().any(|(name, _)| name_of(name) == name_of(file)));
    files.read.extend(further.into_iter().map(|(name, text)| (name, text.into_bytes())));
    files.read.sort_by_key(|(file, _)| name_of(file));
    validate::validate(files, routes)
}

impl CheckedFixtures {
    /// Logs the warnings and the skipped files.
    pub fn log(&self) {
        for warning in self.skipped.iter().chain(&self.warnings) {
            tracing::warn!("fixtures: {warning}");
        }
    }
}

impl Fixtures {
    /// The account with this id.
    pub fn account(&self, id: &str) -> Option<&FixtureAccount> {
        self.accounts.iter().find(|account| account.id.as_str() == id)
    }

    /// The plan with this id, or an error of `field`, where a request names it.
    pub fn plan(&self, id: &str, field: &str) -> Result<&Plan, FieldError> {
        self.plans.iter().find(|plan| plan.id == id).ok_or_else(|| {
            let message = format!("{field} must be one of the plans, and there is no `{id}`");
            FieldError::new(field, FieldErrorKind::BadValue, message)
        })
    }

    /// The language model with this id, or an error of `field`, where a request names it.
    pub fn llm(&self, id: &LlmId, field: &str) -> Result<Arc<LlmModel>, ModelLookupError> {
        if let Some(llm) = self.llms.iter().find(|llm| llm.id == *id) {
            return Ok(Arc::clone(llm));
        }
        if self.sd_models.iter().any(|sd| sd.id.as_str() == id.as_str()) {
            let message = format!("{field} must be the id of an LLM, and `{id}` is an SD model");
            return Err(FieldError::new(field, FieldErrorKind::BadValue, message).into());
        }
        Err(ModelLookupError::UnknownLlm(id.clone()))
    }

    /// The image model with this id, or an error of `field`, where a request names it.
    pub fn sd_model(&self, id: &SdModelId, field: &str) -> Result<Arc<SdModel>, ModelLookupError> {
        if let Some(sd) = self.sd_models.iter().find(|sd| sd.id == *id) {
            return Ok(Arc::clone(sd));
        }
        if self.llms.iter().any(|llm| llm.id.as_str() == id.as_str()) {
            let message = format!("{field} must be the id of an SD model, and `{id}` is an LLM");
            return Err(FieldError::new(field, FieldErrorKind::BadValue, message).into());
        }
        Err(ModelLookupError::UnknownSdModel(id.clone()))
    }

    /// What a new account holds: `balance` and a copy of the conversations, agents, images and
    /// triggers, whose ordinals come from `ids`.
    pub fn account_data(&self, balance: Credits, ids: &IdGenerator) -> AccountData {
        let conversations = self.conversations.iter().map(|(conversation, messages)| {
            let ordinal = ids.next(IdKind::Conversation);
            let copy = Conversation { ordinal, ..conversation.clone() };
            (copy, ids.next(IdKind::Activity), messages.clone())
        });
        let conversations = conversations.collect();
        let agents = self.agents.iter().map(|agent| (ids.next(IdKind::Agent), agent.clone()));
        let agents = agents.collect();
        // Newest first in the files, as in lists; the newest gets the highest ordinal.
        let images = self.images.iter().rev();
        let images = images.map(|image| (ids.next(IdKind::Image), image.clone())).collect();
        let triggers = self.triggers.iter();
        let triggers = triggers
            .map(|trigger| Trigger { ordinal: ids.next(IdKind::Trigger), ..trigger.clone() })
            .collect();
        let kinds =
            [IdKind::Conversation, IdKind::Activity, IdKind::Agent, IdKind::Image, IdKind::Trigger];
        let made = ids.counts(&kinds);
        AccountData {
            balance,
            made,
            conversations,
            agents,
            images,
            triggers,
            run_steps: Vec::new(),
        }
    }
}
