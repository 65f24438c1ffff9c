//! Reports of failed assertions.

use serde_json::Value;

use super::matcher::shown;
use super::matcher::{Difference, RequestPattern};
use super::request::LoggedExchange;

/// How many of the latest requests are shown.
const MOST: usize = 20;
/// How many differences of the nearest miss are shown.
const MOST_DIFFERENCES: usize = 10;
/// How many characters of a body are shown.
const LONGEST_BODY: usize = 300;

/// Reports the conditions, the requests, and the differences of the nearest request.
pub(super) fn failure(
    head: &str,
    wanted: &RequestPattern,
    came: &[LoggedExchange],
    dropped: u64,
) -> String {
    let mut lines = vec![format!("{head}:")];
    if wanted.criteria.is_empty() {
        lines.push("    any request".to_owned());
    }
    let criteria = wanted.criteria.iter();
    lines.extend(criteria.map(|it| format!("    {}: {}", it.name, it.wanted)));
    let came: Vec<&LoggedExchange> =
        came.iter().filter(|request| wanted.concerns(request)).collect();
    lines.extend(received(&came, dropped));
    if let Some((request, differing)) = nearest(wanted, &came) {
        lines.push(format!("nearest miss: {request}"));
        let some = differing.iter().take(MOST_DIFFERENCES);
        lines.extend(some.map(|difference| format!("    {difference}")));
        if differing.len() > MOST_DIFFERENCES {
            lines.push(format!("    … and {} more", differing.len() - MOST_DIFFERENCES));
        }
    }
    lines.join("\n")
}

/// Lists the requests with the rules that answered.
pub(super) fn journal(came: &[LoggedExchange], dropped: u64) -> String {
    let came: Vec<&LoggedExchange> = came.iter().collect();
    received(&came, dropped).join("\n")
}

/// The request with the smallest distance that does not match; of several, the latest.
fn nearest<'r>(
    wanted: &RequestPattern,
    came: &[&'r LoggedExchange],
) -> Option<(&'r LoggedExchange, Vec<Difference>)> {
    came.iter()
        .map(|request| (*request, wanted.missed_by(request)))
        .filter(|(_, differing)| !differing.is_empty())
        .min_by_key(|(request, differing)| {
            (distance(differing), differing.len(), std::cmp::Reverse(request.number()))
        })
}

/// The distance of a request: a wrong path counts most.
fn distance(differing: &[Difference]) -> usize {
    let mut criteria: Vec<&str> = differing.iter().map(Difference::criterion).collect();
    criteria.dedup();
    let weight = |criterion: &str| match criterion {
        "path" | "route" => 3,
        "method" => 2,
        _ => 1,
    };
    // No body or one of another type counts more than other fields in it.
    let formless = differing.iter().filter(|difference| difference.at == "body").count();
    criteria.into_iter().map(weight).sum::<usize>() + formless
}

fn received(came: &[&LoggedExchange], dropped: u64) -> Vec<String> {
    let mut lines = vec![match came.len() {
        0 => "received no requests".to_owned(),
        1 => "received 1 request:".to_owned(),
        many => format!("received {many} requests:"),
    }];
    if dropped > 0 {
        lines.push(format!("    … {dropped} before these are no longer in the journal"));
    }
    let before = came.len().saturating_sub(MOST);
    if before > 0 {
        lines.push(format!("    … {before} more before these"));
    }
    for request in came.iter().skip(before) {
        lines.push(format!("    {request}"));
        lines.extend(body(request).map(|body| format!("        {body}")));
        lines.extend(near_misses(request).map(|miss| format!("        {miss}")));
    }
    lines
}

fn body(request: &LoggedExchange) -> Option<String> {
    let text = match request.body() {
        Value::Null => return None,
        Value::String(text) if text.is_empty() => return None,
        Value::String(text) => text.replace('\n', " "),
        json => json.to_string(),
    };
    Some(match text.char_indices().nth(LONGEST_BODY) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    })
}

/// The near misses: why another rule answered than expected.
fn near_misses(request: &LoggedExchange) -> impl Iterator<Item = String> {
    let misses = request.model().and_then(|model| model.get("near_misses"));
    let misses = misses.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    misses.iter().map(|miss| {
        let field = |name: &str| miss.get(name).unwrap_or_default();
        let text = |name: &str| field(name).as_str().unwrap_or_default();
        let (wanted, found) = (shown(field("wanted")), shown(field("found")));
        format!("not by {}: {} wants {wanted}, found {found}", text("rule"), text("condition"))
    })
}
