//! Values that tests can give as Rust types or as JSON.

use serde_json::Value;

use super::{Fault, Reply, ReplyRule};
use crate::domain::error::FieldError;
use crate::http::extract::from_json;

/// A value of type `T`: the Rust type itself, or JSON in the form of docs/control.md
/// (`json!({"when": {"every": 2}, "effect": {"status": 503}})`). A text is a reply of that text.
pub trait Form<T> {
    /// Converts the value, or returns which field is wrong.
    fn form(self) -> Result<T, FieldError>;
}

impl Form<Self> for Fault {
    fn form(self) -> Result<Self, FieldError> {
        Ok(self)
    }
}

impl Form<Self> for ReplyRule {
    fn form(self) -> Result<Self, FieldError> {
        Ok(self)
    }
}

impl Form<Self> for Reply {
    fn form(self) -> Result<Self, FieldError> {
        Ok(self)
    }
}

impl Form<Fault> for Value {
    fn form(self) -> Result<Fault, FieldError> {
        from_json(&self)
    }
}

impl Form<ReplyRule> for Value {
    fn form(self) -> Result<ReplyRule, FieldError> {
        from_json(&self)
    }
}

impl Form<Reply> for Value {
    fn form(self) -> Result<Reply, FieldError> {
        from_json(&self)
    }
}

impl Form<Reply> for &str {
    fn form(self) -> Result<Reply, FieldError> {
        self.to_owned().form()
    }
}

impl Form<Reply> for String {
    fn form(self) -> Result<Reply, FieldError> {
        Ok(Reply { text: Some(self), ..Reply::default() })
    }
}
