//! Operators: calculations, comparisons, `and`, `or` and `not`.

use minijinja::machinery::ast::{
    BinOp, BinOpKind, Compare, CompareOpKind, Expr, UnaryOp, UnaryOpKind,
};

use super::Rewriter;

impl<'s> Rewriter<'s> {
    pub(super) fn unary_operation(&mut self, operation: &UnaryOp<'s>) {
        match operation.op {
            UnaryOpKind::Not => {
                self.push("not ");
                self.operand(&operation.expr);
            }
            UnaryOpKind::Neg => {
                self.metered = true;
                self.push("-(");
                self.filtered(&operation.expr, "__num");
                self.push(")");
            }
        }
    }

    pub(super) fn binary_operation(&mut self, operation: &BinOp<'s>) {
        let BinOp { op, left, right } = operation;
        match op {
            BinOpKind::ScAnd => self.logical(*op, " and ", left, right),
            BinOpKind::ScOr => self.logical(*op, " or ", left, right),
            BinOpKind::Concat => self.as_filter("__concat", left, right),
            BinOpKind::Add => self.as_filter("__add", left, right),
            BinOpKind::Mul => self.as_filter("__mul", left, right),
            BinOpKind::In => self.as_filter("__in", left, right),
            BinOpKind::Sub => self.calculation(" - ", left, right),
            BinOpKind::Div => self.calculation(" / ", left, right),
            BinOpKind::FloorDiv => self.calculation(" // ", left, right),
            BinOpKind::Rem => self.calculation(" % ", left, right),
            BinOpKind::Pow => self.calculation(" ** ", left, right),
            BinOpKind::Eq => self.comparison(" == ", left, right),
            BinOpKind::Ne => self.comparison(" != ", left, right),
            BinOpKind::Lt => self.comparison(" < ", left, right),
            BinOpKind::Lte => self.comparison(" <= ", left, right),
            BinOpKind::Gt => self.comparison(" > ", left, right),
            BinOpKind::Gte => self.comparison(" >= ", left, right),
        }
    }

    /// `and` or `or`; a chain of one of them needs no parentheses.
    fn logical(&mut self, op: BinOpKind, sign: &str, left: &Expr<'s>, right: &Expr<'s>) {
        match left {
            Expr::BinOp(inner)
                if std::mem::discriminant(&inner.op) == std::mem::discriminant(&op) =>
            {
                self.count_node();
                self.logical(op, sign, &inner.left, &inner.right);
            }
            _ => self.operand(left),
        }
        self.push(sign);
        self.operand(right);
    }

    /// An operation that a filter of this crate performs.
    fn as_filter(&mut self, filter: &str, left: &Expr<'s>, right: &Expr<'s>) {
        self.metered = true;
        self.operand(left);
        self.push("|");
        self.push(filter);
        self.push("(");
        self.expression(right);
        self.push(")");
    }

    fn calculation(&mut self, sign: &str, left: &Expr<'s>, right: &Expr<'s>) {
        self.filtered_operands("__num", sign, left, right);
    }

    fn comparison(&mut self, sign: &str, left: &Expr<'s>, right: &Expr<'s>) {
        // A comparison with a constant takes no longer than the constant's size.
        let is_constant = |side: &Expr<'_>| matches!(side, Expr::Const(_));
        let filter = if is_constant(left) || is_constant(right) { "__num" } else { "__read" };
        self.filtered_operands(filter, sign, left, right);
    }

    fn filtered_operands(&mut self, filter: &str, sign: &str, left: &Expr<'s>, right: &Expr<'s>) {
        self.metered = true;
        self.filtered(left, filter);
        self.push(sign);
        self.filtered(right, filter);
    }

    /// `a < b <= c`.
    pub(super) fn comparison_chain(&mut self, chain: &Compare<'s>) {
        self.metered = true;
        let is_membership = |op| matches!(op, CompareOpKind::In | CompareOpKind::NotIn);
        let any_membership = chain.ops.iter().any(|link| is_membership(link.op));
        let filter = if any_membership { "__brief" } else { "__read" };
        self.filtered(&chain.expr, filter);
        for link in &chain.ops {
            self.push(comparison_sign(link.op));
            self.filtered(&link.expr, filter);
        }
    }
}

fn comparison_sign(op: CompareOpKind) -> &'static str {
    match op {
        CompareOpKind::Eq => " == ",
        CompareOpKind::Ne => " != ",
        CompareOpKind::Lt => " < ",
        CompareOpKind::Lte => " <= ",
        CompareOpKind::Gt => " > ",
        CompareOpKind::Gte => " >= ",
        CompareOpKind::In => " in ",
        CompareOpKind::NotIn => " not in ",
    }
}
