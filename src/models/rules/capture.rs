//! The rules of an account in a snapshot: captured and restored.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use super::account_rules::{AccountRules, RuleListItem, RulesState};
use super::bounds::{ListSize, MAX_RULES};
use super::edit::{compile, too_many_rules};
use super::error::{RuleError, compile_each};
use super::pattern;
use super::progress::RuleProgress;
use super::queue::{QueuedReply, ReplyQueue, ScriptedReply};
use super::rule::CompiledRule;
use super::rule_set::RuleSet;

/// The rules, counts and queue of an account at one moment.
pub struct CapturedRules {
    own: Arc<RuleProgress>,
    own_answered: Vec<u64>,
    fixtures: Arc<RuleProgress>,
    fixtures_answered: Vec<u64>,
    queue: Vec<ScriptedReply>,
    last_name: u64,
}

/// The parts of a snapshot that concern rules, compiled. A part that is `None` stays as it is.
#[derive(Debug, Default)]
pub struct RestoredRules {
    rules: Option<RestoredRuleList>,
    queue: Option<Vec<ScriptedReply>>,
    /// How often each rule of the fixtures has answered, by name.
    answered: Option<HashMap<String, u64>>,
}

#[derive(Debug, Default)]
struct RestoredRuleList {
    rules: Vec<(Arc<CompiledRule>, u64)>,
    last_name: u64,
}

impl CapturedRules {
    /// The rules that were added at run time, in order.
    pub fn rules(&self) -> Vec<RuleListItem> {
        let all = self.own.set.rules().iter().zip(&self.own_answered);
        all.map(|(rule, answered)| RuleListItem::new(rule, *answered)).collect()
    }

    /// The number in the last generated name of a rule.
    pub fn last_name(&self) -> u64 {
        self.last_name
    }

    /// The queue, the next reply first.
    pub fn queue(&self) -> Vec<QueuedReply> {
        self.queue.iter().map(ScriptedReply::as_sent).collect()
    }

    /// How often each rule of the fixtures has answered, by name; those that have not are left out.
    pub fn answered(&self) -> Vec<(String, u64)> {
        let all = self.fixtures.set.rules().iter().zip(&self.fixtures_answered);
        all.filter(|(_, answered)| **answered > 0)
            .map(|(rule, answered)| (rule.name.to_string(), *answered))
            .collect()
    }
}

impl RestoredRules {
    /// Restores these rules. `last_name` is the number in the last generated name of a rule.
    /// The path of an error begins with the index of its rule.
    pub fn set_rules(
        &mut self,
        rules: &[RuleListItem],
        last_name: u64,
    ) -> Result<(), Vec<RuleError>> {
        if rules.len() > MAX_RULES {
            return Err(vec![too_many_rules()]);
        }
        let size: ListSize = rules.iter().map(|own| ListSize::of(&own.rule)).collect();
        size.within_bounds("rules").map_err(|error| vec![error])?;
        let mut left = pattern::MAX_TOTAL_SIZE;
        let mut ids = HashSet::new();
        let compiled = compile_each(rules, |RuleListItem { id, answered, rule }| {
            let is_id_of_another = !ids.insert(id);
            let wrong_id = match &rule.id {
                _ if is_id_of_another => Some(format!("there are two rules called `{id}`")),
                Some(own) if own != id => Some(format!("the rule calls itself `{own}`")),
                Some(_) => None,
                None => Some("a rule needs its id".to_owned()),
            };
            let mut errors: Vec<_> =
                wrong_id.map(|message| RuleError::new(&["id"], message)).into_iter().collect();
            match compile(rule, &mut left) {
                Ok(rule) if errors.is_empty() => return Ok((Arc::new(rule), *answered)),
                Ok(_) => {}
                Err(found) => errors.extend(RuleError::all_below(found, "rule")),
            }
            Err(errors)
        });
        let rules = compiled.map_err(RuleError::of_list)?;
        self.rules = Some(RestoredRuleList { rules, last_name });
        Ok(())
    }

    /// Restores this queue. The path of an error begins with the index of its reply.
    pub fn set_queue(&mut self, queue: &[QueuedReply]) -> Result<(), Vec<RuleError>> {
        let compiled = compile_each(queue, |QueuedReply { api, reply }| {
            ScriptedReply::compile(reply, *api)
                .map_err(|errors| RuleError::all_below(errors, "reply"))
        });
        let replies = compiled.map_err(RuleError::of_list)?;
        let size: ListSize = replies.iter().map(ScriptedReply::size).collect();
        size.within_bounds("queued replies").map_err(|error| vec![error])?;
        self.queue = Some(replies);
        Ok(())
    }

    /// Restores how often each rule of the fixtures has answered, by name.
    pub fn set_answered(&mut self, answered: HashMap<String, u64>) {
        self.answered = Some(answered);
    }
}

impl AccountRules {
    /// Captures the current state. Copies little, because other requests wait for the lock.
    pub fn capture(&self) -> CapturedRules {
        let state = self.state.lock();
        CapturedRules {
            own_answered: state.own.counts(),
            own: Arc::clone(&state.own),
            fixtures_answered: state.fixtures.counts(),
            fixtures: Arc::clone(&state.fixtures),
            queue: state.queue.iter().cloned().collect(),
            last_name: state.last_name,
        }
    }

    /// The rules of the fixtures with the parts of a snapshot. Parts that the snapshot lacks are as in
    /// `before`; counts of rules that the fixtures lack are dropped.
    pub fn restored(fixtures: &Arc<RuleSet>, parts: &RestoredRules, before: &Self) -> Self {
        let before = before.capture();
        let (own, last_name) = if let Some(RestoredRuleList { rules, last_name }) = &parts.rules {
            let set = RuleSet::of(rules.iter().map(|(rule, _)| Arc::clone(rule)).collect());
            let counts = rules.iter().map(|(_, answered)| *answered);
            let size = rules.iter().map(|(rule, _)| ListSize::of(&rule.source)).collect();
            (RuleProgress::with_counts(Arc::new(set), counts, size), *last_name)
        } else {
            let counts = before.own_answered.iter().copied();
            let size = before.own.size;
            let own = RuleProgress::with_counts(Arc::clone(&before.own.set), counts, size);
            (own, before.last_name)
        };
        let counts_before = || before.answered().into_iter().collect();
        let answered = parts.answered.clone().unwrap_or_else(counts_before);
        let count = |rule: &Arc<CompiledRule>| answered.get(&*rule.name).copied().unwrap_or(0);
        let counts = fixtures.rules().iter().map(count);
        let fixtures = RuleProgress::with_counts(Arc::clone(fixtures), counts, ListSize::default());
        let queue = parts.queue.clone().unwrap_or(before.queue);
        let state = RulesState {
            own: Arc::new(own),
            fixtures: Arc::new(fixtures),
            queue: ReplyQueue::of(queue),
            last_name,
        };
        Self { state: Mutex::new(state) }
    }
}
