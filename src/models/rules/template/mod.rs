//! Templates: Jinja, within bounds.
//!
//! Anybody who may write a rule may write a template, and a template can loop for ever, or double a
//! text thirty times. So its source is bounded before it is parsed ([`scan`]), its names are
//! checked and it is rewritten so that whatever it does takes from a budget ([`rewrite`],
//! [`filters`], [`meter`]). One that is over its budget fails, and with it the request it was to
//! answer; nothing else does.

mod filters;
mod meter;
mod names;
mod rewrite;
mod scan;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use minijinja::machinery::parse;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value};
use thiserror::Error;

pub(super) use self::meter::Budget;
pub use self::meter::Bound;
pub(super) use self::names::Uses;
pub use self::scan::SOURCE;
pub(super) use self::values::{history, object, parts};

/// The name of the one template in each environment.
const ONLY: &str = "reply";

/// Every template's environment begins as this one.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = filters::environment();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_syntax(SYNTAX.clone());
    // A macro that calls itself takes 4 of these, and some kilobytes of the stack.
    environment.set_recursion_limit(240);
    environment
});

#[expect(clippy::expect_used, reason = "only wrong delimiters are refused")]
static SYNTAX: LazyLock<SyntaxConfig> = LazyLock::new(|| {
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    syntax.expect("the default delimiters are valid")
});

/// A template that is ready to render.
#[derive(Clone)]
pub(super) struct Compiled {
    environment: Arc<Environment<'static>>,
    cheap: bool,
    uses: Uses,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").field("cheap", &self.cheap).finish_non_exhaustive()
    }
}

/// Why a template is refused.
#[derive(Debug, Error)]
pub enum CompileError {
    /// It is longer than [`SOURCE`].
    #[error("the templates of a reply are {} KiB long at most", SOURCE >> 10)]
    TooLong,
    /// It nests too deep.
    #[error("line {line}: the template nests deeper than {} levels", scan::DEPTH)]
    TooDeep {
        /// Where.
        line: u16,
    },
    /// It names what there is not.
    #[error("line {line}: {reason}")]
    Name {
        /// Where.
        line: u16,
        /// What.
        reason: String,
    },
    /// It is not a template.
    #[error("{0}")]
    Syntax(#[from] minijinja::Error),
}

/// Why a template could not be rendered.
#[derive(Debug, Error)]
pub enum RenderError {
    /// It would take more than it may.
    #[error("{0}")]
    Bound(Bound),
    /// It went wrong on this prompt.
    #[error("{0}")]
    Engine(#[from] minijinja::Error),
    /// The engine failed.
    #[error("the template engine failed")]
    Panicked,
}

/// Whether `source` has anything to fill in.
pub(super) fn is_template(source: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| source.contains(mark))
}

impl Compiled {
    /// Checks `source` and makes it ready.
    pub(super) fn new(source: &str) -> Result<Self, CompileError> {
        // The engine counts columns in 16 bits, and steps past the one where a syntax error is.
        if source.len() > SOURCE.min(usize::from(u16::MAX) - 1) {
            return Err(CompileError::TooLong);
        }
        scan::check(source, &SYNTAX).map_err(|line| CompileError::TooDeep { line })?;
        let parsed = parse(source, ONLY, SYNTAX.clone())?;
        let rewritten = rewrite::rewrite(&parsed, source)
            .map_err(|refusal| CompileError::Name { line: refusal.line, reason: refusal.reason })?;
        drop(parsed);
        let mut environment = ENVIRONMENT.clone();
        let source = rewritten.source.unwrap_or_else(|| source.to_owned());
        environment.add_template_owned(ONLY, source)?;
        let environment = Arc::new(environment);
        Ok(Self { environment, cheap: rewritten.cheap, uses: rewritten.uses })
    }

    /// Whether it takes no longer than what it is shown is long.
    pub(super) fn is_cheap(&self) -> bool {
        self.cheap
    }

    /// What of the prompt it reads.
    pub(super) fn uses(&self) -> Uses {
        self.uses
    }

    /// Renders it with `context`, taking from `budget`.
    pub(super) fn render(
        &self,
        context: Value,
        budget: &mut Budget,
    ) -> Result<String, RenderError> {
        let render = || self.environment.get_template(ONLY)?.render(context);
        // Some filters of the engine panic, on dividing by zero for instance.
        let rendered = meter::within(budget, || catch_unwind(AssertUnwindSafe(render)));
        match (rendered, budget.exceeded()) {
            (Ok(Ok(text)), _) => Ok(text),
            (_, Some(bound)) => Err(RenderError::Bound(bound)),
            (Ok(Err(error)), None) => Err(error.into()),
            (Err(_), None) => Err(RenderError::Panicked),
        }
    }
}

/// Compiles `source` and, if it is a template, renders it for an empty prompt: what a fuzzer calls.
/// Gives the length of what was rendered, or why nothing was.
#[cfg(any(test, feature = "internals"))]
pub fn check(source: &str) -> Result<usize, String> {
    let compiled = Compiled::new(source).map_err(|error| error.to_string())?;
    let context = minijinja::context! {
        message => Value::from_pairs([("text", "Hello, you."), ("parts", "")]),
        history => Value::from(vec![Value::from_pairs([("role", "user"), ("text", "Hi.")])]),
        variables => Value::from_pairs([("N", 7)]),
        turn => 2,
    };
    let text = compiled.render(context, &mut Budget::default());
    text.map(|text| text.len()).map_err(|error| error.to_string())
}
