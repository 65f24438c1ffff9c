//! The backend that answers by rule, and by a plausible fallback where no rule does.
//!
//! Rules come from the fixtures ([`RuleSet`], compiled once for all accounts); each account has its
//! own place in them ([`RuleBook`]). [`compile`] makes a rule ready to match, [`fallback`] answers
//! what no rule does.

pub mod compile;
mod fallback;
mod misses;

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _, ready};
use parking_lot::Mutex;

use self::compile::{CompiledReply, Shown};
pub use self::compile::{RuleFault, RuleSet};
pub use self::misses::Miss;
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
    let Some(Due { rule, reply, served }) = ask.rules.reply_to(&shown) else {
        let text = fallback::answer(prompt, ask.seed);
        let thoughts = ask.thoughts.then(|| fallback::thoughts(prompt));
        return Ok(Answer { thoughts, ..Answer::whole(text, Usage::default()) });
    };
    let failed = |source| BackendError::Template { rule: rule.to_string(), source };
    let text = reply.body.render(&shown).map_err(failed)?;
    let usage = Usage { input_tokens: reply.input_tokens, output_tokens: reply.output_tokens };
    let thoughts = match (&reply.thoughts, ask.thoughts) {
        (_, false) => None,
        (Some(thoughts), true) => Some(thoughts.render(&shown).map_err(failed)?),
        (None, true) => Some(fallback::thoughts(prompt)),
    };
    Ok(Answer {
        rule: Some(Arc::clone(rule)),
        name: reply.name.clone(),
        thoughts,
        pace: reply.pace,
        served,
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

    /// The rules there are at present.
    pub fn rules(&self) -> Arc<RuleSet> {
        Arc::clone(&self.rules)
    }

    /// The first rule that matches, and the reply whose turn it is.
    fn reply_to(&self, shown: &Shown<'_>) -> Option<Due<'_>> {
        let (index, rule) = self.rules.first_match(shown)?;
        let last = rule.replies.len().saturating_sub(1);
        let served = (last > 0).then(|| self.serve(index));
        let turn = served.map_or(0, |served| served.turn.min(last));
        Some(Due { rule: &rule.name, reply: rule.replies.get(turn)?, served })
    }

    /// Takes a turn in `rule`'s replies.
    fn serve(&self, rule: usize) -> Served {
        let mut served = self.served.lock();
        let count = served.entry(rule).or_default();
        let turn = *count;
        *count += 1;
        Served { rule, turn }
    }

    /// Begins anew: nothing was served yet.
    pub fn restart(&self) {
        self.served.lock().clear();
    }

    /// Makes a reply count as not served, unless another was served since.
    pub fn give_back(&self, served: Served) {
        let mut counts = self.served.lock();
        if let Some(count) = counts.get_mut(&served.rule).filter(|count| **count == served.turn + 1)
        {
            *count = served.turn;
        }
    }
}

/// A reply that is due.
struct Due<'b> {
    /// The rule's name.
    rule: &'b Arc<str>,
    reply: &'b CompiledReply,
    served: Option<Served>,
}

/// Which of a rule's replies was served, where they are served in turn, the last one staying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    rule: usize,
    turn: usize,
}
