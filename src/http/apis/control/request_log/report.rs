//! What a test is shown when the expected requests did not come: the conditions, the requests that were
//! received, and where the nearest of them differs.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::Value;

use super::differences::{Difference, Differences, shortened, shown};

/// How many differences of the nearest entry are described.
pub(crate) const MOST_DIFFERENCES: usize = 10;
/// How many of the latest entries are shown.
const MOST_ENTRIES: usize = 20;
/// How many characters of a body are shown.
const LONGEST_BODY: usize = 300;

/// Collects a report while entries are compared, oldest first. It holds no entries.
#[derive(Debug, Default)]
pub(crate) struct Report {
    received: usize,
    /// The lines of the latest entries.
    latest: VecDeque<Vec<String>>,
    nearest: Option<NearestEntry>,
}

/// The entry with the smallest distance that does not match; of several, the latest.
#[derive(Debug, Serialize)]
pub(super) struct NearestEntry {
    number: u64,
    differences: Vec<Difference>,
    /// How many differences it has besides.
    more: usize,
    #[serde(skip)]
    distance: (usize, usize),
    #[serde(skip)]
    headline: String,
}

impl Report {
    /// Adds an entry by its document.
    pub(crate) fn add(&mut self, document: &Value, differences: &Differences) {
        self.received += 1;
        if self.latest.len() == MOST_ENTRIES {
            self.latest.pop_front();
        }
        self.latest.push_back(entry_lines(document));
        let distance = differences.distance();
        let is_nearest = self.nearest.as_ref().is_none_or(|nearest| distance <= nearest.distance);
        if !differences.is_empty() && is_nearest {
            self.nearest = Some(NearestEntry {
                number: number(document),
                differences: differences.described().to_vec(),
                more: differences.more(),
                distance,
                headline: headline(document),
            });
        }
    }

    /// The nearest entry.
    pub(super) fn into_nearest(self) -> Option<NearestEntry> {
        self.nearest
    }

    /// The conditions, the entries received, and the differences of the nearest one. `dropped` entries
    /// are no longer in the log.
    pub(crate) fn text(&self, conditions: &[(String, String)], dropped: u64) -> String {
        let mut lines = vec!["conditions:".to_owned()];
        if conditions.is_empty() {
            lines.push("    none: any request".to_owned());
        }
        lines.extend(conditions.iter().map(|(name, wanted)| format!("    {name}: {wanted}")));
        lines.push(self.received(dropped));
        if let Some(NearestEntry { differences, more, headline, .. }) = &self.nearest {
            lines.push(format!("nearest miss: {headline}"));
            lines.extend(differences.iter().map(|difference| format!("    {difference}")));
            if *more > 0 {
                lines.push(format!("    … and {more} more"));
            }
        }
        lines.join("\n")
    }

    /// The entries received.
    pub(crate) fn received(&self, dropped: u64) -> String {
        let mut lines = vec![match self.received {
            0 => "received no requests".to_owned(),
            1 => "received 1 request:".to_owned(),
            many => format!("received {many} requests:"),
        }];
        if dropped > 0 {
            lines.push(format!("    … {dropped} before these are no longer in the request log"));
        }
        let before = self.received - self.latest.len();
        if before > 0 {
            lines.push(format!("    … {before} more before these"));
        }
        lines.extend(self.latest.iter().flatten().map(|line| format!("    {line}")));
        lines.join("\n")
    }
}

/// An entry on one line: `2 POST /v1/runner/X?page=1 → 503 (fault: status)`.
pub(crate) fn headline(document: &Value) -> String {
    let query = document.get("query").and_then(Value::as_str);
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    let status = document.get("answer").and_then(|answer| answer.get("status"));
    let status = status.map_or_else(|| "no answer".to_owned(), Value::to_string);
    let fault = document.get("fault").and_then(|fault| fault.get("effect")?.as_str());
    let admitted = document.get("limit").and_then(|limit| limit.get("admitted"));
    let notes = [
        fault.map(|effect| format!("fault: {effect}")),
        (admitted == Some(&Value::Bool(false))).then(|| "over the limit".to_owned()),
        Some(text(document, "end").replace('_', " ")).filter(|end| end != "complete"),
    ];
    let notes: Vec<String> = notes.into_iter().flatten().collect();
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    let (method, path) = (text(document, "method"), text(document, "path"));
    format!("{} {method} {path}{query} → {status}{notes}", number(document))
}

/// The number of an entry.
#[expect(clippy::expect_used, reason = "`shapes` gives every entry a number")]
pub(crate) fn number(document: &Value) -> u64 {
    document.get("number").and_then(Value::as_u64).expect("an entry has a number")
}

/// A text that every entry has: `method`, `path`, `end`; or every near miss: `rule`, `condition`.
#[expect(clippy::expect_used, reason = "`shapes` writes these fields always")]
pub(crate) fn text<'d>(document: &'d Value, name: &str) -> &'d str {
    document.get(name).and_then(Value::as_str).expect("an entry and a near miss have these texts")
}

/// The lines of an entry: its headline, its body, the body of a refusal, and the rules that nearly
/// answered.
fn entry_lines(document: &Value) -> Vec<String> {
    let answer = document.get("answer");
    let status = answer.and_then(|answer| answer.get("status")?.as_u64());
    let refusal = answer.filter(|_| status.is_some_and(|status| status >= 400));
    let misses = document.get("model").and_then(|model| model.get("near_misses")?.as_array());
    let mut lines = vec![headline(document)];
    lines.extend(body(document.get("body")).map(|body| format!("    {body}")));
    let refusal = refusal.and_then(|answer| body(answer.get("body")));
    lines.extend(refusal.map(|body| format!("    ← {body}")));
    lines.extend(misses.into_iter().flatten().map(|miss| format!("    {}", near_miss(miss))));
    lines
}

/// A body on one line, shortened; `None` if it is empty.
fn body(body: Option<&Value>) -> Option<String> {
    let text = match body? {
        Value::Null => return None,
        Value::String(text) if text.is_empty() => return None,
        Value::String(text) => text.replace('\n', " "),
        json => json.to_string(),
    };
    Some(shortened(text, LONGEST_BODY))
}

/// Why another rule answered than may have been expected.
fn near_miss(miss: &Value) -> String {
    let value = |name: &str| match miss.get(name) {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(value) => shown(value),
    };
    let (rule, condition) = (text(miss, "rule"), text(miss, "condition"));
    format!("not by {rule}: {condition} wants {}, found {}", value("wanted"), value("found"))
}

#[cfg(test)]
mod tests;
