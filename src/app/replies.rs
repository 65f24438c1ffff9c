//! Scripted replies: the reply rules that an account has of its own, and its queue (docs/control.md,
//! "Replies"). Patterns and templates are compiled on blocking threads.

use std::sync::Arc;

use thiserror::Error;

use super::accounts::AccountState;
use crate::domain::Api;
use crate::domain::error::{FieldError, InternalError};
use crate::domain::reply_rule::{Reply, ReplyRule};
pub use crate::models::rules::UnknownRule;
pub use crate::models::rules::account_rules::RuleListItem;
pub use crate::models::rules::edit::{Position, RuleDefinition};
pub use crate::models::rules::queue::QueuedReply;
use crate::models::rules::{AccountRules, RuleError, pool};

/// The scripted replies of an account's present epoch.
#[derive(Debug, Clone)]
pub struct AccountReplies(Arc<AccountRules>);

/// Why rules or replies were not added.
#[derive(Debug, Error)]
pub enum RepliesError {
    /// A rule or a reply is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The server failed.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

impl AccountState {
    /// The scripted replies of the present epoch.
    pub fn replies(&self) -> AccountReplies {
        AccountReplies(Arc::clone(&self.epoch().rules))
    }
}

impl AccountReplies {
    /// The rules, in order.
    pub fn rules(&self) -> Vec<RuleListItem> {
        self.0.own_rules()
    }

    /// The queue, the next reply first.
    pub fn queue(&self) -> Vec<QueuedReply> {
        self.0.queue()
    }

    /// Adds a rule; returns it with its id.
    pub async fn add(
        &self,
        rule: ReplyRule,
        position: Position,
    ) -> Result<RuleListItem, RepliesError> {
        self.compile(move |rules| {
            rules.add(&rule, &position).map_err(|errors| RuleError::refusal(&errors))
        })
        .await
    }

    /// Replaces the rules by this list. A rule that is in both keeps its count.
    pub async fn replace(&self, definitions: Vec<RuleDefinition>) -> Result<(), RepliesError> {
        self.compile(move |rules| {
            rules.replace(&definitions).map_err(|errors| RuleError::refusal(&errors))
        })
        .await
    }

    /// Removes a rule.
    pub fn remove(&self, id: &str) -> Result<(), UnknownRule> {
        self.0.remove(id)
    }

    /// Removes all rules and clears the queue.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// Appends a reply to the queue, for a request to `api` or to either API.
    pub async fn enqueue(&self, reply: Reply, api: Option<Api>) -> Result<(), RepliesError> {
        self.compile(move |rules| {
            rules.enqueue(&[reply], api).map_err(|errors| {
                let errors: Vec<_> = errors.into_iter().map(|(_, error)| error).collect();
                RuleError::refusal(&errors)
            })
        })
        .await
    }

    /// Appends replies to the queue, all or none. Errors name the reply by its index.
    pub async fn enqueue_all(
        &self,
        replies: Vec<Reply>,
        api: Option<Api>,
    ) -> Result<(), RepliesError> {
        self.compile(move |rules| {
            rules.enqueue(&replies, api).map_err(|errors| {
                let below = |(index, error): (usize, RuleError)| error.below(&index.to_string());
                let errors: Vec<_> = errors.into_iter().map(below).collect();
                RuleError::refusal(&errors)
            })
        })
        .await
    }

    /// Removes the replies in the queue.
    pub fn clear_queue(&self) {
        self.0.clear_queue();
    }

    /// Runs `change`, which compiles patterns and templates.
    async fn compile<T: Send + 'static>(
        &self,
        change: impl FnOnce(&AccountRules) -> Result<T, FieldError> + Send + 'static,
    ) -> Result<T, RepliesError> {
        let rules = Arc::clone(&self.0);
        let changed = pool::compile(move || change(&rules)).await.map_err(InternalError::new)?;
        Ok(changed?)
    }
}
