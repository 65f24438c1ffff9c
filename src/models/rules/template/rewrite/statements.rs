//! Statements. Literal text becomes a constant in `{{ }}`.

use minijinja::machinery::ast::{
    AutoEscape, CallBlock, Expr, FilterBlock, ForLoop, IfCond, Macro, Set, SetBlock, Spanned, Stmt,
    WithBlock,
};

use super::Rewriter;

impl<'s> Rewriter<'s> {
    pub(super) fn statements(&mut self, statements: &[Stmt<'s>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt<'s>) {
        self.count_node();
        match statement {
            Stmt::EmitRaw(raw) => self.raw(raw.raw),
            Stmt::EmitExpr(emit) => {
                self.open_tag("{{", emit.span());
                self.expression(&emit.expr);
                self.push(" }}");
            }
            Stmt::IfCond(condition) => self.condition(condition),
            Stmt::Set(set) => self.set(set),
            Stmt::SetBlock(set) => self.set_block(set),
            Stmt::WithBlock(with) => self.with(with),
            Stmt::ForLoop(for_loop) => self.for_loop(for_loop),
            Stmt::AutoEscape(escape) => self.auto_escape(escape),
            Stmt::FilterBlock(block) => self.filter_block(block),
            Stmt::Macro(declared) => self.declared_macro(declared),
            Stmt::CallBlock(block) => self.call_block(block),
            Stmt::Do(statement) => {
                self.set_costly();
                self.open_tag("{% do", statement.span());
                self.call(&statement.call);
                self.push(" %}");
            }
            // The parser creates it for the root only.
            Stmt::Template(_) => {}
        }
    }

    fn auto_escape(&mut self, escape: &Spanned<AutoEscape<'s>>) {
        self.set_costly();
        self.open_tag("{% autoescape", escape.span());
        self.expression(&escape.enabled);
        self.push(" %}");
        self.statements(&escape.body);
        self.push("{% endautoescape %}");
    }

    fn filter_block(&mut self, block: &Spanned<FilterBlock<'s>>) {
        self.set_costly();
        self.open_tag("{% filter", block.span());
        self.filter_chain(&block.filter);
        self.push(" %}");
        self.statements(&block.body);
        self.push("{% endfilter %}");
    }

    fn declared_macro(&mut self, declared: &Spanned<Macro<'s>>) {
        self.set_costly();
        self.open_tag("{% macro", declared.span());
        self.push(declared.name);
        self.parameters(declared);
        self.push(" %}");
        self.body(&declared.body);
        self.push("{% endmacro %}");
    }

    fn call_block(&mut self, block: &Spanned<CallBlock<'s>>) {
        self.set_costly();
        self.open_tag("{% call", block.span());
        self.parameters(&block.macro_decl);
        self.push(" ");
        self.call(&block.call);
        self.push(" %}");
        self.body(&block.macro_decl.body);
        self.push("{% endcall %}");
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

    fn condition(&mut self, first: &IfCond<'s>) {
        let mut condition = first;
        self.open_tag("{% if", condition.expr.span());
        loop {
            self.operand(&condition.expr);
            self.push(" %}");
            self.statements(&condition.true_body);
            match condition.false_body.as_slice() {
                [] => break,
                [Stmt::IfCond(next)] => {
                    self.count_node();
                    self.open_tag("{% elif", next.expr.span());
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

    fn with(&mut self, with: &Spanned<WithBlock<'s>>) {
        self.metered = true;
        self.open_tag("{% with", with.span());
        self.list(&with.assignments, |rewriter, (target, expression)| {
            rewriter.target(target, true);
            rewriter.push(" = ");
            rewriter.expression(expression);
        });
        self.push(" %}");
        self.statements(&with.body);
        self.push("{% endwith %}");
    }

    fn for_loop(&mut self, for_loop: &Spanned<ForLoop<'s>>) {
        self.set_costly();
        self.open_tag("{% for", for_loop.span());
        self.target(&for_loop.target, false);
        self.push(" in ");
        self.filtered(&for_loop.iter, "__iter");
        if let Some(filter) = &for_loop.filter_expr {
            let outer = std::mem::replace(&mut self.body_nodes, 1);
            let before = self.out.len();
            self.operand(filter);
            let condition = self.out.split_off(before);
            let nodes = std::mem::replace(&mut self.body_nodes, outer);
            self.push(&format!(" if {nodes}|__pass and {condition}"));
        }
        self.push(if for_loop.recursive { " recursive %}" } else { " %}" });
        self.body(&for_loop.body);
        if !for_loop.else_body.is_empty() {
            self.push("{% else %}");
            self.statements(&for_loop.else_body);
        }
        self.push("{% endfor %}");
    }

    /// A body that can run many times. Each run takes a step for each of its nodes.
    fn body(&mut self, statements: &[Stmt<'s>]) {
        let outer = std::mem::replace(&mut self.body_nodes, 1);
        self.statements(statements);
        let nodes = std::mem::replace(&mut self.body_nodes, outer);
        self.push(&format!("{{% if {nodes}|__step %}}{{% endif %}}"));
    }

    fn set(&mut self, set: &Spanned<Set<'s>>) {
        self.metered = true;
        self.open_tag("{% set", set.span());
        self.target(&set.target, false);
        self.push(" = ");
        if has_member(&set.target) {
            self.filtered(&set.expr, "__member");
        } else {
            self.expression(&set.expr);
        }
        self.push(" %}");
    }

    fn set_block(&mut self, set: &Spanned<SetBlock<'s>>) {
        self.set_costly();
        self.open_tag("{% set", set.span());
        self.target(&set.target, false);
        let member = has_member(&set.target);
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

    /// The filters of a block, without their subject.
    fn filter_chain(&mut self, filter: &Expr<'s>) {
        let Expr::Filter(filter) = filter else { return };
        if let Some(before) = &filter.expr {
            self.filter_chain(before);
            self.push("|");
        }
        self.count_node();
        self.check_filter(filter.name, filter.span());
        self.push(filter.name);
        self.optional_arguments(&filter.args);
    }

    /// The left side of an assignment: a name, a member of a namespace, or a list of these.
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
                self.list(&list.items, |rewriter, item| rewriter.target(item, true));
                // The comma distinguishes a list of one from a name.
                self.push(if list.items.len() == 1 { "," } else { "" });
                self.push(if inner { ")" } else { "" });
            }
            _ => {}
        }
    }

    fn parameters(&mut self, declared: &Macro<'s>) {
        self.push("(");
        let without = declared.args.len().saturating_sub(declared.defaults.len());
        let defaults = std::iter::repeat_n(None, without).chain(declared.defaults.iter().map(Some));
        self.list(declared.args.iter().zip(defaults), |rewriter, (name, default)| {
            rewriter.target(name, true);
            if let Some(default) = default {
                rewriter.push("=");
                rewriter.expression(default);
            }
        });
        self.push(")");
    }
}

/// Whether a member of a namespace is assigned.
fn has_member(target: &Expr<'_>) -> bool {
    match target {
        Expr::GetAttr(_) => true,
        Expr::List(list) => list.items.iter().any(has_member),
        _ => false,
    }
}
