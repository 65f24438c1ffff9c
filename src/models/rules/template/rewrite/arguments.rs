//! Calls, and the arguments of calls, filters and tests.

use minijinja::machinery::ast::{Call, CallArg, CallType, Expr, Spanned};

use super::Rewriter;
use crate::models::rules::template::filters;

impl<'s> Rewriter<'s> {
    pub(super) fn call(&mut self, call: &Spanned<Call<'s>>) {
        self.cheap = false;
        match call.identify_call() {
            CallType::Function(name) => {
                if !self.defined.contains(name) && !filters::is_function(name) {
                    self.refuse(call.span(), format!("there is no function called `{name}`"));
                }
                self.uses.add_call(name);
                self.push(name);
                self.arguments(&call.args);
            }
            CallType::Method(subject, name) => {
                self.primary(subject);
                self.push(".");
                self.push(name);
                self.push("(");
                self.list(&call.args, |rewriter, argument| match argument {
                    // A method of `loop` compares its arguments.
                    CallArg::Pos(value) => rewriter.filtered(value, "__read"),
                    _ => rewriter.argument(argument),
                });
                self.push(")");
            }
            CallType::Object(called) => {
                self.primary(called);
                self.arguments(&call.args);
            }
        }
    }

    /// Arguments in parentheses.
    pub(super) fn arguments(&mut self, arguments: &[CallArg<'s>]) {
        self.push("(");
        self.list(arguments, Self::argument);
        self.push(")");
    }

    /// Arguments in parentheses; nothing if there are none.
    pub(super) fn optional_arguments(&mut self, arguments: &[CallArg<'s>]) {
        if !arguments.is_empty() {
            self.arguments(arguments);
        }
    }

    fn argument(&mut self, argument: &CallArg<'s>) {
        match argument {
            CallArg::Pos(value) => self.expression(value),
            CallArg::Kwarg(name, value) => {
                self.push(name);
                self.push("=");
                self.expression(value);
            }
            CallArg::PosSplat(values) => self.unpacked("*", values),
            CallArg::KwargSplat(values) => self.unpacked("**", values),
        }
    }

    /// `*values` or `**values`.
    fn unpacked(&mut self, sign: &str, values: &Expr<'s>) {
        self.set_costly();
        self.push(sign);
        self.filtered(values, "__read");
    }

    /// Checks the name of a filter or test that is an argument of `map`, `select` and similar filters.
    pub(super) fn check_names_in_arguments(&mut self, filter: &str, arguments: &[CallArg<'s>]) {
        let index = match filter {
            "map" | "select" | "reject" => 0,
            "selectattr" | "rejectattr" => 1,
            _ => return,
        };
        if let Some(CallArg::Pos(Expr::Const(name))) = arguments.get(index)
            && let Some(text) = name.value.as_str()
        {
            if filter == "map" {
                self.check_filter(text, name.span());
            } else {
                self.check_test(text, name.span());
            }
        }
    }
}
