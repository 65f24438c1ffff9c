//! A fault that a request's own header asks for: `x-mynah-fault: status=503, retry_after=5`.

use std::sync::Arc;

use axum::http::HeaderMap;
use serde_json::{Map, Value};

use crate::domain::error::{FieldError, FieldErrorKind, FieldLocation};
use crate::domain::fault_rule::{Effect, Fault};

const NAME: &str = "x-mynah-fault";

/// Whether a request may ask for its own fault in the header `x-mynah-fault`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultHeader {
    /// It may: the header is obeyed.
    Obeyed,
    /// It may not: the header is ignored.
    Ignored,
}

/// The fault that the header asks for, or what is wrong with the header.
#[derive(Debug, Clone)]
pub(crate) struct RequestedFault(Result<Arc<Fault>, FieldError>);

impl RequestedFault {
    /// The fault that `headers` ask for, if `setting` allows it.
    pub(crate) fn of(setting: FaultHeader, headers: &HeaderMap) -> Option<Self> {
        let sent = headers.get(NAME).filter(|_| setting == FaultHeader::Obeyed)?;
        let fault = sent.to_str().map_err(|_| "is no text".to_owned()).and_then(read);
        Some(Self(fault.map(Arc::new).map_err(|message| wrong(&message))))
    }

    /// The fault; an error if it applies only to the other kind of answers, streamed or not.
    pub(crate) fn fault(&self, streamed: bool) -> Result<Arc<Fault>, FieldError> {
        let fault = self.0.clone()?;
        if fault.action.applies_to(streamed) {
            return Ok(fault);
        }
        let others = if streamed { "answers in one piece" } else { "streams" };
        Err(wrong(&format!("{} is for {others}", fault.action.name())))
    }
}

/// Parses the fields of an effect: `name=value`, separated by commas; a name alone is true.
fn read(text: &str) -> Result<Fault, String> {
    let mut fields = Map::new();
    for field in text.split([',', ';']).map(str::trim).filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').unwrap_or((field, "true"));
        let value = value.trim();
        // Numbers and booleans are read as in JSON; anything else is text.
        let value = match serde_json::from_str(value) {
            Ok(read @ (Value::Number(_) | Value::Bool(_))) => read,
            _ => Value::from(value),
        };
        if fields.insert(name.trim().to_owned(), value).is_some() {
            return Err(format!("{} is given more than once", name.trim()));
        }
    }
    let effect: Effect = serde_path_to_error::deserialize(Value::Object(fields))
        .map_err(|error| error.to_string())?;
    effect.fault().map_err(|wrong| {
        let field = wrong.field.trim_start_matches("effect").trim_start_matches('.');
        format!("{field} {}", wrong.message).trim_start().to_owned()
    })
}

fn wrong(message: &str) -> FieldError {
    let message = format!("{NAME}: {message}");
    FieldError::new(NAME, FieldErrorKind::BadValue, message).in_the(FieldLocation::Header)
}
