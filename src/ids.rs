//! Ids and repeatable random numbers.
//!
//! An [`IdGenerator`] belongs to one account. Each id is a pure function of (seed, account, kind,
//! ordinal): an account that makes the same requests gets the same ids, whatever other accounts do.
//! The generator counts the ordinals; the database stores the counts, so that a restart continues.

mod generator;
mod kind;
mod newtypes;
mod random;
#[cfg(test)]
mod tests;

pub use self::generator::{IdAllocation, IdGenerator, account_and_key, assistant_number};
pub use self::kind::IdKind;
pub use self::newtypes::{
    AccountId, AgentId, ConversationId, DeploymentId, FaultId, ImageId, LlmId, MessageId,
    ProjectId, RequestId, RunId, SdModelId, ToolCallId, TriggerId,
};
pub use self::random::{SeededRandom, random_seed};
