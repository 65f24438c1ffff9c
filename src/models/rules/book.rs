//! What answers one account: its queue, its own rules, and its place in the fixtures' rules.
//!
//! Queue and own rules are made at run time. What is decided is decided under the lock: whose turn
//! it is. Matching and rendering happen outside of it.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::bounds::Load;
use super::compile::fault_at;
use super::compile::{CompiledRule, PromptView, RuleError};
use super::misses::TriedRules;
use super::pattern;
use super::reply::CompiledReply;
use super::set::RuleSet;
use crate::domain::Api;
use crate::domain::reply_rule::{Reply, ReplyRule};

/// What answers for a rule when a reply of the queue does.
pub(super) const QUEUE: &str = "queue";

/// How many rules of its own an account has at most.
pub const RULES: usize = 1000;

/// One account's rules and queue, and how often each rule has answered.
#[derive(Debug)]
pub struct AccountRules {
    pub(super) state: Mutex<QueueState>,
}

#[derive(Debug)]
pub(super) struct QueueState {
    /// The rules made at run time.
    pub(super) own: Arc<RuleProgress>,
    pub(super) fixtures: Arc<RuleProgress>,
    /// In the order of their numbers.
    pub(super) queue: VecDeque<ScriptedReply>,
    pub(super) queue_load: Load,
    /// The number of the reply queued last.
    pub(super) queued: u64,
    /// The queue was emptied when it had come to this number.
    pub(super) emptied: u64,
    /// The number in the last name that was given to a rule.
    pub(super) named: u64,
}

/// Rules, and an account's place in each.
#[derive(Debug)]
pub(super) struct RuleProgress {
    pub(super) set: Arc<RuleSet>,
    /// How often each answered. Shared, so that a rule keeps its place when the list changes.
    pub(super) answered: Vec<Arc<AtomicU64>>,
    /// Of the rules made at run time alone.
    pub(super) load: Load,
}

/// A reply that waits for its request.
#[derive(Debug, Clone)]
pub(super) struct ScriptedReply {
    pub(super) number: u64,
    /// Which API's requests it is for, if not any's.
    pub(super) api: Option<Api>,
    pub(super) source: Arc<Reply>,
    pub(super) reply: Arc<CompiledReply>,
    pub(super) load: Load,
}

/// Where a new rule goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Behind the others.
    End,
    /// Where it is the one of this number, counted from 0.
    At(usize),
    /// Before the rule of this id.
    Before(String),
}

/// A rule of a new list.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleDefinition {
    /// The one that is called so, as it is.
    Kept(String),
    /// This one.
    New(Box<ReplyRule>),
}

/// A rule made at run time, as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleListItem {
    /// Its id: its own, or the one it was given.
    pub id: String,
    /// How often it has answered.
    pub answered: u64,
    /// The rule.
    pub rule: ReplyRule,
}

/// A reply in the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedReply {
    /// Which API's requests it is for, if not any's.
    pub api: Option<Api>,
    /// The reply.
    pub reply: Reply,
}

/// A reply that is due.
pub(super) struct SelectedReply {
    /// The rule's name.
    pub(super) rule: Arc<str>,
    pub(super) reply: Arc<CompiledReply>,
    pub(super) served: ReplyLease,
}

/// A reply that was served, to be given back where its request comes to nothing.
#[derive(Debug, Clone)]
pub struct ReplyLease(Origin);

#[derive(Debug, Clone)]
enum Origin {
    Queue(ScriptedReply),
    Rule {
        answered: Arc<AtomicU64>,
        /// How often the rule had answered before.
        turn: u64,
        /// Whether the rule has several replies, which take turns.
        in_turn: bool,
    },
}

impl AccountRules {
    /// A book of the fixtures' rules that has served nothing yet.
    pub fn new(fixtures: Arc<RuleSet>) -> Self {
        let state = QueueState {
            own: Arc::new(RuleProgress::begun(Arc::default())),
            fixtures: Arc::new(RuleProgress::begun(fixtures)),
            queue: VecDeque::new(),
            queue_load: Load::default(),
            queued: 0,
            emptied: 0,
            named: 0,
        };
        Self { state: Mutex::new(state) }
    }

    /// The rules there are at present.
    pub fn rules(&self) -> TriedRules {
        let state = self.state.lock();
        TriedRules { own: Arc::clone(&state.own.set), fixtures: Arc::clone(&state.fixtures.set) }
    }

    /// What matching costs for each byte of a text, in patterns of the smallest size.
    pub(super) fn matching_cost(&self) -> usize {
        let state = self.state.lock();
        (state.own.set.pattern_size() + state.fixtures.set.pattern_size()) / pattern::SMALLEST
    }

    /// What was said at run time: the next reply of the queue, else that of the first own rule
    /// that matches.
    pub(super) fn said_at_run_time(&self, shown: &PromptView<'_>) -> Option<SelectedReply> {
        let own = {
            let mut state = self.state.lock();
            if let Some(queued) = state.next_of_queue(shown.api()) {
                return Some(queued.due());
            }
            Arc::clone(&state.own)
        };
        own.due(shown)
    }

    /// The reply of the first rule of the fixtures that matches.
    pub(super) fn said_by_fixtures(&self, shown: &PromptView<'_>) -> Option<SelectedReply> {
        let fixtures = Arc::clone(&self.state.lock().fixtures);
        fixtures.due(shown)
    }

    /// Makes a reply count as not served: one of the queue is the next again, one of several that
    /// take turns has its turn again unless another was served since.
    pub fn give_back(&self, served: ReplyLease) {
        match served.0 {
            Origin::Rule { answered, turn, in_turn: true } => {
                let _ =
                    answered.compare_exchange(turn + 1, turn, Ordering::AcqRel, Ordering::Acquire);
            }
            Origin::Rule { answered, in_turn: false, .. } => {
                answered.fetch_sub(1, Ordering::AcqRel);
            }
            Origin::Queue(queued) => {
                let mut state = self.state.lock();
                if queued.number > state.emptied {
                    let behind = |other: &ScriptedReply| other.number < queued.number;
                    let at = state.queue.partition_point(behind);
                    state.queue_load = state.queue_load.plus(queued.load);
                    state.queue.insert(at, queued);
                }
            }
        }
    }

    /// Takes over other rules of the fixtures, which begin anew. The same ones go on.
    pub fn adopt(&self, fixtures: &Arc<RuleSet>) {
        let mut state = self.state.lock();
        if !Arc::ptr_eq(&state.fixtures.set, fixtures) {
            state.fixtures = Arc::new(RuleProgress::begun(Arc::clone(fixtures)));
        }
    }

    /// The rules made at run time, in order.
    pub fn own_rules(&self) -> Vec<RuleListItem> {
        let own = Arc::clone(&self.state.lock().own);
        own.each().map(|(rule, answered)| RuleListItem::of(rule, answered)).collect()
    }

    /// The queue, the next one first.
    pub fn queue(&self) -> Vec<QueuedReply> {
        let state = self.state.lock();
        let replies = state.queue.iter();
        replies
            .map(|queued| QueuedReply { api: queued.api, reply: Reply::clone(&queued.source) })
            .collect()
    }

    /// Adds a rule; gives it with its id.
    pub fn add(
        &self,
        rule: &ReplyRule,
        position: &Position,
    ) -> Result<RuleListItem, Vec<RuleError>> {
        let load = Load::of(rule);
        let mut left = pattern::TOGETHER;
        let rule = compiled(rule, &mut left)?;
        let mut state = self.state.lock();
        let own = Arc::clone(&state.own);
        let load = own.load.plus(load);
        load.within_bounds("rules").map_err(|fault| vec![fault])?;
        let (mut rules, mut answered) = (own.set.rules().to_vec(), own.answered.clone());
        if rules.len() >= RULES {
            return Err(vec![too_many_rules()]);
        }
        if own.set.pattern_size() + rule.pattern_size() > pattern::TOGETHER {
            let message = pattern::PatternError::TooManyTogether.to_string();
            return Err(vec![fault_at(&["when", "regex"], message)]);
        }
        if own.find(&rule.name).is_some() {
            let message = format!("there is a rule called `{}` already", rule.name);
            return Err(vec![fault_at(&["id"], message)]);
        }
        let at = match position {
            Position::End => rules.len(),
            Position::At(at) if *at <= rules.len() => *at,
            Position::At(_) => {
                let message = format!("there are {} rules", rules.len());
                return Err(vec![fault_at(&["at"], message)]);
            }
            Position::Before(id) => own.find(id).ok_or_else(|| {
                vec![fault_at(&["before"], format!("there is no rule called `{id}`"))]
            })?,
        };
        let taken = rules.iter().map(|rule| &*rule.name).collect();
        let rule = Arc::new(named(rule, &mut state.named, &taken));
        let count = Arc::new(AtomicU64::new(0));
        let added = RuleListItem::of(&rule, &count);
        rules.insert(at, rule);
        answered.insert(at, count);
        state.own = Arc::new(RuleProgress { set: Arc::new(RuleSet::of(rules)), answered, load });
        Ok(added)
    }

    /// Puts this list in the place of the rules there are. A rule that is in both keeps its count.
    pub fn replace(&self, wanted: &[RuleDefinition]) -> Result<(), Vec<RuleError>> {
        if wanted.len() > RULES {
            return Err(vec![too_many_rules()]);
        }
        let (mut faults, mut left) = (Vec::new(), pattern::TOGETHER);
        let mut new = Vec::with_capacity(wanted.len());
        for (place, wanted) in wanted.iter().enumerate() {
            let rule = match wanted {
                RuleDefinition::Kept(_) => None,
                RuleDefinition::New(rule) => compiled(rule, &mut left)
                    .map_err(|found| faults.extend(below(place, found)))
                    .ok(),
            };
            new.push((wanted, rule));
        }
        let mut state = self.state.lock();
        let own = Arc::clone(&state.own);
        let mut ids = HashSet::new();
        for (place, wanted) in wanted.iter().enumerate() {
            let id = match wanted {
                RuleDefinition::Kept(id) if own.find(id).is_none() => {
                    let fault = fault_at(&[], format!("there is no rule called `{id}`"));
                    faults.extend(below(place, vec![fault]));
                    continue;
                }
                RuleDefinition::Kept(id) => Some(id.as_str()),
                RuleDefinition::New(rule) => rule.id.as_deref(),
            };
            if let Some(id) = id.filter(|id| !ids.insert(*id)) {
                let fault = fault_at(&[], format!("there are two rules called `{id}`"));
                faults.extend(below(place, vec![fault]));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let (mut rules, mut answered) = (Vec::new(), Vec::new());
        for (wanted, rule) in new {
            let kept = match wanted {
                RuleDefinition::Kept(id) => own.find(id),
                RuleDefinition::New(rule) => own.find_same(rule),
            };
            let (rule, count) = match (kept.and_then(|place| own.at(place)), rule) {
                (Some((rule, count)), _) => (Arc::clone(rule), Arc::clone(count)),
                (None, Some(rule)) => {
                    let rule = Arc::new(named(rule, &mut state.named, &ids));
                    (rule, Arc::default())
                }
                (None, None) => continue,
            };
            rules.push(rule);
            answered.push(count);
        }
        let load: Load = rules.iter().map(|rule| Load::of(&rule.source)).collect();
        load.within_bounds("rules").map_err(|fault| vec![fault])?;
        let set = RuleSet::of(rules);
        if set.pattern_size() > pattern::TOGETHER {
            let message = pattern::PatternError::TooManyTogether.to_string();
            return Err(vec![fault_at(&[], message)]);
        }
        state.own = Arc::new(RuleProgress { set: Arc::new(set), answered, load });
        Ok(())
    }

    /// Removes a rule; tells whether there was one of that id.
    pub fn remove(&self, id: &str) -> bool {
        let mut state = self.state.lock();
        let Some(at) = state.own.find(id) else { return false };
        let (mut rules, mut answered) =
            (state.own.set.rules().to_vec(), state.own.answered.clone());
        let load = state.own.load.minus(Load::of(&rules.remove(at).source));
        answered.remove(at);
        state.own = Arc::new(RuleProgress { set: Arc::new(RuleSet::of(rules)), answered, load });
        true
    }

    /// Removes the rules made at run time, and the queue.
    pub fn clear(&self) {
        let mut state = self.state.lock();
        state.own = Arc::new(RuleProgress::begun(Arc::default()));
        state.empty_queue();
    }

    /// Puts replies at the end of the queue, all or none; the faults tell which reply is wrong.
    pub fn enqueue(
        &self,
        replies: &[Reply],
        api: Option<Api>,
    ) -> Result<(), Vec<(usize, RuleError)>> {
        let mut compiled = Vec::with_capacity(replies.len());
        let mut faults = Vec::new();
        for (nth, source) in replies.iter().enumerate() {
            match CompiledReply::compile(source) {
                Ok(reply) => compiled.push((source, Arc::new(reply), Load::of(source))),
                Err(found) => faults.extend(found.into_iter().map(|fault| (nth, fault))),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut state = self.state.lock();
        let mut load = state.queue_load;
        for (nth, (.., more)) in compiled.iter().enumerate() {
            load = load.plus(*more);
            load.within_bounds("queued replies").map_err(|fault| vec![(nth, fault)])?;
        }
        state.queue_load = load;
        for (source, reply, load) in compiled {
            state.queued += 1;
            let (number, source) = (state.queued, Arc::new(source.clone()));
            state.queue.push_back(ScriptedReply { number, api, source, reply, load });
        }
        Ok(())
    }

    /// Removes what is in the queue.
    pub fn empty_queue(&self) {
        self.state.lock().empty_queue();
    }
}

impl QueueState {
    fn next_of_queue(&mut self, api: Api) -> Option<ScriptedReply> {
        let of_api = |queued: &ScriptedReply| queued.api.is_none_or(|wanted| wanted == api);
        let next = self.queue.iter().position(of_api)?;
        let next = self.queue.remove(next)?;
        self.queue_load = self.queue_load.minus(next.load);
        Some(next)
    }

    fn empty_queue(&mut self) {
        self.queue.clear();
        self.queue_load = Load::default();
        self.emptied = self.queued;
    }
}

impl ScriptedReply {
    fn due(self) -> SelectedReply {
        let reply = Arc::clone(&self.reply);
        SelectedReply { rule: QUEUE.into(), reply, served: ReplyLease(Origin::Queue(self)) }
    }
}

impl RuleProgress {
    /// Rules that have not answered yet.
    fn begun(set: Arc<RuleSet>) -> Self {
        let answered = set.rules().iter().map(|_| Arc::default()).collect();
        Self { set, answered, load: Load::default() }
    }

    fn each(&self) -> impl Iterator<Item = (&Arc<CompiledRule>, &Arc<AtomicU64>)> {
        self.set.rules().iter().zip(&self.answered)
    }

    fn at(&self, place: usize) -> Option<(&Arc<CompiledRule>, &Arc<AtomicU64>)> {
        self.set.rules().get(place).zip(self.answered.get(place))
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.set.rules().iter().position(|rule| &*rule.name == id)
    }

    /// The place of the rule that is called and says what `wanted` does.
    fn find_same(&self, wanted: &ReplyRule) -> Option<usize> {
        let place = self.find(wanted.id.as_deref()?)?;
        let (rule, _) = self.at(place)?;
        (rule.as_called() == *wanted).then_some(place)
    }

    /// The reply of the first rule that matches and may answer still.
    fn due(&self, shown: &PromptView<'_>) -> Option<SelectedReply> {
        self.set.matching(shown).find_map(|(place, rule)| {
            let answered = self.answered.get(place)?;
            let most = rule.source.times.unwrap_or(u64::MAX);
            let one_more = |times| (times < most).then(|| times + 1);
            let turn = answered.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
            let last = rule.replies.len().saturating_sub(1);
            let nth = usize::try_from(turn).unwrap_or(usize::MAX).min(last);
            let answered = Arc::clone(answered);
            Some(SelectedReply {
                rule: Arc::clone(&rule.name),
                reply: Arc::clone(rule.replies.get(nth)?),
                served: ReplyLease(Origin::Rule { answered, turn, in_turn: last > 0 }),
            })
        })
    }
}

impl RuleListItem {
    fn of(rule: &CompiledRule, answered: &AtomicU64) -> Self {
        Self {
            id: rule.name.to_string(),
            answered: answered.load(Ordering::Acquire),
            rule: rule.as_called(),
        }
    }
}

/// A rule for a book: its id, if it has one, can stand in a path.
pub(super) fn compiled(rule: &ReplyRule, left: &mut usize) -> Result<CompiledRule, Vec<RuleError>> {
    // DELETE …/replies/queue empties the queue.
    if let Some("" | QUEUE) = rule.id.as_deref() {
        return Err(vec![fault_at(&["id"], "an id is neither empty nor `queue`")]);
    }
    CompiledRule::compile(rule, left)
}

pub(super) fn too_many_rules() -> RuleError {
    fault_at(&[], format!("an account has at most {RULES} rules of its own"))
}

/// `rule` with a name: its own, or the next that none of `taken` has.
fn named(rule: CompiledRule, last: &mut u64, taken: &HashSet<&str>) -> CompiledRule {
    if !rule.name.is_empty() {
        return rule;
    }
    loop {
        *last += 1;
        let name = format!("rule_{last}");
        if !taken.contains(name.as_str()) {
            return rule.or_named(&name);
        }
    }
}

/// The faults as those of the item at `place` of a list.
fn below(place: usize, faults: Vec<RuleError>) -> impl Iterator<Item = RuleError> {
    faults.into_iter().map(move |fault| fault.below(&place.to_string()))
}
