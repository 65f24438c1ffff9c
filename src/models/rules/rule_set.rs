//! Rules in order, with indices. Exact conditions on deployment, model and text are looked up; the
//! other conditions are checked only for the rules found. A thousand such rules cost what ten do.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::{RuleError, compile_each};
use super::pattern;
use super::prompt_view::{PromptView, hash_of};
use super::rule::CompiledRule;
use crate::domain::reply_rule::ReplyRule;

/// Rules in order: the first match wins.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Arc<CompiledRule>>,
    /// One index for each combination of exact conditions that occurs.
    indices: Vec<(LookupKeys, Index)>,
    /// The size of all compiled patterns in bytes.
    patterns: usize,
}

/// Positions of rules, in order, by the hash of their exact conditions. Collisions are harmless,
/// because every rule that is found is matched in full.
type Index = HashMap<u64, Vec<usize>>;

/// Which exact conditions a rule has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LookupKeys {
    deployment: bool,
    model: bool,
    equals: bool,
}

impl RuleSet {
    /// Compiles `rules`. Each error comes with the index of its rule.
    pub fn compile(rules: &[ReplyRule]) -> Result<Self, Vec<(usize, RuleError)>> {
        let mut left = pattern::MAX_TOTAL_SIZE;
        let compiled = compile_each(rules.iter().zip(1..), |(rule, number)| {
            let rule = CompiledRule::compile(rule, &mut left)?;
            Ok(Arc::new(rule.or_named(&format!("rule {number}"))))
        });
        compiled.map(Self::of)
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

    /// The size of all compiled patterns in bytes.
    pub(super) fn pattern_size(&self) -> usize {
        self.patterns
    }

    /// Whether `other` has the same rules in the same order.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let mut pairs = self.rules.iter().zip(&other.rules);
        self.rules.len() == other.rules.len()
            && pairs.all(|(one, other)| one.source == other.source)
    }

    /// The rules that match, with their positions, in order.
    pub(super) fn matching<'s>(
        &'s self,
        view: &'s PromptView<'_>,
    ) -> impl Iterator<Item = (usize, &'s Arc<CompiledRule>)> {
        let candidates = self.candidates(view);
        let rules = candidates.filter_map(|place| Some((place, self.rules.get(place)?)));
        rules.filter(|(_, rule)| rule.matches(view))
    }

    /// The positions of the rules whose exact conditions the prompt meets, in order.
    pub(super) fn candidates<'s>(
        &'s self,
        view: &PromptView<'_>,
    ) -> impl Iterator<Item = usize> + use<'s> {
        let mut found: Vec<&[usize]> = Vec::with_capacity(self.indices.len());
        for (keys, index) in &self.indices {
            let deployment = keys.deployment.then(|| view.deployment());
            if deployment == Some(None) {
                continue;
            }
            let model = keys.model.then(|| view.model());
            let equals = keys.equals.then(|| view.text_hash());
            let hash = hash_of(&(deployment.flatten(), model, equals));
            found.extend(index.get(&hash).map(Vec::as_slice));
        }
        // Merges the sorted lists.
        std::iter::from_fn(move || {
            let next = found.iter_mut().filter(|list| !list.is_empty());
            let lowest = next.min_by_key(|list| list.first().copied())?;
            let (place, rest) = lowest.split_first()?;
            *lowest = rest;
            Some(*place)
        })
    }
}
