//! The reply rules and the queue of one account.
//!
//! The next reply is chosen under a lock; matching and rendering happen outside of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::error::{RuleError, compile_each};
use super::near_misses::TriedRules;
use super::pattern;
use super::progress::{LeasedReply, ReplyLease, RuleProgress, SelectedReply};
use super::prompt_view::PromptView;
use super::queue::{QUEUE, QueuedReply, ReplyQueue, ScriptedReply};
use super::rule::CompiledRule;
use super::rule_set::RuleSet;
use crate::domain::Api;
use crate::domain::reply_rule::{Reply, ReplyRule};

/// An account's own rules, its queue, and how often each rule has answered.
#[derive(Debug)]
pub struct AccountRules {
    pub(super) state: Mutex<RulesState>,
}

#[derive(Debug)]
pub(super) struct RulesState {
    /// The rules that were added at run time.
    pub(super) own: Arc<RuleProgress>,
    pub(super) fixtures: Arc<RuleProgress>,
    pub(super) queue: ReplyQueue,
    /// The number in the last generated name of a rule.
    pub(super) last_name: u64,
}

/// A rule that was added at run time, as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleListItem {
    /// The id of the rule, or its generated name.
    pub id: String,
    /// How often it has answered.
    pub answered: u64,
    /// The rule.
    pub rule: ReplyRule,
}

impl RuleListItem {
    pub(super) fn new(rule: &CompiledRule, answered: u64) -> Self {
        Self { id: rule.name.to_string(), answered, rule: rule.with_id() }
    }
}

impl AccountRules {
    /// The rules of the fixtures, none of which has answered yet.
    pub fn new(fixtures: Arc<RuleSet>) -> Self {
        let state = RulesState {
            own: Arc::new(RuleProgress::new(Arc::default())),
            fixtures: Arc::new(RuleProgress::new(fixtures)),
            queue: ReplyQueue::default(),
            last_name: 0,
        };
        Self { state: Mutex::new(state) }
    }

    /// The current rules.
    pub fn rules(&self) -> TriedRules {
        let state = self.state.lock();
        TriedRules { own: Arc::clone(&state.own.set), fixtures: Arc::clone(&state.fixtures.set) }
    }

    /// The cost of matching one byte of a text: the size of all patterns, in units of `MIN_SIZE`.
    pub(super) fn matching_cost(&self) -> usize {
        let state = self.state.lock();
        (state.own.set.pattern_size() + state.fixtures.set.pattern_size()) / pattern::MIN_SIZE
    }

    /// Takes the next reply of the queue, else that of the first own rule that matches.
    pub(super) fn take_scripted(&self, view: &PromptView<'_>) -> Option<SelectedReply> {
        let own = {
            let mut state = self.state.lock();
            if let Some(queued) = state.queue.take(view.api(), view.prompt.tools.is_some()) {
                return Some(selected(queued));
            }
            Arc::clone(&state.own)
        };
        own.select(view)
    }

    /// Takes the reply of the first rule of the fixtures that matches.
    pub(super) fn take_from_fixtures(&self, view: &PromptView<'_>) -> Option<SelectedReply> {
        let fixtures = Arc::clone(&self.state.lock().fixtures);
        fixtures.select(view)
    }

    /// Makes a reply count as not used. A reply of the queue returns to its place. A sequence goes
    /// back by one reply, unless another reply was taken since.
    pub fn release(&self, lease: ReplyLease) {
        match lease.0 {
            LeasedReply::OfRule { answered, count_before, is_sequence: true } => {
                // Fails, with no effect, if another reply was taken since.
                let _ = answered.compare_exchange(
                    count_before + 1,
                    count_before,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                );
            }
            LeasedReply::OfRule { answered, is_sequence: false, .. } => {
                answered.fetch_sub(1, Ordering::AcqRel);
            }
            LeasedReply::Queued(queued) => self.state.lock().queue.put_back(queued),
        }
    }

    /// Replaces the rules of the fixtures. The same rules keep their counts.
    pub fn set_fixtures(&self, fixtures: &Arc<RuleSet>) {
        let mut state = self.state.lock();
        if !Arc::ptr_eq(&state.fixtures.set, fixtures) {
            state.fixtures = Arc::new(RuleProgress::new(Arc::clone(fixtures)));
        }
    }

    /// The rules that were added at run time, in order.
    pub fn own_rules(&self) -> Vec<RuleListItem> {
        let own = Arc::clone(&self.state.lock().own);
        let count = |answered: &AtomicU64| answered.load(Ordering::Acquire);
        own.iter().map(|(rule, answered)| RuleListItem::new(rule, count(answered))).collect()
    }

    /// The queue, the next reply first.
    pub fn queue(&self) -> Vec<QueuedReply> {
        self.state.lock().queue.iter().map(ScriptedReply::as_sent).collect()
    }

    /// Appends replies to the queue, all or none. Each error comes with the index of its reply.
    pub fn enqueue(
        &self,
        replies: &[Reply],
        api: Option<Api>,
    ) -> Result<(), Vec<(usize, RuleError)>> {
        let compiled = compile_each(replies, |reply| ScriptedReply::compile(reply, api))?;
        let mut state = self.state.lock();
        let mut size = state.queue.size();
        for (index, reply) in compiled.iter().enumerate() {
            size = size.plus(reply.size());
            size.within_bounds("queued replies").map_err(|error| vec![(index, error)])?;
        }
        for reply in compiled {
            state.queue.push(reply);
        }
        Ok(())
    }

    /// Removes the replies in the queue.
    pub fn clear_queue(&self) {
        self.state.lock().queue.clear();
    }

    /// Removes the rules that were added at run time, and the queue.
    pub fn clear(&self) {
        let mut state = self.state.lock();
        state.own = Arc::new(RuleProgress::new(Arc::default()));
        state.queue.clear();
    }
}

fn selected(queued: ScriptedReply) -> SelectedReply {
    let reply = Arc::clone(&queued.reply);
    SelectedReply { rule: QUEUE.into(), reply, lease: ReplyLease(LeasedReply::Queued(queued)) }
}
