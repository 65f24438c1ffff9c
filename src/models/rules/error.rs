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
        Self {
            path: path.iter().map(|step| (*step).to_owned()).collect(),
            message: message.into(),
        }
    }

    /// The same error of a larger document that has the rule at `step`.
    #[must_use]
    pub fn below(mut self, step: &str) -> Self {
        self.path.insert(0, step.to_owned());
        self
    }

    pub(super) fn below_index(self, index: usize) -> Self {
        self.below(&index.to_string())
    }

    /// One error that names every field. Its own field is that of the first error.
    pub fn refusal(errors: &[Self]) -> FieldError {
        let messages: Vec<String> = errors
            .iter()
            .map(|error| match written(&error.path) {
                path if path.is_empty() => error.message.clone(),
                path => format!("{path}: {}", error.message),
            })
            .collect();
        let first = errors.first().map_or_else(String::new, |error| written(&error.path));
        FieldError::new(first, FieldErrorKind::BadValue, messages.join("; "))
    }
}

/// A path as errors show it: `reply[0].text`.
fn written(steps: &[String]) -> String {
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
