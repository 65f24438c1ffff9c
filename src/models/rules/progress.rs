//! How often each rule has answered an account, and which of its replies is next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::bounds::ListSize;
use super::prompt_view::PromptView;
use super::queue::ScriptedReply;
use super::reply::CompiledReply;
use super::rule::CompiledRule;
use super::rule_set::RuleSet;
use crate::domain::reply_rule::ReplyRule;

/// Rules, and how often each has answered in one account.
#[derive(Debug)]
pub(super) struct RuleProgress {
    pub(super) set: Arc<RuleSet>,
    /// Shared, so that a rule keeps its count when the list changes.
    pub(super) answered: Vec<Arc<AtomicU64>>,
    /// The size of the account's own rules; zero for the rules of the fixtures.
    pub(super) size: ListSize,
}

/// The reply that answers a request.
pub(super) struct SelectedReply {
    /// The name of the rule.
    pub(super) rule: Arc<str>,
    pub(super) reply: Arc<CompiledReply>,
    pub(super) lease: ReplyLease,
}

/// The right to answer with a reply. It is released if the turn is not stored.
#[derive(Debug, Clone)]
pub struct ReplyLease(pub(super) LeasedReply);

#[derive(Debug, Clone)]
pub(super) enum LeasedReply {
    Queued(ScriptedReply),
    OfRule {
        answered: Arc<AtomicU64>,
        /// How often the rule had answered before.
        count_before: u64,
        /// Whether the rule has a sequence of replies.
        is_sequence: bool,
    },
}

impl RuleProgress {
    /// Rules that have not answered yet.
    pub(super) fn new(set: Arc<RuleSet>) -> Self {
        let answered = set.rules().iter().map(|_| Arc::default()).collect();
        Self { set, answered, size: ListSize::default() }
    }

    /// Rules that have answered as often as `counts` say.
    pub(super) fn with_counts(
        set: Arc<RuleSet>,
        counts: impl Iterator<Item = u64>,
        size: ListSize,
    ) -> Self {
        let answered = counts.map(|count| Arc::new(AtomicU64::new(count))).collect();
        Self { set, answered, size }
    }

    pub(super) fn counts(&self) -> Vec<u64> {
        self.answered.iter().map(|count| count.load(Ordering::Acquire)).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<CompiledRule>, &Arc<AtomicU64>)> {
        self.set.rules().iter().zip(&self.answered)
    }

    pub(super) fn get(&self, index: usize) -> Option<(&Arc<CompiledRule>, &Arc<AtomicU64>)> {
        self.set.rules().get(index).zip(self.answered.get(index))
    }

    pub(super) fn index_of(&self, id: &str) -> Option<usize> {
        self.set.rules().iter().position(|rule| &*rule.name == id)
    }

    /// The index of the rule that has the id and the content of `wanted`.
    pub(super) fn index_of_same(&self, wanted: &ReplyRule) -> Option<usize> {
        let index = self.index_of(wanted.id.as_deref()?)?;
        let (rule, _) = self.get(index)?;
        (rule.with_id() == *wanted).then_some(index)
    }

    /// Takes the next reply of the first rule that matches and has not answered `times` times.
    pub(super) fn select(&self, view: &PromptView<'_>) -> Option<SelectedReply> {
        self.set.matching(view).find_map(|(index, rule)| {
            let answered = self.answered.get(index)?;
            let one_more = |count: u64| {
                let may_answer = rule.source.times.is_none_or(|times| count < times);
                may_answer.then(|| count + 1)
            };
            let count_before =
                answered.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
            let last = rule.replies.len().saturating_sub(1);
            // A sequence stays at its last reply.
            let next = usize::try_from(count_before).map_or(last, |next| next.min(last));
            let answered = Arc::clone(answered);
            Some(SelectedReply {
                rule: Arc::clone(&rule.name),
                reply: Arc::clone(rule.replies.get(next)?),
                lease: ReplyLease(LeasedReply::OfRule {
                    answered,
                    count_before,
                    is_sequence: last > 0,
                }),
            })
        })
    }
}
