//! Edits of the rules that an account has of its own.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::account_rules::{AccountRules, RuleListItem};
use super::bounds::{ListSize, MAX_RULES};
use super::error::{RuleError, UnknownRule, compile_each};
use super::pattern;
use super::progress::RuleProgress;
use super::queue::QUEUE;
use super::rule::CompiledRule;
use super::rule_set::RuleSet;
use crate::domain::reply_rule::ReplyRule;

/// Where a new rule is inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// After the others.
    End,
    /// At this index, counted from 0.
    At(usize),
    /// Before the rule of this id.
    Before(String),
}

/// An item of a list that replaces the rules.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleDefinition {
    /// The present rule of this id.
    Kept(String),
    /// A new rule.
    New(Box<ReplyRule>),
}

impl AccountRules {
    /// Adds a rule; returns it with its id.
    pub fn add(
        &self,
        rule: &ReplyRule,
        position: &Position,
    ) -> Result<RuleListItem, Vec<RuleError>> {
        let mut left = pattern::MAX_TOTAL_SIZE;
        let rule = compile(rule, &mut left)?;
        let mut state = self.state.lock();
        let own = Arc::clone(&state.own);
        let size = own.size.plus(ListSize::of(&rule.source));
        check_addition(&own, &rule, size).map_err(|error| vec![error])?;
        let index = index_at(&own, position).map_err(|error| vec![error])?;
        let (mut rules, mut answered) = (own.set.rules().to_vec(), own.answered.clone());
        let taken = rules.iter().map(|rule| &*rule.name).collect();
        let rule = Arc::new(with_name(rule, &mut state.last_name, &taken));
        let added = RuleListItem::new(&rule, 0);
        rules.insert(index, rule);
        answered.insert(index, Arc::default());
        state.own = Arc::new(RuleProgress { set: Arc::new(RuleSet::of(rules)), answered, size });
        Ok(added)
    }

    /// Replaces the rules by this list. A rule that is in both keeps its count.
    pub fn replace(&self, definitions: &[RuleDefinition]) -> Result<(), Vec<RuleError>> {
        if definitions.len() > MAX_RULES {
            return Err(vec![too_many_rules()]);
        }
        let mut left = pattern::MAX_TOTAL_SIZE;
        let compiled = compile_each(definitions, |definition| match definition {
            RuleDefinition::Kept(_) => Ok(None),
            RuleDefinition::New(rule) => compile(rule, &mut left).map(Some),
        });
        let (compiled, mut errors) = match compiled {
            Ok(compiled) => (compiled, Vec::new()),
            Err(errors) => (Vec::new(), errors),
        };
        let mut state = self.state.lock();
        let own = Arc::clone(&state.own);
        let ids = check_ids(definitions, &own, &mut errors);
        if !errors.is_empty() {
            return Err(RuleError::of_list(errors));
        }
        let (mut rules, mut answered) = (Vec::new(), Vec::new());
        for (definition, new) in definitions.iter().zip(compiled) {
            let (rule, count) = match (present(&own, definition), new) {
                (Some(present), _) => present,
                (None, Some(new)) => {
                    (Arc::new(with_name(new, &mut state.last_name, &ids)), Arc::default())
                }
                // A kept rule that is not there was reported above.
                (None, None) => continue,
            };
            rules.push(rule);
            answered.push(count);
        }
        let size: ListSize = rules.iter().map(|rule| ListSize::of(&rule.source)).collect();
        size.within_bounds("rules").map_err(|error| vec![error])?;
        let set = RuleSet::of(rules);
        if set.pattern_size() > pattern::MAX_TOTAL_SIZE {
            return Err(vec![too_many_patterns(&[])]);
        }
        state.own = Arc::new(RuleProgress { set: Arc::new(set), answered, size });
        Ok(())
    }

    /// Removes a rule.
    pub fn remove(&self, id: &str) -> Result<(), UnknownRule> {
        let mut state = self.state.lock();
        let index = state.own.index_of(id).ok_or_else(|| UnknownRule(id.to_owned()))?;
        let (mut rules, mut answered) =
            (state.own.set.rules().to_vec(), state.own.answered.clone());
        let size = state.own.size.minus(ListSize::of(&rules.remove(index).source));
        answered.remove(index);
        state.own = Arc::new(RuleProgress { set: Arc::new(RuleSet::of(rules)), answered, size });
        Ok(())
    }
}

/// Compiles a rule of an account. `left`: the bytes that patterns may still take.
pub(super) fn compile(rule: &ReplyRule, left: &mut usize) -> Result<CompiledRule, Vec<RuleError>> {
    // `DELETE …/replies/queue` clears the queue.
    if let Some("" | QUEUE) = rule.id.as_deref() {
        return Err(vec![RuleError::new(&["id"], "an id is neither empty nor `queue`")]);
    }
    CompiledRule::compile(rule, left)
}

pub(super) fn too_many_rules() -> RuleError {
    RuleError::new(&[], format!("an account has at most {MAX_RULES} rules of its own"))
}

fn too_many_patterns(path: &[&str]) -> RuleError {
    RuleError::new(path, pattern::RegexError::TooManyTogether.to_string())
}

/// Checks the bounds and the id of a rule that is added to `own`; `size` is the size with it.
fn check_addition(
    own: &RuleProgress,
    rule: &CompiledRule,
    size: ListSize,
) -> Result<(), RuleError> {
    size.within_bounds("rules")?;
    if own.set.rules().len() >= MAX_RULES {
        return Err(too_many_rules());
    }
    if own.set.pattern_size() + rule.pattern_size() > pattern::MAX_TOTAL_SIZE {
        return Err(too_many_patterns(&["when", "regex"]));
    }
    if own.index_of(&rule.name).is_some() {
        let message = format!("there is a rule called `{}` already", rule.name);
        return Err(RuleError::new(&["id"], message));
    }
    Ok(())
}

fn index_at(own: &RuleProgress, position: &Position) -> Result<usize, RuleError> {
    let length = own.set.rules().len();
    match position {
        Position::End => Ok(length),
        Position::At(index) if *index <= length => Ok(*index),
        Position::At(_) => Err(RuleError::new(&["at"], format!("there are {length} rules"))),
        Position::Before(id) => own
            .index_of(id)
            .ok_or_else(|| RuleError::new(&["before"], format!("there is no rule called `{id}`"))),
    }
}

/// Checks that kept rules exist and that no id is used twice; returns the ids.
fn check_ids<'d>(
    definitions: &'d [RuleDefinition],
    own: &RuleProgress,
    errors: &mut Vec<(usize, RuleError)>,
) -> HashSet<&'d str> {
    let mut ids = HashSet::new();
    for (index, definition) in definitions.iter().enumerate() {
        let id = match definition {
            RuleDefinition::Kept(id) if own.index_of(id).is_none() => {
                let message = format!("there is no rule called `{id}`");
                errors.push((index, RuleError::new(&[], message)));
                continue;
            }
            RuleDefinition::Kept(id) => Some(id.as_str()),
            RuleDefinition::New(rule) => rule.id.as_deref(),
        };
        if let Some(id) = id.filter(|id| !ids.insert(*id)) {
            let message = format!("there are two rules called `{id}`");
            errors.push((index, RuleError::new(&[], message)));
        }
    }
    ids
}

/// The present rule that a definition keeps or repeats, with its count.
fn present(
    own: &RuleProgress,
    definition: &RuleDefinition,
) -> Option<(Arc<CompiledRule>, Arc<AtomicU64>)> {
    let index = match definition {
        RuleDefinition::Kept(id) => own.index_of(id),
        RuleDefinition::New(rule) => own.index_of_same(rule),
    };
    let (rule, count) = own.get(index?)?;
    Some((Arc::clone(rule), Arc::clone(count)))
}

/// Gives a rule without an id the next name that none of `taken` has.
fn with_name(rule: CompiledRule, last: &mut u64, taken: &HashSet<&str>) -> CompiledRule {
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
