//! Conditions on requests. They are compared by the server's own code, apart from predicates.

use std::fmt;

use serde_json::{Map, Value, json};

use super::LoggedExchange;
use crate::domain::Api;
use crate::domain::error::FieldError;
use crate::http::apis::control::{Differences, EntryPattern, MOST_DIFFERENCES, Place};

/// Conditions on a request, all of which must hold.
///
/// Values are compared as in the parameter `match` of the control plane (docs/control.md, "Patterns"):
/// objects match if they have at least the given fields; arrays must have the same length. In
/// [`body`](Self::body), [`answer`](Self::answer) and [`model`](Self::model), the objects
/// `{"equals": …}`, `{"contains": …}` and `{"regex": …}` are operators.
///
/// # Panics
///
/// Assertions panic if a condition can never hold: an unknown API or end, a status such as `"ok"`, a
/// regular expression with an error. Waits fail with the same message.
#[derive(Debug, Default)]
#[must_use = "it is given to an assertion"]
pub struct RequestPattern {
    /// Each is a pattern of the control plane with one field.
    conditions: Vec<Value>,
    predicates: Vec<Predicate>,
    since: Option<u64>,
}

/// A condition as code.
struct Predicate {
    what: String,
    holds: Box<dyn Fn(&LoggedExchange) -> bool + Send + Sync>,
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl RequestPattern {
    /// The API.
    pub fn api(self, api: Api) -> Self {
        self.with("api", api.name())
    }

    /// The method, in any case.
    pub fn method(self, method: &str) -> Self {
        self.with("method", method)
    }

    /// The path in any encoding; with a `*` at the end, a prefix of it.
    pub fn path(self, path: &str) -> Self {
        self.with("path", path)
    }

    /// The route: `/v1/runner/{deployment_id}`.
    pub fn route(self, route: &str) -> Self {
        self.with("route", route)
    }

    /// A parameter of the query, decoded.
    pub fn query(self, name: &str, value: &str) -> Self {
        self.with("query", json!({name: value}))
    }

    /// A header.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with("headers", json!({name: value}))
    }

    /// The status of the response: `200`, or `"4xx"`.
    #[expect(clippy::needless_pass_by_value, reason = "it is a number or a text in the code")]
    pub fn status(self, status: impl ToString) -> Self {
        self.with("status", status.to_string())
    }

    /// The body. A text must be contained in one of the body's texts; other JSON is compared in part.
    pub fn body(self, body: impl Into<Value>) -> Self {
        self.with("body", body)
    }

    /// The body of the response, compared in part; a text must be equal.
    pub fn answer(self, answer: impl Into<Value>) -> Self {
        self.with("answer", answer)
    }

    /// The prompt and the rule that answered, compared in part: `json!({"turn": 2})`.
    pub fn model(self, model: impl Into<Value>) -> Self {
        self.with("model", model)
    }

    /// How the response ended: `complete`, `broken` or `hung_up`.
    pub fn end(self, end: &str) -> Self {
        self.with("end", end)
    }

    /// The fault of the request, by the name of its effect: `status`, `break_after` …
    pub fn fault(self, effect: &str) -> Self {
        self.with("fault", effect)
    }

    /// Only requests after the one of this number.
    pub fn since(mut self, number: u64) -> Self {
        self.since = Some(number);
        self
    }

    /// Any other condition; `what` describes it in a failure: `names an order`. It is applied to the
    /// requests for which the others hold.
    pub fn which(
        mut self,
        what: &str,
        holds: impl Fn(&LoggedExchange) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.predicates.push(Predicate { what: what.to_owned(), holds: Box::new(holds) });
        self
    }

    fn with(mut self, field: &str, wanted: impl Into<Value>) -> Self {
        self.conditions.push(Map::from_iter([(field.to_owned(), wanted.into())]).into());
        self
    }

    /// The pattern, ready to be compared with requests.
    pub(super) fn compile(self) -> Result<CompiledPattern, FieldError> {
        let Self { conditions, predicates, since } = self;
        let pattern = EntryPattern::all(&conditions)?;
        Ok(CompiledPattern { pattern, predicates, since })
    }
}

/// A pattern without conditions that can never hold.
pub(super) struct CompiledPattern {
    pattern: EntryPattern,
    predicates: Vec<Predicate>,
    since: Option<u64>,
}

impl CompiledPattern {
    /// Whether a request arrived after `since`.
    pub(super) fn is_in_range(&self, request: &LoggedExchange) -> bool {
        self.since.is_none_or(|since| request.number() > since)
    }

    /// Whether a request matches.
    pub(super) fn matches(&self, request: &LoggedExchange) -> bool {
        self.is_in_range(request) && self.differences(request).is_empty()
    }

    /// The differences of a request.
    pub(super) fn differences(&self, request: &LoggedExchange) -> Differences {
        let mut differences = Differences::at_most(MOST_DIFFERENCES);
        self.pattern.compare(request.entry(), &mut differences);
        if differences.is_empty() {
            for predicate in self.predicates.iter().filter(|it| !(it.holds)(request)) {
                let describe = || (predicate.what.clone(), "that it is not so".to_owned());
                differences.add(Place::Criterion("which"), describe);
            }
        }
        differences
    }

    /// The names of all conditions and what they want, as text.
    pub(super) fn described(&self) -> Vec<(String, String)> {
        let since = self.since.map(|number| ("since".to_owned(), number.to_string()));
        let conditions = self.pattern.described().iter().cloned();
        let which = |predicate: &Predicate| ("which".to_owned(), predicate.what.clone());
        since.into_iter().chain(conditions).chain(self.predicates.iter().map(which)).collect()
    }
}
