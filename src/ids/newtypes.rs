//! A type for the ids of each kind of object.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The id as shared text.
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<T: Into<Arc<str>>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

ids! {
    /// An account, as fixtures name it: `demo`.
    AccountId
    /// A project: the accounts of one project share its deployments.
    ProjectId
    /// A deployment of the Runner API: `YOUR_DEPLOYMENT_ID`.
    DeploymentId
    /// A conversation of either API: a UUID for the Runner API, `conv_…` for the Characters API.
    ConversationId
    /// A language model of the Characters API: `model_abc123`.
    LlmId
    /// A picture model (stable diffusion) of the Characters API: `sd_model_456abc`.
    SdModelId
    /// An agent of the Characters API: `agent_…`.
    AgentId
    /// An image of the Characters API: `img_…`.
    ImageId
    /// A message of either API: `msg_…`.
    MessageId
    /// A trigger of the Runner API: `trg_…`.
    TriggerId
    /// A fault of an account: `fault_1`.
    FaultId
    /// An agent run of the Runner API: `run_…`.
    RunId
    /// A call of a client's tool: `call_…`.
    ToolCallId
    /// One request and its answer: `req_…`, or what the client sent as `x-request-id`.
    RequestId
}
