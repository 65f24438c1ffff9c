//! The backend that answers by rule, and by a plausible fallback where no rule does.
//!
//! Rules come from the fixtures ([`RuleSet`], compiled once for all accounts); each account has its
//! own place in them ([`RuleBook`]). [`compile`] makes a rule ready to match, [`fallback`] answers
//! what no rule does.

pub mod compile;
mod fallback;

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _, ready};
use parking_lot::Mutex;

use self::compile::{CompiledReply, Shown};
pub use self::compile::{RuleFault, RuleSet};
use super::{Answer, Ask, Backend, BackendError, Usage, in_output_mode};

/// Answers by the first rule that matches, else by the fallback.
#[derive(Debug, Clone, Copy, Default)]
pub struct Canned;

impl Backend for Canned {
    fn answer(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, BackendError>> {
        ready(answer(&ask)).boxed()
    }
}

fn answer(ask: &Ask) -> Result<Answer, BackendError> {
    let prompt = &ask.prompt;
    let shown = Shown::new(prompt);
    let Some((rule, reply)) = ask.rules.reply_to(&shown) else {
        let text = fallback::answer(prompt, ask.seed);
        return Ok(Answer::whole(text, Usage::default()));
    };
    let failed = |source| BackendError::Template { rule: rule.to_owned(), source };
    let text = reply.body.render(&shown).map_err(failed)?;
    let usage = Usage { input_tokens: reply.input_tokens, output_tokens: reply.output_tokens };
    let thoughts = reply.thoughts.as_ref().map(|thoughts| thoughts.render(&shown));
    Ok(Answer {
        name: reply.name.clone(),
        thoughts: thoughts.transpose().map_err(failed)?,
        pace: reply.pace,
        ..Answer::whole(in_output_mode(prompt.output, text, "answer"), usage)
    })
}

/// One account's rules, and how often each has answered.
#[derive(Debug)]
pub struct RuleBook {
    rules: Arc<RuleSet>,
    /// For rules with several replies: how many were served.
    served: Mutex<HashMap<usize, usize>>,
}

impl RuleBook {
    /// A book of `rules` that has served nothing yet.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self { rules, served: Mutex::default() }
    }

    /// The first rule that matches, by name, and the reply whose turn it is.
    fn reply_to(&self, shown: &Shown<'_>) -> Option<(&str, &CompiledReply)> {
        let (index, rule) = self.rules.first_match(shown)?;
        let last = rule.replies.len().saturating_sub(1);
        let turn = if last == 0 { 0 } else { self.serve(index, last) };
        Some((&rule.name, rule.replies.get(turn)?))
    }

    /// Which reply is due, served in turn, the last one staying.
    fn serve(&self, rule: usize, last: usize) -> usize {
        let mut served = self.served.lock();
        let count = served.entry(rule).or_default();
        let due = (*count).min(last);
        *count = due + 1;
        due
    }
}
