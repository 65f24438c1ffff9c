//! A rule book as a snapshot keeps it: read at one moment, and made again from what was kept.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::book::compiled;
use super::book::too_many_rules;
use super::book::{
    AccountRules, QueueState, QueuedReply, RULES, RuleListItem, RuleProgress, ScriptedReply,
};
use super::bounds::Load;
use super::compile::fault_at;
use super::compile::{CompiledRule, RuleError};
use super::pattern;
use super::reply::CompiledReply;
use super::set::RuleSet;
use crate::domain::reply_rule::Reply;

/// A book at one moment.
pub struct CapturedRules {
    own: Arc<RuleProgress>,
    own_answered: Vec<u64>,
    fixtures: Arc<RuleProgress>,
    fixtures_answered: Vec<u64>,
    queue: VecDeque<ScriptedReply>,
    named: u64,
}

/// What a book is made of, compiled. What is left out is taken from the book before.
#[derive(Debug, Default)]
pub struct RestoredRules {
    rules: Option<RestoredRuleList>,
    queue: Option<Vec<ScriptedReply>>,
    /// How often each of the fixtures' rules has answered, by its name.
    answered: Option<HashMap<String, u64>>,
}

#[derive(Debug, Default)]
struct RestoredRuleList {
    rules: Vec<(Arc<CompiledRule>, u64)>,
    named: u64,
}

impl CapturedRules {
    /// The rules made at run time, in order.
    pub fn rules(&self) -> Vec<RuleListItem> {
        let all = self.own.set.rules().iter().zip(&self.own_answered);
        all.map(|(rule, answered)| RuleListItem {
            id: rule.name.to_string(),
            answered: *answered,
            rule: rule.as_called(),
        })
        .collect()
    }

    /// The number in the last name that was given to a rule.
    pub fn named(&self) -> u64 {
        self.named
    }

    /// The queue, the next one first.
    pub fn queue(&self) -> Vec<QueuedReply> {
        let replies = self.queue.iter();
        replies
            .map(|queued| QueuedReply { api: queued.api, reply: Reply::clone(&queued.source) })
            .collect()
    }

    /// The names of the fixtures' rules that have answered, and how often.
    pub fn answered(&self) -> Vec<(String, u64)> {
        let all = self.fixtures.set.rules().iter().zip(&self.fixtures_answered);
        all.filter(|(_, answered)| **answered > 0)
            .map(|(rule, answered)| (rule.name.to_string(), *answered))
            .collect()
    }
}

impl RestoredRules {
    /// Takes these rules, of which `named` were given their names. The faults tell, by its place,
    /// which rule is wrong.
    pub fn set_rules(&mut self, rules: &[RuleListItem], named: u64) -> Result<(), Vec<RuleError>> {
        if rules.len() > RULES {
            return Err(vec![too_many_rules()]);
        }
        let load: Load = rules.iter().map(|own| Load::of(&own.rule)).collect();
        load.within_bounds("rules").map_err(|fault| vec![fault])?;
        let mut kept = Vec::with_capacity(rules.len());
        let mut left = pattern::TOGETHER;
        let (mut faults, mut ids) = (Vec::new(), HashSet::new());
        for (place, RuleListItem { id, answered, rule }) in rules.iter().enumerate() {
            let is_id_of_another = !ids.insert(id);
            let wrong_id = match &rule.id {
                _ if is_id_of_another => Some(format!("there are two rules called `{id}`")),
                Some(own) if own != id => Some(format!("the rule calls itself `{own}`")),
                Some(_) => None,
                None => Some("a rule needs its id".to_owned()),
            };
            faults.extend(wrong_id.map(|message| fault_at(&["id"], message).below_place(place)));
            match compiled(rule, &mut left) {
                Ok(rule) => kept.push((Arc::new(rule), *answered)),
                Err(found) => faults
                    .extend(found.into_iter().map(|fault| fault.below("rule").below_place(place))),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        self.rules = Some(RestoredRuleList { rules: kept, named });
        Ok(())
    }

    /// Takes these replies for the queue. The faults tell, by its place, which reply is wrong.
    pub fn set_queue(&mut self, queue: &[QueuedReply]) -> Result<(), Vec<RuleError>> {
        let mut kept = Vec::with_capacity(queue.len());
        let mut faults = Vec::new();
        for (place, QueuedReply { api, reply }) in queue.iter().enumerate() {
            match CompiledReply::compile(reply) {
                Ok(compiled) => kept.push(ScriptedReply {
                    load: Load::of(reply),
                    number: 0,
                    api: *api,
                    source: Arc::new(reply.clone()),
                    reply: Arc::new(compiled),
                }),
                Err(found) => faults
                    .extend(found.into_iter().map(|fault| fault.below("reply").below_place(place))),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let load: Load = kept.iter().map(|queued| queued.load).collect();
        load.within_bounds("queued replies").map_err(|fault| vec![fault])?;
        self.queue = Some(kept);
        Ok(())
    }

    /// Takes how often the fixtures' rules have answered, by their names.
    pub fn set_answered(&mut self, answered: HashMap<String, u64>) {
        self.answered = Some(answered);
    }
}

impl AccountRules {
    /// The book as it is now. Cheap: it is called where others wait.
    pub fn capture(&self) -> CapturedRules {
        let state = self.state.lock();
        CapturedRules {
            own_answered: state.own.counts(),
            own: Arc::clone(&state.own),
            fixtures_answered: state.fixtures.counts(),
            fixtures: Arc::clone(&state.fixtures),
            queue: state.queue.clone(),
            named: state.named,
        }
    }

    /// A book of the fixtures' rules and what was `kept`; what that leaves out is as in `before`. A
    /// count of a rule that the fixtures do not have is dropped.
    pub fn restored(fixtures: &Arc<RuleSet>, kept: &RestoredRules, before: &Self) -> Self {
        let before = before.capture();
        let (own, named) = if let Some(RestoredRuleList { rules, named }) = &kept.rules {
            let set = RuleSet::of(rules.iter().map(|(rule, _)| Arc::clone(rule)).collect());
            let counts = rules.iter().map(|(_, answered)| *answered);
            let load = rules.iter().map(|(rule, _)| Load::of(&rule.source)).collect();
            (RuleProgress::at_counts(Arc::new(set), counts, load), *named)
        } else {
            let counts = before.own_answered.iter().copied();
            let load = before.own.load;
            (RuleProgress::at_counts(Arc::clone(&before.own.set), counts, load), before.named)
        };
        let of_before = || before.answered().into_iter().collect();
        let answered = kept.answered.clone().unwrap_or_else(of_before);
        let count = |rule: &Arc<CompiledRule>| answered.get(&*rule.name).copied();
        let counts = fixtures.rules().iter().map(|rule| count(rule).unwrap_or_default());
        let queue: Vec<ScriptedReply> = match &kept.queue {
            Some(queue) => queue.clone(),
            None => before.queue.into(),
        };
        let numbers = 1..;
        let queue: VecDeque<_> = queue
            .into_iter()
            .zip(numbers)
            .map(|(queued, number)| ScriptedReply { number, ..queued })
            .collect();
        let state = QueueState {
            own: Arc::new(own),
            fixtures: Arc::new(RuleProgress::at_counts(
                Arc::clone(fixtures),
                counts,
                Load::default(),
            )),
            queue_load: queue.iter().map(|queued| queued.load).collect(),
            queued: u64::try_from(queue.len()).unwrap_or(u64::MAX),
            queue,
            emptied: 0,
            named,
        };
        Self { state: Mutex::new(state) }
    }
}

impl RuleProgress {
    fn counts(&self) -> Vec<u64> {
        self.answered.iter().map(|count| count.load(Ordering::Acquire)).collect()
    }

    /// Rules that have answered so often.
    fn at_counts(set: Arc<RuleSet>, counts: impl Iterator<Item = u64>, load: Load) -> Self {
        let answered = counts.map(|count| Arc::new(AtomicU64::new(count))).collect();
        Self { set, answered, load }
    }
}

impl RuleError {
    fn below_place(self, place: usize) -> Self {
        self.below(&place.to_string())
    }
}
