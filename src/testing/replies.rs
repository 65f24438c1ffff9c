//! The replies of an account (docs/control.md, "Replies").

use super::{
    Api, Error, Form, Position, QueuedReply, Reply, ReplyRule, RuleDefinition, RuleListItem,
};
use crate::app::AccountState;
use crate::models::rules::RuleError;

/// The replies of an account: [`Account::replies`](super::Account::replies).
#[derive(Debug, Clone, Copy)]
pub struct Replies<'a>(pub(super) &'a AccountState);

impl Replies<'_> {
    /// Appends a reply to the queue, for one request to either API: a text, a [`Reply`] or its JSON.
    pub fn queue(&self, reply: impl Form<Reply>) -> Result<(), Error> {
        self.enqueue(reply.form()?, None)
    }

    /// Appends a reply for a request to this API only.
    pub fn queue_for(&self, api: Api, reply: impl Form<Reply>) -> Result<(), Error> {
        self.enqueue(reply.form()?, Some(api))
    }

    fn enqueue(self, reply: Reply, api: Option<Api>) -> Result<(), Error> {
        self.0.epoch().rules.enqueue(&[reply], api).map_err(|errors| {
            let errors: Vec<RuleError> = errors.into_iter().map(|(_, error)| error).collect();
            RuleError::refusal(&errors).into()
        })
    }

    /// The queue, the next reply first.
    pub fn queued(&self) -> Vec<QueuedReply> {
        self.0.epoch().rules.queue()
    }

    /// Clears the queue.
    pub fn clear_queue(&self) {
        self.0.epoch().rules.clear_queue();
    }

    /// Adds a rule after the others: a [`ReplyRule`](super::ReplyRule) or its JSON. Returns it with its
    /// id.
    pub fn rule(&self, rule: impl Form<ReplyRule>) -> Result<RuleListItem, Error> {
        self.rule_at(&Position::End, rule)
    }

    /// Adds a rule at this position.
    pub fn rule_at(
        &self,
        at: &Position,
        rule: impl Form<ReplyRule>,
    ) -> Result<RuleListItem, Error> {
        let added = self.0.epoch().rules.add(&rule.form()?, at);
        added.map_err(|errors| RuleError::refusal(&errors).into())
    }

    /// The rules that were added, in order, with their counts.
    pub fn rules(&self) -> Vec<RuleListItem> {
        self.0.epoch().rules.own_rules()
    }

    /// Replaces the rules that were added by this list.
    pub fn replace_rules(&self, list: &[RuleDefinition]) -> Result<(), Error> {
        let replaced = self.0.epoch().rules.replace(list);
        replaced.map_err(|errors| RuleError::refusal(&errors).into())
    }

    /// Removes a rule.
    pub fn remove_rule(&self, id: &str) -> Result<(), Error> {
        Ok(self.0.epoch().rules.remove(id)?)
    }

    /// Removes all rules that were added, and clears the queue. Rules of the fixtures stay.
    pub fn clear(&self) {
        self.0.epoch().rules.clear();
    }
}
