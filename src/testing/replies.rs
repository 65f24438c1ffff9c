//! What the model of an account answers (docs/control.md, "Replies").

use super::{
    Api, Error, Form, Position, QueuedReply, Reply, ReplyRule, RuleDefinition, RuleListItem,
};
use crate::app::AccountState;
use crate::models::rules::{RuleError, UnknownRule};

/// An account's replies: [`Account::replies`](super::Account::replies).
#[derive(Debug, Clone, Copy)]
pub struct Replies<'a>(pub(super) &'a AccountState);

impl Replies<'_> {
    /// Puts a reply at the end of the queue, for one request of either API: a text, a [`Reply`], or
    /// its JSON.
    pub fn queue(&self, reply: impl Form<Reply>) -> Result<(), Error> {
        self.enqueue(reply.form()?, None)
    }

    /// The same, for a request of this API only.
    pub fn queue_for(&self, api: Api, reply: impl Form<Reply>) -> Result<(), Error> {
        self.enqueue(reply.form()?, Some(api))
    }

    fn enqueue(self, reply: Reply, api: Option<Api>) -> Result<(), Error> {
        self.0.epoch().rules.enqueue(&[reply], api).map_err(|faults| {
            let faults: Vec<RuleError> = faults.into_iter().map(|(_, fault)| fault).collect();
            RuleError::refusal(&faults).into()
        })
    }

    /// What is queued, the next one first.
    pub fn queued(&self) -> Vec<QueuedReply> {
        self.0.epoch().rules.queue()
    }

    /// Empties the queue.
    pub fn clear_queue(&self) {
        self.0.epoch().rules.clear_queue();
    }

    /// Adds a rule behind the others: a [`Rule`], or its JSON. Gives it with its id.
    pub fn rule(&self, rule: impl Form<ReplyRule>) -> Result<RuleListItem, Error> {
        self.rule_at(&Position::End, rule)
    }

    /// Adds a rule at this place.
    pub fn rule_at(
        &self,
        at: &Position,
        rule: impl Form<ReplyRule>,
    ) -> Result<RuleListItem, Error> {
        let added = self.0.epoch().rules.add(&rule.form()?, at);
        added.map_err(|faults| RuleError::refusal(&faults).into())
    }

    /// The rules that were added, in order, each with how often it has answered.
    pub fn rules(&self) -> Vec<RuleListItem> {
        self.0.epoch().rules.own_rules()
    }

    /// Puts this list in the place of the rules that were added.
    pub fn replace_rules(&self, list: &[RuleDefinition]) -> Result<(), Error> {
        let replaced = self.0.epoch().rules.replace(list);
        replaced.map_err(|faults| RuleError::refusal(&faults).into())
    }

    /// Takes a rule away.
    pub fn remove_rule(&self, id: &str) -> Result<(), Error> {
        let unknown = || UnknownRule(id.to_owned());
        Ok(self.0.epoch().rules.remove(id).then_some(()).ok_or_else(unknown)?)
    }

    /// Takes all rules away that were added, and empties the queue; the fixtures' rules stay.
    pub fn clear(&self) {
        self.0.epoch().rules.clear();
    }
}
