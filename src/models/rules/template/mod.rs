//! Jinja templates with bounds on time and memory.
//!
//! A template could loop endlessly, or double a text thirty times. So its source is bounded before it is
//! parsed ([`nesting`]), its names are checked, and it is rewritten so that everything it does takes
//! from a budget ([`rewrite`], [`filters`], [`measure`], [`budget`]). A template that exceeds its budget
//! fails the request that it answers, and nothing else.

mod budget;
mod filters;
mod measure;
mod names;
mod nesting;
mod rewrite;
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

pub use self::budget::Bound;
pub(super) use self::budget::Budget;
pub(super) use self::names::Uses;
pub use self::nesting::MAX_SOURCE;
pub(super) use self::values::{history, object, parts, tool_results};

/// The name of the template in its environment.
const TEMPLATE_NAME: &str = "reply";

/// The environment of every template is a clone of this one.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = filters::environment();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_syntax(SYNTAX.clone());
    // A call of a macro counts as 4, and takes some kilobytes of the stack.
    environment.set_recursion_limit(240);
    environment
});

#[expect(clippy::expect_used, reason = "only wrong delimiters are refused")]
static SYNTAX: LazyLock<SyntaxConfig> = LazyLock::new(|| {
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    syntax.expect("the default delimiters are valid")
});

#[derive(Clone)]
pub(super) struct CompiledTemplate {
    environment: Arc<Environment<'static>>,
    cheap: bool,
    uses: Uses,
}

impl fmt::Debug for CompiledTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledTemplate").field("cheap", &self.cheap).finish_non_exhaustive()
    }
}

/// Why a template is refused.
#[derive(Debug, Error)]
pub enum CompileError {
    /// It is longer than [`MAX_SOURCE`].
    #[error("the templates of a reply are {} KiB long at most", MAX_SOURCE >> 10)]
    TooLong,
    /// It nests too deep.
    #[error("line {line}: the template nests deeper than {} levels", nesting::MAX_DEPTH)]
    TooDeep { line: u16 },
    /// It uses an unknown name or an unsupported construct.
    #[error("line {line}: {reason}")]
    Name { line: u16, reason: String },
    /// It is not valid Jinja.
    #[error("{0}")]
    Syntax(#[from] minijinja::Error),
}

/// Why a template could not be rendered.
#[derive(Debug, Error)]
pub enum RenderError {
    /// It exceeds the budget.
    #[error("{0}")]
    Bound(Bound),
    /// The engine reports an error.
    #[error("{0}")]
    Engine(#[from] minijinja::Error),
    /// The engine panicked.
    #[error("the template engine failed")]
    Panicked,
}

/// Whether `source` contains a tag.
pub(super) fn is_template(source: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| source.contains(mark))
}

impl CompiledTemplate {
    /// Checks, rewrites and compiles `source`.
    pub(super) fn new(source: &str) -> Result<Self, CompileError> {
        // The engine counts columns in 16 bits, and adds one to that of a syntax error.
        if source.len() > MAX_SOURCE.min(usize::from(u16::MAX) - 1) {
            return Err(CompileError::TooLong);
        }
        nesting::check(source, &SYNTAX).map_err(|line| CompileError::TooDeep { line })?;
        let parsed = parse(source, TEMPLATE_NAME, SYNTAX.clone())?;
        let rewritten = rewrite::rewrite(&parsed, source)
            .map_err(|refusal| CompileError::Name { line: refusal.line, reason: refusal.reason })?;
        drop(parsed);
        let mut environment = ENVIRONMENT.clone();
        let source = rewritten.source.unwrap_or_else(|| source.to_owned());
        environment.add_template_owned(TEMPLATE_NAME, source)?;
        let environment = Arc::new(environment);
        Ok(Self { environment, cheap: rewritten.cheap, uses: rewritten.uses })
    }

    /// Whether rendering time is linear in the size of the values that it reads.
    pub(super) fn is_cheap(&self) -> bool {
        self.cheap
    }

    /// The variables of the prompt that it reads.
    pub(super) fn uses(&self) -> Uses {
        self.uses
    }

    /// Renders it with `context`, taking from `budget`.
    pub(super) fn render(
        &self,
        context: Value,
        budget: &mut Budget,
    ) -> Result<String, RenderError> {
        let render = || self.environment.get_template(TEMPLATE_NAME)?.render(context);
        // Some filters of the engine panic, for instance when they divide by zero.
        let rendered = budget::with_budget(budget, || catch_unwind(AssertUnwindSafe(render)));
        match (rendered, budget.exceeded()) {
            (Ok(Ok(text)), _) => Ok(text),
            (_, Some(bound)) => Err(RenderError::Bound(bound)),
            (Ok(Err(error)), None) => Err(error.into()),
            (Err(_), None) => Err(RenderError::Panicked),
        }
    }
}

/// Compiles `source` and renders it for a small prompt, for the fuzzer. Returns the length of the text or
/// the reason of the failure.
#[cfg(any(test, feature = "internals"))]
pub fn check(source: &str) -> Result<usize, String> {
    let compiled = CompiledTemplate::new(source).map_err(|error| error.to_string())?;
    let context = minijinja::context! {
        message => Value::from_pairs([("text", "Hello, you."), ("parts", "")]),
        history => Value::from(vec![Value::from_pairs([("role", "user"), ("text", "Hi.")])]),
        variables => Value::from_pairs([("N", 7)]),
        turn => 2,
        tool_results => Value::from(vec![Value::from_pairs([
            ("name", Value::from("get_weather")),
            ("output", Value::from_pairs([("temperature", 21)])),
        ])]),
        capabilities => Value::from(vec!["get_weather"]),
    };
    let text = compiled.render(context, &mut Budget::default());
    text.map(|text| text.len()).map_err(|error| error.to_string())
}
