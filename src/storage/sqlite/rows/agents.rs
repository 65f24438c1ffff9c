//! Agents.

use super::statement::{Filled, Statement, Value};
use crate::domain::catalog::Agent;
use crate::ids::SdModelId;
use crate::storage::AccountKey;

const AGENTS: Statement = Statement {
    before: "INSERT INTO agents (account, ordinal, id, name, appearance_prompt, personality_prompt,
                                 description, sd_model)
             SELECT * FROM (",
    width: 8,
    after: ") v WHERE v.column1 IS NOT NULL;",
};

/// New agents.
#[derive(Default)]
pub(in crate::storage::sqlite) struct AgentRows<'r>(Vec<Value<'r>>);

impl<'r> AgentRows<'r> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(in crate::storage::sqlite) fn add(
        &mut self,
        owner: AccountKey,
        ordinal: u64,
        agent: &'r Agent,
    ) {
        self.0.extend([
            owner.into(),
            ordinal.into(),
            Value::text(agent.id.as_str()),
            Value::text(&agent.name),
            Value::text(&agent.appearance_prompt),
            Value::text(&agent.personality_prompt),
            Value::text(&agent.description),
            Value::text_if_any(agent.sd_model.as_ref().map(SdModelId::as_str)),
        ]);
    }

    pub(super) fn filled(self) -> Filled<'r> {
        (&AGENTS, self.0)
    }
}
