//! What the target must offer for a check to run.

/// What a check needs from the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A key.
    Key,
    /// A key of another account; in the Runner API, of another project.
    SecondKey,
    /// A key of an account with a balance of 0.
    BrokeKey,
    /// A key with a low limit.
    LimitedKey,
    /// A deployment that answers with text.
    Deployment,
    /// A deployment with structured output.
    JsonDeployment,
    /// A deployment that calls the client's tool `get_weather` for the weather.
    AgentDeployment,
    /// A language model with a price.
    Model,
    /// An image model.
    SdModel,
    /// Permission to use models, which costs money on a real service.
    Spending,
}

impl Need {
    /// Why a check is not run if this is missing.
    pub(super) fn missing(self) -> &'static str {
        match self {
            Self::Key => "there is no key (--key, --characters-key)",
            Self::SecondKey => {
                "there is no key of another account (--second-key, --characters-second-key)"
            }
            Self::BrokeKey => "there is no key of an account without money (--broke-key)",
            Self::LimitedKey => "there is no key with a low limit (--limited-key)",
            Self::Deployment => "there is no deployment (--deployment)",
            Self::JsonDeployment => {
                "there is no deployment with structured output (--json-deployment)"
            }
            Self::AgentDeployment => "there is no deployment that calls tools (--agent-deployment)",
            Self::Model => "there is no language model (--model)",
            Self::SdModel => "there is no image model (--sd-model)",
            Self::Spending => "nothing may be spent (--no-spend)",
        }
    }
}
