//! Statements.

use minijinja::machinery::ast::{self, Expr, Stmt};

use super::Rewriter;

impl<'s> Rewriter<'s> {
    pub(super) fn statements(&mut self, statements: &[Stmt<'s>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt<'s>) {
        self.node();
        match statement {
            Stmt::EmitRaw(raw) => self.raw(raw.raw),
            Stmt::EmitExpr(emit) => {
                self.open("{{", emit.span());
                self.emitted(&emit.expr);
                self.push(" }}");
            }
            Stmt::IfCond(condition) => self.condition(condition),
            Stmt::Set(set) => {
                self.plain = false;
                self.open("{% set", set.span());
                self.target(&set.target, false);
                self.push(" = ");
                self.member(&set.target, &set.expr);
                self.push(" %}");
            }
            Stmt::WithBlock(with) => self.with(with),
            Stmt::ForLoop(looped) => self.for_loop(looped),
            other => {
                (self.plain, self.cheap) = (false, false);
                self.capture(other);
            }
        }
    }

    /// Statements that capture what they enclose, or that call something.
    fn capture(&mut self, statement: &Stmt<'s>) {
        match statement {
            Stmt::SetBlock(set) => self.set_block(set),
            Stmt::AutoEscape(escape) => {
                self.open("{% autoescape", escape.span());
                self.expression(&escape.enabled, 0);
                self.push(" %}");
                self.statements(&escape.body);
                self.push("{% endautoescape %}");
            }
            Stmt::FilterBlock(block) => {
                self.open("{% filter", block.span());
                self.filter_chain(&block.filter);
                self.push(" %}");
                self.statements(&block.body);
                self.push("{% endfilter %}");
            }
            Stmt::Macro(declared) => {
                self.open("{% macro", declared.span());
                self.push(declared.name);
                self.parameters(declared);
                self.push(" %}");
                self.body(&declared.body);
                self.push("{% endmacro %}");
            }
            Stmt::CallBlock(block) => {
                self.open("{% call", block.span());
                self.parameters(&block.macro_decl);
                self.push(" ");
                self.call(&block.call);
                self.push(" %}");
                self.body(&block.macro_decl.body);
                self.push("{% endcall %}");
            }
            Stmt::Do(done) => {
                self.open("{% do", done.span());
                self.call(&done.call);
                self.push(" %}");
            }
            // All others are written by `statement`.
            _ => {}
        }
    }

    fn raw(&mut self, text: &str) {
        self.push("{{ \"");
        for character in text.chars() {
            match character {
                '"' => self.push("\\\""),
                '\\' => self.push("\\\\"),
                '\n' => self.push("\\n"),
                '\r' => self.push("\\r"),
                other => self.out.push(other),
            }
        }
        self.push("\" }}");
    }

    /// What a `{{ }}` holds. The engine knows `loop(…)` there, and takes it for a jump.
    fn emitted(&mut self, expression: &Expr<'s>) {
        self.expression(expression, 0);
    }

    fn condition(&mut self, first: &ast::IfCond<'s>) {
        let mut condition = first;
        self.open("{% if", condition.expr.span());
        loop {
            self.expression(&condition.expr, 1);
            self.push(" %}");
            self.statements(&condition.true_body);
            match condition.false_body.as_slice() {
                [] => break,
                [Stmt::IfCond(next)] => {
                    self.node();
                    self.open("{% elif", next.expr.span());
                    condition = next;
                }
                otherwise => {
                    self.push("{% else %}");
                    self.statements(otherwise);
                    break;
                }
            }
        }
        self.push("{% endif %}");
    }

    fn with(&mut self, with: &ast::Spanned<ast::WithBlock<'s>>) {
        self.plain = false;
        self.open("{% with", with.span());
        for (nth, (target, expression)) in with.assignments.iter().enumerate() {
            self.push(if nth == 0 { "" } else { ", " });
            self.target(target, true);
            self.push(" = ");
            self.expression(expression, 0);
        }
        self.push(" %}");
        self.statements(&with.body);
        self.push("{% endwith %}");
    }

    fn for_loop(&mut self, looped: &ast::Spanned<ast::ForLoop<'s>>) {
        (self.plain, self.cheap) = (false, false);
        self.open("{% for", looped.span());
        self.target(&looped.target, false);
        self.push(" in ");
        self.filtered(&looped.iter, "__iter");
        if let Some(filter) = &looped.filter_expr {
            let outer = std::mem::replace(&mut self.nodes, 1);
            let before = self.out.len();
            self.expression(filter, 1);
            let condition = self.out.split_off(before);
            let nodes = std::mem::replace(&mut self.nodes, outer);
            self.push(&format!(" if {nodes}|__pass and {condition}"));
        }
        self.push(if looped.recursive { " recursive %}" } else { " %}" });
        self.body(&looped.body);
        if !looped.else_body.is_empty() {
            self.push("{% else %}");
            self.statements(&looped.else_body);
        }
        self.push("{% endfor %}");
    }

    /// A body that may be run many times: each time takes a step for each of its nodes.
    fn body(&mut self, statements: &[Stmt<'s>]) {
        let outer = std::mem::replace(&mut self.nodes, 1);
        self.statements(statements);
        let nodes = std::mem::replace(&mut self.nodes, outer);
        self.push(&format!("{{% if {nodes}|__step %}}{{% endif %}}"));
    }

    fn set_block(&mut self, set: &ast::Spanned<ast::SetBlock<'s>>) {
        self.open("{% set", set.span());
        self.target(&set.target, false);
        let member = holds_member(&set.target);
        if set.filter.is_some() || member {
            self.push(" | ");
        }
        if let Some(filter) = &set.filter {
            self.filter_chain(filter);
        }
        if member {
            self.push(if set.filter.is_some() { "|__member" } else { "__member" });
        }
        self.push(" %}");
        self.statements(&set.body);
        self.push("{% endset %}");
    }

    /// A chain of filters whose first one is applied to what is enclosed.
    fn filter_chain(&mut self, filter: &Expr<'s>) {
        let Expr::Filter(filter) = filter else { return };
        if let Some(before) = &filter.expr {
            self.filter_chain(before);
            self.push("|");
        }
        self.node();
        self.filter_name(filter.name, filter.span());
        self.push(filter.name);
        self.arguments(&filter.args);
    }

    /// What is assigned to: names, members, and lists of these.
    fn target(&mut self, target: &Expr<'s>, inner: bool) {
        match target {
            Expr::Var(name) => self.push(name.id),
            Expr::GetAttr(member) => {
                self.target(&member.expr, true);
                self.push(".");
                self.push(member.name);
            }
            Expr::List(list) => {
                self.push(if inner { "(" } else { "" });
                for (nth, item) in list.items.iter().enumerate() {
                    self.push(if nth == 0 { "" } else { ", " });
                    self.target(item, true);
                }
                // A list of one is told from a name by its comma.
                self.push(if list.items.len() == 1 { "," } else { "" });
                self.push(if inner { ")" } else { "" });
            }
            _ => {}
        }
    }

    /// The value of `set`; what becomes a namespace's must hold no namespace.
    fn member(&mut self, target: &Expr<'s>, value: &Expr<'s>) {
        if holds_member(target) {
            self.filtered(value, "__member");
        } else {
            self.expression(value, 0);
        }
    }

    fn parameters(&mut self, declared: &ast::Macro<'s>) {
        self.push("(");
        let without = declared.args.len().saturating_sub(declared.defaults.len());
        for (nth, name) in declared.args.iter().enumerate() {
            self.push(if nth == 0 { "" } else { ", " });
            self.target(name, true);
            if let Some(default) =
                nth.checked_sub(without).and_then(|nth| declared.defaults.get(nth))
            {
                self.push("=");
                self.expression(default, 0);
            }
        }
        self.push(")");
    }
}

fn holds_member(target: &Expr<'_>) -> bool {
    match target {
        Expr::GetAttr(_) => true,
        Expr::List(list) => list.items.iter().any(holds_member),
        _ => false,
    }
}
