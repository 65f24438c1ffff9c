//! The backend that answers by rule, and by a plausible fallback where no rule does.
//!
//! Rules come from the fixtures ([`RuleSet`], compiled once for all accounts) and from the control
//! plane; each account has its own of these and its own place in those ([`RuleBook`]). [`compile`]
//! makes a rule ready to match, [`set`] finds the ones that do, [`fallback`] answers what no rule
//! does.

pub mod book;
mod compile;
mod fallback;
mod misses;
mod set;
#[cfg(test)]
mod tests;

use futures::future::{BoxFuture, FutureExt as _, ready};

use self::book::Due;
pub use self::book::{RuleBook, Served};
pub use self::compile::RuleFault;
use self::compile::Shown;
pub use self::misses::{Miss, Rules};
pub use self::set::RuleSet;
use super::{Answer, Ask, Backend, BackendError, Usage, in_output_mode};
use crate::domain::OutputMode;

/// Answers by the first rule that matches, else by the fallback.
#[derive(Debug, Clone, Copy, Default)]
pub struct Canned;

impl Backend for Canned {
    fn answer(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, BackendError>> {
        ready(answer(&ask)).boxed()
    }
}

/// What was said at run time, by queue or by rule: it answers whatever the backend is.
pub fn said_at_run_time(ask: &Ask) -> Result<Option<Answer>, BackendError> {
    let shown = Shown::new(&ask.prompt);
    ask.rules.said_at_run_time(&shown).map(|due| rendered(ask, &shown, due)).transpose()
}

fn answer(ask: &Ask) -> Result<Answer, BackendError> {
    let prompt = &ask.prompt;
    let shown = Shown::new(prompt);
    if let Some(due) = ask.rules.said_by_fixtures(&shown) {
        return rendered(ask, &shown, due);
    }
    let text = fallback::answer(prompt);
    let thoughts = ask.thoughts.then(|| fallback::thoughts(prompt));
    Ok(Answer { thoughts, ..Answer::whole(text, Usage::default()) })
}

fn rendered(ask: &Ask, shown: &Shown<'_>, due: Due) -> Result<Answer, BackendError> {
    let Due { rule, reply, served } = due;
    let prompt = &ask.prompt;
    let failed = |source| BackendError::Template { rule: rule.to_string(), source };
    let text = reply.body.render(shown).map_err(failed)?;
    let output_tokens = match prompt.output {
        OutputMode::Text => reply.output_tokens.or_else(|| reply.body.tokens()),
        OutputMode::Structured => reply.output_tokens,
    };
    let usage = Usage { input_tokens: reply.input_tokens, output_tokens };
    let thoughts = match (&reply.thoughts, ask.thoughts) {
        (_, false) => None,
        (Some(thoughts), true) => Some(thoughts.render(shown).map_err(failed)?),
        (None, true) => Some(fallback::thoughts(prompt)),
    };
    Ok(Answer {
        rule: Some(rule),
        name: reply.name.clone(),
        thoughts,
        pace: reply.pace,
        served: Some(served),
        ..Answer::whole(in_output_mode(prompt.output, text, "answer"), usage)
    })
}
