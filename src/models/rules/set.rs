//! Rules in their order, found fast: what a rule asks of deployment, model and text to the letter
//! is looked up, and only rules that agree in these are tried. A thousand such rules cost what ten
//! do.

use std::collections::HashMap;
use std::sync::Arc;

use super::compile::hash_of;
use super::compile::{CompiledRule, PromptView, RuleError};
use super::pattern;
use crate::domain::reply_rule::ReplyRule;

/// Rules in order: the first match wins.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Arc<CompiledRule>>,
    /// The rules' places by what they ask for, one index for each combination of keys that occurs.
    indices: Vec<(LookupKeys, Index)>,
    /// What the patterns compile to together, in bytes.
    patterns: usize,
}

/// Places of rules, in order, by the hash of what they ask for. Two askings of one hash do no
/// harm: what is found is tried all the same.
type Index = HashMap<u64, Vec<usize>>;

/// What a rule asks for that can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LookupKeys {
    deployment: bool,
    model: bool,
    equals: bool,
}

impl RuleSet {
    /// Compiles `rules`; the faults tell which rule, by its place, and which field.
    pub fn compile(rules: &[ReplyRule]) -> Result<Self, Vec<(usize, RuleError)>> {
        let mut compiled = Vec::with_capacity(rules.len());
        let mut faults = Vec::new();
        let mut left = pattern::TOGETHER;
        for (index, rule) in rules.iter().enumerate() {
            match CompiledRule::compile(rule, &mut left) {
                Ok(rule) => compiled.push(Arc::new(rule.or_named(&format!("rule {}", index + 1)))),
                Err(found) => faults.extend(found.into_iter().map(|fault| (index, fault))),
            }
        }
        if faults.is_empty() { Ok(Self::of(compiled)) } else { Err(faults) }
    }

    /// These rules in this order.
    pub(super) fn of(rules: Vec<Arc<CompiledRule>>) -> Self {
        let mut indices: Vec<(LookupKeys, Index)> = Vec::new();
        for (place, rule) in rules.iter().enumerate() {
            let when = &rule.source.when;
            let keys = LookupKeys {
                deployment: when.deployment.is_some(),
                model: when.model.is_some(),
                equals: when.equals.is_some(),
            };
            let equals = when.equals.as_deref().map(hash_of);
            let hash = hash_of(&(when.deployment.as_deref(), when.model.as_deref(), equals));
            let known = indices.iter().position(|(found, _)| *found == keys);
            let at = known.unwrap_or_else(|| {
                indices.push((keys, Index::new()));
                indices.len() - 1
            });
            if let Some((_, index)) = indices.get_mut(at) {
                index.entry(hash).or_default().push(place);
            }
        }
        let patterns = rules.iter().map(|rule| rule.pattern_size()).sum();
        Self { rules, indices, patterns }
    }

    /// The rules, in order.
    pub(super) fn rules(&self) -> &[Arc<CompiledRule>] {
        &self.rules
    }

    /// What the patterns compile to together, in bytes.
    pub(super) fn pattern_size(&self) -> usize {
        self.patterns
    }

    /// Whether `other` says the same.
    pub fn says_what(&self, other: &Self) -> bool {
        let mut pairs = self.rules.iter().zip(&other.rules);
        self.rules.len() == other.rules.len()
            && pairs.all(|(one, other)| one.source == other.source)
    }

    /// The rules that match, with their places, in order.
    pub(super) fn matching<'s>(
        &'s self,
        shown: &'s PromptView<'_>,
    ) -> impl Iterator<Item = (usize, &'s Arc<CompiledRule>)> {
        let candidates = self.candidates(shown);
        let rules = candidates.filter_map(|place| Some((place, self.rules.get(place)?)));
        rules.filter(|(_, rule)| rule.matches(shown))
    }

    /// The places of the rules that agree with what is shown in all that can be looked up, in
    /// order.
    pub(super) fn candidates<'s>(
        &'s self,
        shown: &PromptView<'_>,
    ) -> impl Iterator<Item = usize> + use<'s> {
        let mut found: Vec<&[usize]> = Vec::with_capacity(self.indices.len());
        for (keys, index) in &self.indices {
            let deployment = keys.deployment.then(|| shown.deployment());
            if deployment == Some(None) {
                continue;
            }
            let model = keys.model.then(|| shown.model());
            let equals = keys.equals.then(|| shown.text_hash());
            let hash = hash_of(&(deployment.flatten(), model, equals));
            found.extend(index.get(&hash).map(Vec::as_slice));
        }
        // Each list is in order; together they are, when the lowest head is taken every time.
        std::iter::from_fn(move || {
            let next = found.iter_mut().filter(|list| !list.is_empty());
            let lowest = next.min_by_key(|list| list.first().copied())?;
            let (place, rest) = lowest.split_first()?;
            *lowest = rest;
            Some(*place)
        })
    }
}
