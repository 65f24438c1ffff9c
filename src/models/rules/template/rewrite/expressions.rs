//! Expressions. Each is written for the place it stands in: `0` takes any, `1` takes what a filter
//! can follow, `2` takes what an attribute can follow. What does not fit is put in parentheses.

use minijinja::Value;
use minijinja::machinery::ast::{
    BinOp, BinOpKind, Call, CallArg, CallType, CompareOpKind, Expr, IfExpr, Spanned, UnaryOpKind,
};
use minijinja::value::ValueKind;

use super::Rewriter;
use crate::models::rules::template::filters;

impl<'s> Rewriter<'s> {
    pub(super) fn expression(&mut self, expression: &Expr<'s>, place: u8) {
        self.node();
        let fits = fits(expression) >= place;
        self.push(if fits { "" } else { "(" });
        self.bare(expression);
        self.push(if fits { "" } else { ")" });
    }

    fn bare(&mut self, expression: &Expr<'s>) {
        match expression {
            Expr::Var(name) => {
                self.uses.name(name.id);
                self.push(name.id);
            }
            Expr::Const(_) => self.constant(expression),
            Expr::GetAttr(attribute) => {
                if let (Expr::Var(name), "text") = (&attribute.expr, attribute.name)
                    && name.id == "message"
                {
                    self.push("message");
                } else {
                    self.expression(&attribute.expr, 2);
                }
                self.push(".");
                self.push(attribute.name);
            }
            Expr::Filter(filter) => {
                if let Some(subject) = &filter.expr {
                    self.expression(subject, 1);
                    self.push("|");
                }
                self.filter_name(filter.name, filter.span());
                self.named_in_arguments(filter.name, &filter.args);
                self.push(filter.name);
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                self.test_name(test.name, test.span());
                self.expression(&test.expr, 1);
                self.push(" is ");
                self.push(test.name);
                // Without parentheses the next word could be taken for an argument.
                self.push("(");
                self.list_of_arguments(&test.args);
                self.push(")");
            }
            Expr::IfExpr(choice) => self.choice(choice),
            Expr::UnaryOp(operation) => match operation.op {
                UnaryOpKind::Not => {
                    self.push("not ");
                    self.expression(&operation.expr, 1);
                }
                UnaryOpKind::Neg => {
                    self.plain = false;
                    self.push("-(");
                    self.filtered(&operation.expr, "__num");
                    self.push(")");
                }
            },
            Expr::BinOp(operation) => self.operation(operation),
            Expr::Compare(chain) => {
                self.plain = false;
                let holds = |op| matches!(op, CompareOpKind::In | CompareOpKind::NotIn);
                let any = chain.ops.iter().any(|link| holds(link.op));
                let filter = if any { "__brief" } else { "__read" };
                self.filtered(&chain.expr, filter);
                for link in &chain.ops {
                    self.push(sign_of(link.op));
                    self.filtered(&link.expr, filter);
                }
            }
            other => {
                self.plain = false;
                self.composed(other);
            }
        }
    }

    /// What makes a value of several, or takes one apart.
    fn composed(&mut self, expression: &Expr<'s>) {
        match expression {
            Expr::GetItem(item) => {
                if matches!(&item.subscript_expr, Expr::Const(key) if is_near(&key.value)) {
                    self.expression(&item.expr, 2);
                } else {
                    self.push("(");
                    self.filtered(&item.expr, "__index");
                    self.push(")");
                }
                self.push("[");
                self.expression(&item.subscript_expr, 0);
                self.push("]");
            }
            Expr::Slice(slice) => {
                self.cheap = false;
                self.push("(");
                self.filtered(&slice.expr, "__slice");
                self.push(")[");
                for (nth, bound) in [&slice.start, &slice.stop, &slice.step].iter().enumerate() {
                    self.push(if nth == 0 { "" } else { ":" });
                    if let Some(bound) = bound {
                        self.expression(bound, 1);
                    }
                }
                self.push("]|__keep");
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.items("[", &list.items, "]|__keep"),
            Expr::Tuple(tuple) => {
                let close = if tuple.items.len() == 1 { ",)|__keep" } else { ")|__keep" };
                self.items("(", &tuple.items, close);
            }
            Expr::Map(map) => {
                self.cheap = false;
                self.push("{");
                for (nth, (key, value)) in map.keys.iter().zip(&map.values).enumerate() {
                    self.push(if nth == 0 { "" } else { ", " });
                    self.expression(key, 0);
                    self.push(": ");
                    self.expression(value, 0);
                }
                self.push("}|__keep");
            }
            // All others are written by `bare`.
            _ => {}
        }
    }

    fn items(&mut self, open: &str, items: &[Expr<'s>], close: &str) {
        self.cheap = false;
        self.push(open);
        for (nth, item) in items.iter().enumerate() {
            self.push(if nth == 0 { "" } else { ", " });
            self.expression(item, 0);
        }
        self.push(close);
    }

    /// A constant, as it is written in the source.
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

    /// `expression`, through a filter of ours; constants need none.
    pub(super) fn filtered(&mut self, expression: &Expr<'s>, filter: &str) {
        self.expression(expression, 1);
        if !matches!(expression, Expr::Const(_)) {
            self.push("|");
            self.push(filter);
        }
    }

    fn operation(&mut self, operation: &Spanned<BinOp<'s>>) {
        let BinOp { op, left, right } = &**operation;
        let sign = match op {
            BinOpKind::ScAnd => return self.chain(*op, " and ", left, right),
            BinOpKind::ScOr => return self.chain(*op, " or ", left, right),
            BinOpKind::Concat => return self.grown("__concat", left, right),
            BinOpKind::Add => return self.grown("__add", left, right),
            BinOpKind::Mul => return self.grown("__mul", left, right),
            BinOpKind::Sub => return self.calculated(" - ", left, right),
            BinOpKind::Div => return self.calculated(" / ", left, right),
            BinOpKind::FloorDiv => return self.calculated(" // ", left, right),
            BinOpKind::Rem => return self.calculated(" % ", left, right),
            BinOpKind::Pow => return self.calculated(" ** ", left, right),
            BinOpKind::Eq => " == ",
            BinOpKind::Ne => " != ",
            BinOpKind::Lt => " < ",
            BinOpKind::Lte => " <= ",
            BinOpKind::Gt => " > ",
            BinOpKind::Gte => " >= ",
            BinOpKind::In => return self.grown("__in", left, right),
        };
        self.plain = false;
        // A comparison with a constant takes no longer than the constant is.
        let constant = |side: &Expr<'_>| matches!(side, Expr::Const(_));
        let filter = if constant(left) || constant(right) { "__num" } else { "__read" };
        self.filtered(left, filter);
        self.push(sign);
        self.filtered(right, filter);
    }

    /// `and` and `or` of several need no parentheses.
    fn chain(&mut self, op: BinOpKind, sign: &str, left: &Expr<'s>, right: &Expr<'s>) {
        match left {
            Expr::BinOp(inner)
                if std::mem::discriminant(&inner.op) == std::mem::discriminant(&op) =>
            {
                self.node();
                self.chain(op, sign, &inner.left, &inner.right);
            }
            _ => self.expression(left, 1),
        }
        self.push(sign);
        self.expression(right, 1);
    }

    fn grown(&mut self, filter: &str, left: &Expr<'s>, right: &Expr<'s>) {
        self.plain = false;
        self.expression(left, 1);
        self.push("|");
        self.push(filter);
        self.push("(");
        self.expression(right, 0);
        self.push(")");
    }

    fn calculated(&mut self, sign: &str, left: &Expr<'s>, right: &Expr<'s>) {
        self.plain = false;
        self.filtered(left, "__num");
        self.push(sign);
        self.filtered(right, "__num");
    }

    fn choice(&mut self, choice: &IfExpr<'s>) {
        self.expression(&choice.true_expr, 1);
        self.push(" if ");
        self.expression(&choice.test_expr, 1);
        if let Some(otherwise) = &choice.false_expr {
            self.push(" else ");
            let place = u8::from(!matches!(otherwise, Expr::IfExpr(_)));
            self.expression(otherwise, place);
        }
    }

    pub(super) fn call(&mut self, call: &Spanned<Call<'s>>) {
        self.cheap = false;
        match call.identify_call() {
            CallType::Function(name) => {
                if !self.defined.contains(name) && !filters::is_function(name) {
                    self.refuse(call.span(), format!("there is no function called `{name}`"));
                }
                self.uses.call(name);
                self.push(name);
                self.arguments_in_parentheses(&call.args, false);
            }
            CallType::Method(subject, name) => {
                self.expression(subject, 2);
                self.push(".");
                self.push(name);
                self.arguments_in_parentheses(&call.args, true);
            }
            CallType::Object(called) => {
                self.expression(called, 2);
                self.arguments_in_parentheses(&call.args, false);
            }
        }
    }

    pub(super) fn arguments(&mut self, arguments: &[CallArg<'s>]) {
        if !arguments.is_empty() {
            self.arguments_in_parentheses(arguments, false);
        }
    }

    fn arguments_in_parentheses(&mut self, arguments: &[CallArg<'s>], read: bool) {
        self.push("(");
        for (nth, argument) in arguments.iter().enumerate() {
            self.push(if nth == 0 { "" } else { ", " });
            match argument {
                // A method of `loop` compares what it is given.
                CallArg::Pos(value) if read => self.filtered(value, "__read"),
                _ => self.argument(argument),
            }
        }
        self.push(")");
    }

    fn list_of_arguments(&mut self, arguments: &[CallArg<'s>]) {
        for (nth, argument) in arguments.iter().enumerate() {
            self.push(if nth == 0 { "" } else { ", " });
            self.argument(argument);
        }
    }

    fn argument(&mut self, argument: &CallArg<'s>) {
        match argument {
            CallArg::Pos(value) => self.expression(value, 0),
            CallArg::Kwarg(name, value) => {
                self.push(name);
                self.push("=");
                self.expression(value, 0);
            }
            CallArg::PosSplat(values) => self.splat("*", values),
            CallArg::KwargSplat(values) => self.splat("**", values),
        }
    }

    fn splat(&mut self, sign: &str, values: &Expr<'s>) {
        (self.plain, self.cheap) = (false, false);
        self.push(sign);
        self.filtered(values, "__read");
    }

    /// Checks the filter that `map` names, and the test that `select` and its like do.
    fn named_in_arguments(&mut self, filter: &str, arguments: &[CallArg<'s>]) {
        let place = match filter {
            "map" | "select" | "reject" => 0,
            "selectattr" | "rejectattr" => 1,
            _ => return,
        };
        if let Some(CallArg::Pos(Expr::Const(name))) = arguments.get(place)
            && let Some(text) = name.value.as_str()
        {
            if filter == "map" {
                self.filter_name(text, name.span());
            } else {
                self.test_name(text, name.span());
            }
        }
    }
}

fn sign_of(op: CompareOpKind) -> &'static str {
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

/// Whether looking `key` up takes a few steps at most, whatever it is looked up in.
fn is_near(key: &Value) -> bool {
    key.as_usize().map_or(key.kind() == ValueKind::String, |place| place < 100)
}

/// The strictest place that the expression fits in without parentheses.
fn fits(expression: &Expr<'_>) -> u8 {
    match expression {
        Expr::Var(_) | Expr::Call(_) | Expr::GetAttr(_) | Expr::GetItem(_) => 2,
        Expr::Const(constant) if constant.value.kind() == ValueKind::String => 2,
        Expr::Const(_)
        | Expr::Filter(_)
        | Expr::Test(_)
        | Expr::Slice(_)
        | Expr::List(_)
        | Expr::Tuple(_)
        | Expr::Map(_) => 1,
        Expr::BinOp(operation) => match operation.op {
            BinOpKind::Concat | BinOpKind::Add | BinOpKind::Mul | BinOpKind::In => 1,
            _ => 0,
        },
        Expr::UnaryOp(_) | Expr::Compare(_) | Expr::IfExpr(_) => 0,
    }
}
