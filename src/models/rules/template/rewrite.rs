//! A template's source, written anew from its syntax tree so that all it does is metered.
//!
//! Operators that make values grow become filters of ours, every turn of a loop and every call of a
//! macro takes steps, literal text is emitted as a constant (the formatter sees those only), and
//! what lists and other values are made of is measured. On the way every name is checked.
//! Lines stay what they were, so that errors name them.

mod expressions;
mod statements;

use std::collections::HashSet;

use minijinja::machinery::{Span, ast};

use super::filters;
use super::names::Uses;
use super::names::defined;

/// How many nodes a template may have that is rendered in place.
const CHEAP: usize = 200;

/// A template that was looked through.
pub(super) struct Rewritten {
    /// The source that is metered; none if the one there is needs no metering.
    pub(super) source: Option<String>,
    /// Whether its cost is bounded by the length of what it sees.
    pub(super) cheap: bool,
    pub(super) uses: Uses,
}

/// A name that there is not, or a construct that is not supported; and its line.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) line: u16,
    pub(super) reason: String,
}

/// Checks the names in `template`, and rewrites it.
pub(super) fn rewrite<'s>(template: &ast::Stmt<'s>, source: &'s str) -> Result<Rewritten, Refusal> {
    let ast::Stmt::Template(root) = template else {
        return Ok(Rewritten { source: None, cheap: false, uses: Uses::everything() });
    };
    let mut rewriter = Rewriter {
        source,
        defined: defined(&root.children),
        out: String::with_capacity(source.len() * 2),
        line: 1,
        nodes: 0,
        total: 0,
        plain: true,
        cheap: true,
        uses: Uses::default(),
        refusal: None,
    };
    rewriter.statements(&root.children);
    if let Some(refusal) = rewriter.refusal {
        return Err(refusal);
    }
    Ok(Rewritten {
        source: (!rewriter.plain).then_some(rewriter.out),
        cheap: rewriter.cheap && rewriter.total <= CHEAP,
        uses: rewriter.uses,
    })
}

struct Rewriter<'s> {
    source: &'s str,
    /// Names that the template itself defines.
    defined: HashSet<&'s str>,
    out: String,
    /// The line that `out` has come to.
    line: u16,
    /// The nodes of the body under way.
    nodes: usize,
    total: usize,
    /// Whether nothing needs to be metered.
    plain: bool,
    cheap: bool,
    uses: Uses,
    refusal: Option<Refusal>,
}

impl Rewriter<'_> {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Begins a tag on the line where `span` does.
    fn open(&mut self, tag: &str, span: Span) {
        self.push(tag);
        while self.line < span.start_line {
            self.out.push('\n');
            self.line += 1;
        }
        self.out.push(' ');
    }

    fn node(&mut self) {
        self.nodes += 1;
        self.total += 1;
    }

    fn refuse(&mut self, span: Span, reason: impl Into<String>) {
        let line = span.start_line;
        self.refusal.get_or_insert_with(|| Refusal { line, reason: reason.into() });
    }

    fn filter_name(&mut self, name: &str, span: Span) {
        if !filters::is_filter(name) {
            self.refuse(span, format!("there is no filter called `{name}`"));
        }
        self.cheap &= filters::is_cheap(name);
    }

    fn test_name(&mut self, name: &str, span: Span) {
        if !filters::is_test(name) {
            self.refuse(span, format!("there is no test called `{name}`"));
        }
    }
}
