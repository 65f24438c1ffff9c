//! Matches requests, and reports how a request differs.

use std::fmt;

use serde_json::Value;

use super::request::LoggedExchange;
use crate::app::request_log::is_path;

/// Conditions on a request, all of which must hold.
///
/// Objects match if they have at least the given fields; arrays must have the same length.
#[derive(Debug, Default)]
#[must_use = "it is given to an assertion"]
pub struct RequestPattern {
    pub(super) criteria: Vec<MatchCriterion>,
    pub(super) since: Option<u64>,
}

/// A condition.
pub(super) struct MatchCriterion {
    pub(super) name: String,
    /// The wanted value as text.
    pub(super) wanted: String,
    check: Check,
}

type Check = Box<dyn Fn(&LoggedExchange) -> Vec<Difference> + Send + Sync>;

impl fmt::Debug for MatchCriterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.wanted)
    }
}

/// A difference between a request and a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// The path of the value: `body.content[0].text`.
    pub(super) at: String,
    pub(super) wanted: String,
    pub(super) found: String,
}

impl Difference {
    fn new(at: &str, wanted: impl Into<String>, found: impl Into<String>) -> Self {
        Self { at: at.to_owned(), wanted: wanted.into(), found: found.into() }
    }

    /// The condition that it belongs to.
    pub(super) fn criterion(&self) -> &str {
        self.at.split(['.', '[']).next().unwrap_or_default()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: wanted {}, found {}", self.at, self.wanted, self.found)
    }
}

impl RequestPattern {
    /// The method, in any case.
    pub fn method(self, method: &str) -> Self {
        let wanted = method.to_ascii_uppercase();
        self.text("method", &wanted, |request| Some(request.method().to_owned()))
    }

    /// The path in any encoding; with a `*` at the end, a prefix of it.
    pub fn path(self, path: &str) -> Self {
        let wanted = path.to_owned();
        self.with("path", path.to_owned(), move |request| {
            let found = request.path();
            unless(is_path(found, &wanted), || Difference::new("path", &wanted, found))
        })
    }

    /// The route: `/v1/runner/{deployment_id}`.
    pub fn route(self, route: &str) -> Self {
        self.text("route", route, |request| request.route().map(str::to_owned))
    }

    /// A parameter of the query, decoded.
    pub fn query(self, name: &str, value: &str) -> Self {
        let parameter = name.to_owned();
        self.text(&format!("query.{name}"), value, move |request| {
            let query = request.query().unwrap_or_default().as_bytes();
            let mut pairs = form_urlencoded::parse(query);
            pairs.find(|(found, _)| *found == parameter).map(|(_, value)| value.into_owned())
        })
    }

    /// A header.
    pub fn header(self, name: &str, value: &str) -> Self {
        let header = name.to_owned();
        self.text(&format!("headers.{}", name.to_ascii_lowercase()), value, move |request| {
            request.header(&header).map(str::to_owned)
        })
    }

    /// The status of the response: `200`, or `"4xx"`.
    #[expect(clippy::needless_pass_by_value, reason = "it is a number or a text in the code")]
    pub fn status(self, status: impl ToString) -> Self {
        let wanted = status.to_string();
        self.with("status", wanted.clone(), move |request| {
            let found = request.status().map(|status| status.to_string()).unwrap_or_default();
            let alike = match wanted.strip_suffix("xx") {
                Some(digit) => !found.is_empty() && found.starts_with(digit),
                None => found == wanted,
            };
            let found = if found.is_empty() { "no answer".to_owned() } else { found };
            unless(alike, || Difference::new("status", &wanted, found))
        })
    }

    /// The body. A text must be contained in one of the body's texts; other JSON is compared in part.
    pub fn body(self, body: impl Into<Value>) -> Self {
        let body = body.into();
        self.with("body", shown(&body), move |request| match (&body, request.body()) {
            (_, Value::Null) => {
                vec![Difference::new("body", shown(&body), "none: none was sent, or none was read")]
            }
            (Value::String(text), found) => unless(holds_text(found, text), || {
                Difference::new("body", format!("the text {}", shown(&body)), shown(found))
            }),
            // The request log stores an array as its text.
            (Value::Array(_), Value::String(text)) => {
                let found = serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into());
                differences(&body, &found, "body")
            }
            (_, found) => differences(&body, found, "body"),
        })
    }

    /// The body of the response, compared in part; a text must be equal.
    pub fn answer(self, answer: impl Into<Value>) -> Self {
        let answer = answer.into();
        self.with("answer", shown(&answer), move |request| {
            let found = request.answer().and_then(|answer| answer.get("body"));
            differences(&answer, found.unwrap_or_default(), "answer")
        })
    }

    /// The prompt and the rule that answered, compared in part: `json!({"turn": 2})`.
    pub fn model(self, model: impl Into<Value>) -> Self {
        let model = model.into();
        self.with("model", shown(&model), move |request| {
            differences(&model, request.model().unwrap_or_default(), "model")
        })
    }

    /// How the response ended: `complete`, `broken` or `hung_up`.
    pub fn end(self, end: &str) -> Self {
        self.text("end", end, |request| Some(request.end().to_owned()))
    }

    /// The fault of the request, by the name of its effect: `status`, `break_after` …
    pub fn fault(self, effect: &str) -> Self {
        self.text("fault", effect, |request| request.fault().map(str::to_owned))
    }

    /// Only requests after the one of this number.
    pub fn since(mut self, number: u64) -> Self {
        self.since = Some(number);
        self
    }

    /// Any other condition; `what` describes it in a failure: `names an order`.
    pub fn which(
        self,
        what: &str,
        holds: impl Fn(&LoggedExchange) -> bool + Send + Sync + 'static,
    ) -> Self {
        let wanted = what.to_owned();
        self.with("which", what.to_owned(), move |request| {
            unless(holds(request), || Difference::new("which", &wanted, "that it is not so"))
        })
    }

    fn with(
        mut self,
        name: &str,
        wanted: String,
        check: impl Fn(&LoggedExchange) -> Vec<Difference> + Send + Sync + 'static,
    ) -> Self {
        self.criteria.push(MatchCriterion {
            name: name.to_owned(),
            wanted,
            check: Box::new(check),
        });
        self
    }

    /// Adds a condition on a text that must be equal.
    fn text(
        self,
        at: &str,
        wanted: &str,
        found: impl Fn(&LoggedExchange) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let (place, same) = (at.to_owned(), wanted.to_owned());
        self.with(at, wanted.to_owned(), move |request| {
            let found = found(request);
            unless(found.as_deref() == Some(same.as_str()), || {
                Difference::new(&place, &same, found.unwrap_or_else(|| "nothing".to_owned()))
            })
        })
    }

    /// Whether a request came after `since`.
    pub(super) fn concerns(&self, request: &LoggedExchange) -> bool {
        self.since.is_none_or(|since| request.number() > since)
    }

    /// Whether a request matches.
    pub(super) fn takes(&self, request: &LoggedExchange) -> bool {
        self.concerns(request) && self.missed_by(request).is_empty()
    }

    /// The differences of a request.
    pub(super) fn missed_by(&self, request: &LoggedExchange) -> Vec<Difference> {
        self.criteria.iter().flat_map(|criterion| (criterion.check)(request)).collect()
    }
}

fn unless(alike: bool, difference: impl FnOnce() -> Difference) -> Vec<Difference> {
    if alike { Vec::new() } else { vec![difference()] }
}

/// Whether one of the texts in `value` contains `text`.
fn holds_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(found) => found.contains(text),
        Value::Array(items) => items.iter().any(|item| holds_text(item, text)),
        Value::Object(fields) => fields.values().any(|field| holds_text(field, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Compares objects in part, all else in full.
fn differences(wanted: &Value, found: &Value, at: &str) -> Vec<Difference> {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted
            .iter()
            .flat_map(|(name, value)| match found.get(name) {
                Some(found) => differences(value, found, &format!("{at}.{name}")),
                None => vec![Difference::new(&format!("{at}.{name}"), shown(value), "nothing")],
            })
            .collect(),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => wanted
            .iter()
            .zip(found)
            .enumerate()
            .flat_map(|(place, (wanted, found))| {
                differences(wanted, found, &format!("{at}[{place}]"))
            })
            .collect(),
        (Value::Array(items), Value::Array(_)) => {
            let many = format!("{} items", items.len());
            vec![Difference::new(at, many, shown(found))]
        }
        _ => unless(same(wanted, found), || Difference::new(at, shown(wanted), shown(found))),
    }
}

/// Whether two values are equal. Numbers are compared by value: 1 and 1.0 are equal.
fn same(wanted: &Value, found: &Value) -> bool {
    let whole = |value: &Value| value.is_i64() || value.is_u64();
    if whole(wanted) && whole(found) {
        return wanted == found;
    }
    match (wanted.as_f64(), found.as_f64()) {
        (Some(wanted), Some(found)) => wanted.total_cmp(&found).is_eq(),
        _ => wanted == found,
    }
}

/// The most characters of a value that a difference shows.
const LONGEST: usize = 200;

/// A value as JSON, shortened.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
