//! The backend that answers by rule, and by a plausible fallback where no rule does.
//!
//! Rules come from the fixtures ([`RuleSet`], compiled once for all accounts) and from the control
//! plane; each account has its own of these and its own place in those ([`RuleBook`]). [`compile`]
//! makes a rule ready to match, [`set`] finds the ones that do, [`fallback`] answers what no rule
//! does.

pub mod book;
mod bounds;
mod compile;
mod fallback;
pub mod kept;
mod misses;
mod pattern;
pub mod pool;
mod reply;
mod set;
pub mod template;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};

use self::book::SelectedReply;
pub use self::book::{AccountRules, ReplyLease};
pub use self::compile::RuleError;
use self::compile::{PromptView, SMALL};
pub use self::misses::{NearMiss, TriedRules};
pub(crate) use self::pattern::Pattern;
use self::reply::Rendered;
pub use self::set::RuleSet;
use super::in_output_mode;
use super::{ModelError, ModelProvider, ModelReply, ModelRequest, Usage};
use crate::domain::{OutputMode, Prompt};

/// Answers by the first rule that matches, else by the fallback.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReplyRules;

impl ModelProvider for ReplyRules {
    fn answer(&self, ask: ModelRequest) -> BoxFuture<'_, Result<ModelReply, ModelError>> {
        answer(ask).boxed()
    }
}

/// What was said at run time, by queue or by rule: it answers whatever the backend is.
pub async fn scripted_reply(ask: &ModelRequest) -> Result<Option<ModelReply>, ModelError> {
    match due(ask, AccountRules::said_at_run_time).await? {
        Some(due) => rendered(ask, due).await.map(Some),
        None => Ok(None),
    }
}

async fn answer(ask: ModelRequest) -> Result<ModelReply, ModelError> {
    if let Some(due) = due(&ask, AccountRules::said_by_fixtures).await? {
        return rendered(&ask, due).await;
    }
    let text = fallback::answer(&ask.prompt);
    let thoughts = ask.thoughts.then(|| fallback::thoughts(&ask.prompt));
    Ok(ModelReply { thoughts, ..ModelReply::whole(text, Usage::default()) })
}

/// The reply that `find` finds, on another thread where the text is long or the patterns are many.
async fn due(
    ask: &ModelRequest,
    find: fn(&AccountRules, &PromptView<'_>) -> Option<SelectedReply>,
) -> Result<Option<Unserved>, ModelError> {
    let unserved = |rules: Arc<AccountRules>, due: Option<SelectedReply>| {
        due.map(|due| Unserved::new(rules, due))
    };
    let (rules, shown) = (Arc::clone(&ask.rules), PromptView::new(&ask.prompt));
    let bytes = shown.text.len();
    if bytes <= SMALL && bytes.saturating_mul(rules.matching_cost()) <= 4 * SMALL {
        let due = find(&rules, &shown);
        return Ok(unserved(rules, due));
    }
    drop(shown);
    let prompt = Arc::clone(&ask.prompt);
    // Dropped when it is done, it gives back what was due.
    let look = move || {
        let due = find(&rules, &PromptView::new(&prompt));
        unserved(rules, due)
    };
    pool::find(look).await.map_err(ModelError::Lost)
}

/// A reply that was taken and is given back, unless it is served.
struct Unserved {
    rules: Arc<AccountRules>,
    due: SelectedReply,
    served: bool,
}

impl Unserved {
    fn new(rules: Arc<AccountRules>, due: SelectedReply) -> Self {
        Self { rules, due, served: false }
    }
}

impl Drop for Unserved {
    fn drop(&mut self) {
        if !self.served {
            self.rules.give_back(self.due.served.clone());
        }
    }
}

async fn rendered(ask: &ModelRequest, mut unserved: Unserved) -> Result<ModelReply, ModelError> {
    let rendered = texts(&ask.prompt, ask.thoughts, &unserved.due).await;
    // A reply whose template fails has been given, too: it would fail for every request to come.
    unserved.served = !matches!(rendered, Err(ModelError::Lost(_)));
    let rendered = rendered?;
    let SelectedReply { rule, reply, served } = &unserved.due;
    let output = ask.prompt.output;
    let output_tokens = match output {
        OutputMode::Text => reply.output_tokens.or_else(|| reply.tokens()),
        OutputMode::Structured => reply.output_tokens,
    };
    let usage = Usage { input_tokens: reply.input_tokens, output_tokens };
    let thoughts = match (rendered.thoughts, ask.thoughts) {
        (None, true) => Some(fallback::thoughts(&ask.prompt)),
        (found, _) => found,
    };
    Ok(ModelReply {
        rule: Some(Arc::clone(rule)),
        name: reply.name.clone(),
        thoughts,
        pace: reply.pace,
        served: Some(served.clone()),
        ..ModelReply::whole(in_output_mode(output, rendered.text, "answer"), usage)
    })
}

/// The texts of the reply that is due, rendered in place where that takes no time to speak of.
async fn texts(
    prompt: &Arc<Prompt>,
    thoughts: bool,
    due: &SelectedReply,
) -> Result<Rendered, ModelError> {
    let failed = |source| ModelError::Template { rule: due.rule.to_string(), source };
    {
        let shown = PromptView::new(prompt);
        if due.reply.is_quick(&shown) {
            return due.reply.render(&shown, thoughts).map_err(failed);
        }
    }
    let (prompt, reply) = (Arc::clone(prompt), Arc::clone(&due.reply));
    let render = move || reply.render(&PromptView::new(&prompt), thoughts);
    pool::render(render).await.map_err(ModelError::Lost)?.map_err(failed)
}
