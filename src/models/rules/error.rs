//! Why a reply rule or a reply is refused.

use std::fmt::Display;

use thiserror::Error;

use crate::domain::error::{FieldError, FieldErrorKind};

/// Why a rule cannot be used: the path of the wrong field below the rule, and what is wrong with it.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct RuleError {
    /// The path of the field: `["when", "regex"]`; empty for the rule as a whole.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
}

/// The account has no such rule among those made at run time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no rule `{0}`")]
pub struct UnknownRule(pub String);

impl RuleError {
    pub(super) fn new(path: &[&str], message: impl Into<String>) -> Self {
        Self { path: path.iter().map(|step| (*step).to_owned()).collect(), message: message.into() }
    }

    /// The same error of a larger document that has the rule at `step`.
    #[must_use]
    pub fn below(mut self, step: &str) -> Self {
        self.path.insert(0, step.to_owned());
        self
    }

    /// The same errors of a larger document that has the rule at `step`.
    pub(super) fn all_below(errors: Vec<Self>, step: &str) -> Vec<Self> {
        errors.into_iter().map(|error| error.below(step)).collect()
    }

    /// Errors of items, each with the index of its item, as errors of the list.
    pub(super) fn of_list(errors: Vec<(usize, Self)>) -> Vec<Self> {
        errors.into_iter().map(|(index, error)| error.below(&index.to_string())).collect()
    }

    /// One error that names every field. Its own field is that of the first error.
    pub fn refusal(errors: &[Self]) -> FieldError {
        let messages: Vec<String> = errors
            .iter()
            .map(|error| match path_text(&error.path) {
                path if path.is_empty() => error.message.clone(),
                path => format!("{path}: {}", error.message),
            })
            .collect();
        let first = errors.first().map_or_else(String::new, |error| path_text(&error.path));
        FieldError::new(first, FieldErrorKind::BadValue, messages.join("; "))
    }
}

/// Applies `compile` to each item. Each error comes with the index of its item.
pub(super) fn compile_each<I, T>(
    items: impl IntoIterator<Item = I>,
    mut compile: impl FnMut(I) -> Result<T, Vec<RuleError>>,
) -> Result<Vec<T>, Vec<(usize, RuleError)>> {
    let (mut compiled, mut errors) = (Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        match compile(item) {
            Ok(item) => compiled.push(item),
            Err(found) => errors.extend(found.into_iter().map(|error| (index, error))),
        }
    }
    if errors.is_empty() { Ok(compiled) } else { Err(errors) }
}

/// A path as errors show it: `reply[0].text`.
fn path_text(steps: &[String]) -> String {
    let mut path = String::new();
    for step in steps {
        if step.bytes().all(|byte| byte.is_ascii_digit()) {
            path = format!("{path}[{step}]");
        } else if path.is_empty() {
            path.clone_from(step);
        } else {
            path = format!("{path}.{step}");
        }
    }
    path
}

/// The message of a library's error without line breaks.
pub(super) fn one_line(error: &impl Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
