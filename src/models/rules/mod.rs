//! The model provider that answers by reply rules, or by a generated text if no rule matches.
//!
//! Rules come from the fixtures ([`RuleSet`], compiled once for all accounts) and from the control
//! plane ([`AccountRules`], which also counts how often each rule has answered an account).
//! [`PromptView`] is what rules and templates see of a prompt; `fallback` generates the other texts.

pub mod account_rules;
mod bounds;
pub mod capture;
pub mod edit;
mod error;
mod fallback;
mod near_misses;
mod pattern;
pub mod pool;
mod progress;
mod prompt_view;
pub mod queue;
mod reply;
mod reply_template;
mod rule;
mod rule_set;
pub mod template;
#[cfg(test)]
mod tests;
mod tool_condition;

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};

pub use self::account_rules::AccountRules;
pub use self::error::{RuleError, UnknownRule};
pub use self::near_misses::{NearMiss, TriedRules};
pub(crate) use self::pattern::{BoundedRegex, RegexError};
pub use self::progress::ReplyLease;
use self::progress::SelectedReply;
use self::prompt_view::{MAX_INLINE, PromptView};
use self::reply::Rendered;
pub use self::rule_set::RuleSet;
use super::in_output_mode;
use super::{ModelError, ModelProvider, ModelReply, ModelRequest, RunReply, Usage};
use crate::domain::{OutputMode, Prompt};

/// Answers by the first rule of the fixtures that matches, or else by a generated text.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReplyRules;

impl ModelProvider for ReplyRules {
    fn answer(&self, request: ModelRequest) -> BoxFuture<'_, Result<ModelReply, ModelError>> {
        answer(request).boxed()
    }
}

/// The reply of the queue or of the account's own rules. These precede every model provider.
pub async fn scripted_reply(request: &ModelRequest) -> Result<Option<ModelReply>, ModelError> {
    match select(request, AccountRules::take_scripted).await? {
        Some(taken) => render(request, taken).await.map(Some),
        None => Ok(None),
    }
}

async fn answer(request: ModelRequest) -> Result<ModelReply, ModelError> {
    if let Some(taken) = select(&request, AccountRules::take_from_fixtures).await? {
        return render(&request, taken).await;
    }
    let text = fallback::answer(&request.prompt);
    let thoughts = request.thoughts.then(|| fallback::thoughts(&request.prompt));
    Ok(ModelReply { thoughts, ..ModelReply::whole(text, Usage::default()) })
}

/// Takes the reply that `take` selects, on another thread if the text is long or there are many
/// patterns.
async fn select(
    request: &ModelRequest,
    take: fn(&AccountRules, &PromptView<'_>) -> Option<SelectedReply>,
) -> Result<Option<TakenReply>, ModelError> {
    let taken = |rules: Arc<AccountRules>, selected: Option<SelectedReply>| {
        selected.map(|selected| TakenReply { rules, selected, is_used: false })
    };
    let (rules, view) = (Arc::clone(&request.rules), PromptView::new(&request.prompt));
    let cost = rules.matching_cost();
    let inline = MAX_INLINE.min((4 * MAX_INLINE).checked_div(cost).unwrap_or(MAX_INLINE));
    if view.is_within(inline) {
        let selected = take(&rules, &view);
        return Ok(taken(rules, selected));
    }
    drop(view);
    let prompt = Arc::clone(&request.prompt);
    // If the request is dropped meanwhile, dropping the result releases the reply.
    let select = move || {
        let selected = take(&rules, &PromptView::new(&prompt));
        taken(rules, selected)
    };
    pool::search(select).await.map_err(ModelError::Lost)
}

/// A reply that was taken. Dropping it releases the reply, unless it was used.
struct TakenReply {
    rules: Arc<AccountRules>,
    selected: SelectedReply,
    is_used: bool,
}

impl Drop for TakenReply {
    fn drop(&mut self) {
        if !self.is_used {
            self.rules.release(self.selected.lease.clone());
        }
    }
}

async fn render(request: &ModelRequest, mut taken: TakenReply) -> Result<ModelReply, ModelError> {
    let rendered = render_texts(&request.prompt, request.thoughts, &taken.selected).await;
    // A reply whose template fails counts as used: it would fail for later requests as well.
    taken.is_used = !matches!(rendered, Err(ModelError::Lost(_)));
    let rendered = rendered?;
    let SelectedReply { rule, reply, lease } = &taken.selected;
    let output = request.prompt.output;
    let output_tokens = match output {
        OutputMode::Text => reply.output_tokens.or_else(|| reply.tokens()),
        OutputMode::Structured => reply.output_tokens,
    };
    let text = match rendered.text {
        Some(text) if reply.is_answer() => in_output_mode(output, text, "answer"),
        Some(reason) => reason,
        None => String::new(),
    };
    let run = RunReply {
        tool_calls: rendered.calls,
        end: reply.end,
        after: reply.after,
        completes: reply.completes,
    };
    let usage = Usage { input_tokens: reply.input_tokens, output_tokens };
    let thoughts = match (rendered.thoughts, request.thoughts) {
        (None, true) => Some(fallback::thoughts(&request.prompt)),
        (thoughts, _) => thoughts,
    };
    Ok(ModelReply {
        rule: Some(Arc::clone(rule)),
        name: reply.name.clone(),
        thoughts,
        pace: reply.pace,
        lease: Some(lease.clone()),
        run,
        ..ModelReply::whole(text, usage)
    })
}

/// Renders the texts of a reply, on this thread if that is quick.
async fn render_texts(
    prompt: &Arc<Prompt>,
    thoughts: bool,
    selected: &SelectedReply,
) -> Result<Rendered, ModelError> {
    let failed = |source| ModelError::Template { rule: selected.rule.to_string(), source };
    {
        let view = PromptView::new(prompt);
        if selected.reply.is_quick(&view) {
            return selected.reply.render(&view, thoughts).map_err(failed);
        }
    }
    let (prompt, reply) = (Arc::clone(prompt), Arc::clone(&selected.reply));
    let render = move || reply.render(&PromptView::new(&prompt), thoughts);
    pool::render(render).await.map_err(ModelError::Lost)?.map_err(failed)
}
