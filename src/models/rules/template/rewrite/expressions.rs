//! Expressions. An expression that does not fit its position is put in parentheses.

use minijinja::Value;
use minijinja::machinery::ast::{
    BinOpKind, Expr, Filter, GetAttr, GetItem, IfExpr, Map, Slice, Spanned, Test,
};
use minijinja::value::ValueKind;

use super::Rewriter;

/// Where an expression is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ExpressionPosition {
    /// Any expression fits.
    Any,
    /// An operator or a filter follows.
    Operand,
    /// An attribute, an index or arguments follow.
    Primary,
}

impl<'s> Rewriter<'s> {
    pub(super) fn expression(&mut self, expression: &Expr<'s>) {
        self.expression_in(ExpressionPosition::Any, expression);
    }

    pub(super) fn operand(&mut self, expression: &Expr<'s>) {
        self.expression_in(ExpressionPosition::Operand, expression);
    }

    pub(super) fn primary(&mut self, expression: &Expr<'s>) {
        self.expression_in(ExpressionPosition::Primary, expression);
    }

    fn expression_in(&mut self, position: ExpressionPosition, expression: &Expr<'s>) {
        self.count_node();
        let fits = strictest_position(expression) >= position;
        self.push(if fits { "" } else { "(" });
        self.without_parentheses(expression);
        self.push(if fits { "" } else { ")" });
    }

    /// An operand, passed through a filter of this crate. Constants do not need it.
    pub(super) fn filtered(&mut self, expression: &Expr<'s>, filter: &str) {
        self.operand(expression);
        if !matches!(expression, Expr::Const(_)) {
            self.push("|");
            self.push(filter);
        }
    }

    fn without_parentheses(&mut self, expression: &Expr<'s>) {
        match expression {
            Expr::Var(name) => {
                self.uses.add_name(name.id);
                self.push(name.id);
            }
            Expr::Const(_) => self.constant(expression),
            Expr::GetAttr(attribute) => self.attribute(attribute),
            Expr::GetItem(item) => self.item(item),
            Expr::Slice(slice) => self.slice(slice),
            Expr::Filter(filter) => self.filter(filter),
            Expr::Test(test) => self.test(test),
            Expr::IfExpr(conditional) => self.conditional(conditional),
            Expr::UnaryOp(operation) => self.unary_operation(operation),
            Expr::BinOp(operation) => self.binary_operation(operation),
            Expr::Compare(chain) => self.comparison_chain(chain),
            Expr::Call(call) => {
                self.metered = true;
                self.call(call);
            }
            Expr::List(list) => self.sequence("[", &list.items, "]|__keep"),
            Expr::Tuple(tuple) => {
                let close = if tuple.items.len() == 1 { ",)|__keep" } else { ")|__keep" };
                self.sequence("(", &tuple.items, close);
            }
            Expr::Map(map) => self.map(map),
        }
    }

    /// A constant as in the source.
    #[expect(clippy::expect_used, reason = "the parser's spans are parts of the source")]
    fn constant(&mut self, constant: &Expr<'s>) {
        let span = constant.span();
        let at = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
        let text = self.source.get(at(span.start_offset)..at(span.end_offset));
        let text = text.expect("the constant is in the source");
        let lines = text.bytes().filter(|byte| *byte == b'\n').count();
        self.line = self.line.saturating_add(u16::try_from(lines).unwrap_or(u16::MAX));
        self.push(text);
    }

    fn attribute(&mut self, attribute: &GetAttr<'s>) {
        match &attribute.expr {
            // Not a use of `message`, whose parts the template does not read.
            Expr::Var(name) if name.id == "message" && attribute.name == "text" => {
                self.push("message");
            }
            subject => self.primary(subject),
        }
        self.push(".");
        self.push(attribute.name);
    }

    fn item(&mut self, item: &GetItem<'s>) {
        self.metered = true;
        if matches!(&item.subscript_expr, Expr::Const(key) if is_quick_to_find(&key.value)) {
            self.primary(&item.expr);
        } else {
            self.push("(");
            self.filtered(&item.expr, "__index");
            self.push(")");
        }
        self.push("[");
        self.expression(&item.subscript_expr);
        self.push("]");
    }

    fn slice(&mut self, slice: &Slice<'s>) {
        self.set_costly();
        self.push("(");
        self.filtered(&slice.expr, "__slice");
        self.push(")[");
        for (nth, bound) in [&slice.start, &slice.stop, &slice.step].iter().enumerate() {
            self.push(if nth == 0 { "" } else { ":" });
            if let Some(bound) = bound {
                self.operand(bound);
            }
        }
        self.push("]|__keep");
    }

    fn filter(&mut self, filter: &Spanned<Filter<'s>>) {
        if let Some(subject) = &filter.expr {
            self.operand(subject);
            self.push("|");
        }
        self.check_filter(filter.name, filter.span());
        self.check_names_in_arguments(filter.name, &filter.args);
        self.push(filter.name);
        self.optional_arguments(&filter.args);
    }

    fn test(&mut self, test: &Spanned<Test<'s>>) {
        self.check_test(test.name, test.span());
        self.operand(&test.expr);
        self.push(" is ");
        self.push(test.name);
        // Without parentheses the next word could be read as an argument.
        self.arguments(&test.args);
    }

    fn conditional(&mut self, conditional: &IfExpr<'s>) {
        self.operand(&conditional.true_expr);
        self.push(" if ");
        self.operand(&conditional.test_expr);
        if let Some(otherwise) = &conditional.false_expr {
            self.push(" else ");
            match otherwise {
                Expr::IfExpr(_) => self.expression(otherwise),
                _ => self.operand(otherwise),
            }
        }
    }

    fn sequence(&mut self, open: &str, items: &[Expr<'s>], close: &str) {
        self.set_costly();
        self.push(open);
        self.list(items, Self::expression);
        self.push(close);
    }

    fn map(&mut self, map: &Map<'s>) {
        self.set_costly();
        self.push("{");
        self.list(map.keys.iter().zip(&map.values), |rewriter, (key, value)| {
            rewriter.expression(key);
            rewriter.push(": ");
            rewriter.expression(value);
        });
        self.push("}|__keep");
    }
}

/// Whether finding `key` takes a few steps at most, in a value of any size.
fn is_quick_to_find(key: &Value) -> bool {
    key.as_usize().map_or(key.kind() == ValueKind::String, |index| index < 100)
}

/// The strictest position in which the rewritten expression needs no parentheses.
fn strictest_position(expression: &Expr<'_>) -> ExpressionPosition {
    match expression {
        Expr::Var(_) | Expr::Call(_) | Expr::GetAttr(_) | Expr::GetItem(_) => {
            ExpressionPosition::Primary
        }
        Expr::Const(constant) if constant.value.kind() == ValueKind::String => {
            ExpressionPosition::Primary
        }
        Expr::Const(_)
        | Expr::Filter(_)
        | Expr::Test(_)
        | Expr::Slice(_)
        | Expr::List(_)
        | Expr::Tuple(_)
        | Expr::Map(_) => ExpressionPosition::Operand,
        Expr::BinOp(operation) => match operation.op {
            // Rewritten as filters.
            BinOpKind::Concat | BinOpKind::Add | BinOpKind::Mul | BinOpKind::In => {
                ExpressionPosition::Operand
            }
            _ => ExpressionPosition::Any,
        },
        Expr::UnaryOp(_) | Expr::Compare(_) | Expr::IfExpr(_) => ExpressionPosition::Any,
    }
}
