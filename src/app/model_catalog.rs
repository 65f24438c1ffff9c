//! The models of the Characters API.

use std::sync::Arc;

use crate::domain::catalog::{LlmModel, SdModel};
use crate::fixtures::FixtureHandle;

/// Lists the models that requests can name.
#[derive(Debug, Clone)]
pub struct ModelCatalog(FixtureHandle);

impl ModelCatalog {
    /// The models of `fixtures`.
    pub fn new(fixtures: FixtureHandle) -> Self {
        Self(fixtures)
    }

    /// The language models, in the order of the fixtures.
    pub fn llms(&self) -> Vec<Arc<LlmModel>> {
        self.0.current().llms.clone()
    }

    /// The image models, in the order of the fixtures.
    pub fn sd_models(&self) -> Vec<Arc<SdModel>> {
        self.0.current().sd_models.clone()
    }
}
