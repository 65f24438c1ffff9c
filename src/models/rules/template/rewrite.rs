//! Rewrites the source of a template from its syntax tree, so that the engine charges the budget for
//! everything the template does.
//!
//! Operators whose results can be larger than their operands become filters of this crate
//! (`filters/operators.rs`), each turn of a loop and each call of a macro takes steps, literal text is
//! written as a constant (the formatter sees only expressions), and lists and other compound values are
//! measured. All names are checked. Lines are kept, because errors name them.

mod arguments;
mod expressions;
mod operators;
mod statements;

use std::collections::HashSet;

use minijinja::machinery::{Span, ast};

use super::filters;
use super::names::{Uses, defined_names};

/// Nodes of a template that may be rendered on the thread that answers the request.
const MAX_INLINE_NODES: usize = 200;

pub(super) struct Rewritten {
    /// The metered source; `None` if the original source needs no metering.
    pub(super) source: Option<String>,
    /// Whether rendering time is linear in the size of the values that the template reads.
    pub(super) cheap: bool,
    pub(super) uses: Uses,
}

/// An unknown name or an unsupported construct.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) line: u16,
    pub(super) reason: String,
}

/// Checks the names in `template`, and rewrites it.
pub(super) fn rewrite<'s>(template: &ast::Stmt<'s>, source: &'s str) -> Result<Rewritten, Refusal> {
    let ast::Stmt::Template(root) = template else {
        return Ok(Rewritten { source: None, cheap: false, uses: Uses::all() });
    };
    let mut rewriter = Rewriter {
        source,
        defined: defined_names(&root.children),
        out: String::with_capacity(source.len() * 2),
        line: 1,
        body_nodes: 0,
        nodes: 0,
        metered: false,
        cheap: true,
        uses: Uses::default(),
        refusal: None,
    };
    rewriter.statements(&root.children);
    if let Some(refusal) = rewriter.refusal {
        return Err(refusal);
    }
    Ok(Rewritten {
        source: rewriter.metered.then_some(rewriter.out),
        cheap: rewriter.cheap && rewriter.nodes <= MAX_INLINE_NODES,
        uses: rewriter.uses,
    })
}

struct Rewriter<'s> {
    source: &'s str,
    /// Names that the template defines.
    defined: HashSet<&'s str>,
    out: String,
    /// The current line of `out`.
    line: u16,
    /// Nodes in the current body of a loop or macro.
    body_nodes: usize,
    /// Nodes in the whole template.
    nodes: usize,
    /// Whether the template contains anything that needs metering.
    metered: bool,
    cheap: bool,
    uses: Uses,
    /// The first one.
    refusal: Option<Refusal>,
}

impl Rewriter<'_> {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Writes the items, separated by commas.
    fn list<T>(&mut self, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Self, T)) {
        for (nth, item) in items.into_iter().enumerate() {
            self.push(if nth == 0 { "" } else { ", " });
            write(self, item);
        }
    }

    /// Starts a tag on the line on which `span` starts.
    fn open_tag(&mut self, tag: &str, span: Span) {
        self.push(tag);
        while self.line < span.start_line {
            self.out.push('\n');
            self.line += 1;
        }
        self.out.push(' ');
    }

    fn count_node(&mut self) {
        self.body_nodes += 1;
        self.nodes += 1;
    }

    /// Marks the template as one that needs metering and is not cheap.
    fn set_costly(&mut self) {
        (self.metered, self.cheap) = (true, false);
    }

    fn refuse(&mut self, span: Span, reason: impl Into<String>) {
        let line = span.start_line;
        self.refusal.get_or_insert_with(|| Refusal { line, reason: reason.into() });
    }

    fn check_filter(&mut self, name: &str, span: Span) {
        if !filters::is_filter(name) {
            self.refuse(span, format!("there is no filter called `{name}`"));
        }
        self.cheap &= filters::is_cheap(name);
    }

    fn check_test(&mut self, name: &str, span: Span) {
        if !filters::is_test(name) {
            self.refuse(span, format!("there is no test called `{name}`"));
        }
    }
}
