//! The names in a template: those it defines, and what it reads of what it is shown.

use std::collections::HashSet;

use minijinja::machinery::ast::{Expr, Stmt};

/// What a template reads. What it does not is not made ready for it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a name that is read or is not")]
pub(in crate::models::rules) struct Uses {
    /// More of the message than its text.
    pub(in crate::models::rules) parts: bool,
    pub(in crate::models::rules) history: bool,
    pub(in crate::models::rules) variables: bool,
    pub(in crate::models::rules) meta: bool,
    pub(in crate::models::rules) trigger: bool,
}

impl Uses {
    pub(super) fn everything() -> Self {
        Self { parts: true, history: true, variables: true, meta: true, trigger: true }
    }

    /// And what `other` reads.
    pub(in crate::models::rules) fn add(&mut self, other: Self) {
        self.parts |= other.parts;
        self.history |= other.history;
        self.variables |= other.variables;
        self.meta |= other.meta;
        self.trigger |= other.trigger;
    }

    pub(super) fn name(&mut self, name: &str) {
        match name {
            "message" => self.parts = true,
            "history" => self.history = true,
            "variables" => self.variables = true,
            "meta" => self.meta = true,
            "trigger" => self.trigger = true,
            _ => {}
        }
    }

    pub(super) fn call(&mut self, name: &str) {
        // It writes down whatever there is.
        if name == "debug" {
            *self = Self::everything();
        }
        self.name(name);
    }
}

/// The names that `statements` define anywhere: they may be called.
pub(super) fn defined<'s>(statements: &[Stmt<'s>]) -> HashSet<&'s str> {
    let mut names = HashSet::from(["caller", "loop"]);
    define_all(statements, &mut names);
    names
}

fn define_all<'s>(statements: &[Stmt<'s>], names: &mut HashSet<&'s str>) {
    for statement in statements {
        define(statement, names);
    }
}

fn define<'s>(statement: &Stmt<'s>, names: &mut HashSet<&'s str>) {
    match statement {
        Stmt::ForLoop(looped) => {
            target(&looped.target, names);
            define_all(&looped.body, names);
            define_all(&looped.else_body, names);
        }
        Stmt::IfCond(condition) => {
            define_all(&condition.true_body, names);
            define_all(&condition.false_body, names);
        }
        Stmt::WithBlock(with) => {
            for (name, _) in &with.assignments {
                target(name, names);
            }
            define_all(&with.body, names);
        }
        Stmt::Set(set) => target(&set.target, names),
        Stmt::SetBlock(set) => {
            target(&set.target, names);
            define_all(&set.body, names);
        }
        Stmt::AutoEscape(escape) => define_all(&escape.body, names),
        Stmt::FilterBlock(block) => define_all(&block.body, names),
        Stmt::Macro(declared) => {
            names.insert(declared.name);
            for name in &declared.args {
                target(name, names);
            }
            define_all(&declared.body, names);
        }
        Stmt::CallBlock(block) => {
            for name in &block.macro_decl.args {
                target(name, names);
            }
            define_all(&block.macro_decl.body, names);
        }
        _ => {}
    }
}

fn target<'s>(expression: &Expr<'s>, names: &mut HashSet<&'s str>) {
    match expression {
        Expr::Var(name) => {
            names.insert(name.id);
        }
        Expr::List(list) => {
            for item in &list.items {
                target(item, names);
            }
        }
        _ => {}
    }
}
