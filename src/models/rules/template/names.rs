//! The names in a template: those that it defines, and the variables of the prompt that it reads.

use std::collections::HashSet;

use minijinja::machinery::ast::{Expr, Stmt};

/// The variables that a template reads. The others are not converted to values of the engine.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each variable")]
pub(in crate::models::rules) struct Uses {
    /// More of the message than its text.
    pub(in crate::models::rules) parts: bool,
    pub(in crate::models::rules) history: bool,
    pub(in crate::models::rules) variables: bool,
    pub(in crate::models::rules) meta: bool,
    pub(in crate::models::rules) trigger: bool,
    pub(in crate::models::rules) tool_results: bool,
    pub(in crate::models::rules) capabilities: bool,
}

impl Uses {
    pub(super) fn all() -> Self {
        Self {
            parts: true,
            history: true,
            variables: true,
            meta: true,
            trigger: true,
            tool_results: true,
            capabilities: true,
        }
    }

    /// Adds what `other` reads.
    pub(in crate::models::rules) fn add(&mut self, other: Self) {
        self.parts |= other.parts;
        self.history |= other.history;
        self.variables |= other.variables;
        self.meta |= other.meta;
        self.trigger |= other.trigger;
        self.tool_results |= other.tool_results;
        self.capabilities |= other.capabilities;
    }

    pub(super) fn add_name(&mut self, name: &str) {
        match name {
            "message" => self.parts = true,
            "history" => self.history = true,
            "variables" => self.variables = true,
            "meta" => self.meta = true,
            "trigger" => self.trigger = true,
            "tool_results" => self.tool_results = true,
            "capabilities" => self.capabilities = true,
            _ => {}
        }
    }

    pub(super) fn add_call(&mut self, name: &str) {
        // It writes all variables.
        if name == "debug" {
            *self = Self::all();
        }
        self.add_name(name);
    }
}

/// The names that `statements` define anywhere. They can be called.
pub(super) fn defined_names<'s>(statements: &[Stmt<'s>]) -> HashSet<&'s str> {
    let mut names = HashSet::from(["caller", "loop"]);
    add_all(statements, &mut names);
    names
}

fn add_all<'s>(statements: &[Stmt<'s>], names: &mut HashSet<&'s str>) {
    for statement in statements {
        add_defined(statement, names);
    }
}

fn add_defined<'s>(statement: &Stmt<'s>, names: &mut HashSet<&'s str>) {
    match statement {
        Stmt::ForLoop(for_loop) => {
            add_target(&for_loop.target, names);
            add_all(&for_loop.body, names);
            add_all(&for_loop.else_body, names);
        }
        Stmt::IfCond(condition) => {
            add_all(&condition.true_body, names);
            add_all(&condition.false_body, names);
        }
        Stmt::WithBlock(with) => {
            for (name, _) in &with.assignments {
                add_target(name, names);
            }
            add_all(&with.body, names);
        }
        Stmt::Set(set) => add_target(&set.target, names),
        Stmt::SetBlock(set) => {
            add_target(&set.target, names);
            add_all(&set.body, names);
        }
        Stmt::AutoEscape(escape) => add_all(&escape.body, names),
        Stmt::FilterBlock(block) => add_all(&block.body, names),
        Stmt::Macro(declared) => {
            names.insert(declared.name);
            for name in &declared.args {
                add_target(name, names);
            }
            add_all(&declared.body, names);
        }
        Stmt::CallBlock(block) => {
            for name in &block.macro_decl.args {
                add_target(name, names);
            }
            add_all(&block.macro_decl.body, names);
        }
        _ => {}
    }
}

fn add_target<'s>(expression: &Expr<'s>, names: &mut HashSet<&'s str>) {
    match expression {
        Expr::Var(name) => {
            names.insert(name.id);
        }
        Expr::List(list) => {
            for item in &list.items {
                add_target(item, names);
            }
        }
        _ => {}
    }
}
