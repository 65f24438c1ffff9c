//! Reports of documents.

use serde_json::json;

use super::super::pattern::EntryPattern;
use super::*;

/// The document of a request to `path`.
fn document(number: u64, path: &str, body: &Value) -> Value {
    json!({
        "number": number, "method": "POST", "path": path, "query": null, "body": body,
        "answer": {"status": 200, "body": {"content": "Yes."}}, "end": "complete", "model": null,
        "limit": null, "fault": null,
    })
}

fn report(pattern: &Value, documents: &[Value]) -> (Report, Vec<(String, String)>) {
    let (pattern, mut report) = (EntryPattern::from_json(pattern).unwrap(), Report::default());
    for document in documents {
        let mut differences = Differences::at_most(MOST_DIFFERENCES);
        pattern.compare(document, &mut differences);
        report.add(document, &differences);
    }
    (report, pattern.described().to_vec())
}

/// The number of the nearest document.
fn nearest(pattern: &Value, documents: &[Value]) -> Option<u64> {
    report(pattern, documents).0.into_nearest().map(|nearest| nearest.number)
}

#[test]
fn a_report_has_conditions_requests_and_the_nearest_miss() {
    let mut refused = document(2, "/v1/runner/A", &json!({"content": "two"}));
    refused["query"] = json!("page=1");
    refused["answer"] = json!({"status": 429, "body": {"error": "too many"}});
    refused["limit"] = json!({"admitted": false});
    let mut broken = document(3, "/v1/runner/A", &json!("line\nline"));
    broken["answer"] = json!(null);
    broken["end"] = json!("hung_up");
    broken["fault"] = json!({"effect": "stall_after"});
    broken["model"] = json!({"near_misses": [
        {"rule": "refund", "condition": "turn", "wanted": 2, "found": 1},
        {"rule": "greet", "condition": "contains", "wanted": "hello", "found": null},
    ]});
    let documents = [document(1, "/v1/runner/B", &Value::Null), refused, broken];
    let (report, conditions) =
        report(&json!({"path": "/v1/runner/A", "body": {"content": "one"}}), &documents);
    assert_eq!(
        report.text(&conditions, 4),
        r#"conditions:
    path: /v1/runner/A
    body: {"content":"one"}
received 3 requests:
    … 4 before these are no longer in the request log
    1 POST /v1/runner/B → 200
    2 POST /v1/runner/A?page=1 → 429 (over the limit)
        {"content":"two"}
        ← {"error":"too many"}
    3 POST /v1/runner/A → no answer (fault: stall_after, hung up)
        line line
        not by refund: turn wants 2, found 1
        not by greet: contains wants "hello", found nothing
nearest miss: 2 POST /v1/runner/A?page=1 → 429 (over the limit)
    body.content: wanted "one", found "two""#
    );
}

#[test]
fn without_conditions_or_requests_a_report_says_so() {
    let (report, conditions) = report(&json!({}), &[]);
    let text = report.text(&conditions, 0);
    assert_eq!(text, "conditions:\n    none: any request\nreceived no requests");
    assert_eq!(report.received(0), "received no requests");
}

#[test]
fn the_latest_requests_are_shown_and_long_bodies_are_cut() {
    let body = json!("é".repeat(LONGEST_BODY + 1));
    let documents: Vec<Value> = (1..=25).map(|number| document(number, "/x", &body)).collect();
    let (report, conditions) = report(&json!({}), &documents);
    let text = report.text(&conditions, 0);
    assert!(
        text.contains("received 25 requests:\n    … 5 more before these\n    6 POST"),
        "{text}"
    );
    assert!(text.ends_with(&format!("        {}…", "é".repeat(LONGEST_BODY))), "{text}");
    assert_eq!(text.lines().count(), 44);
}

#[test]
fn the_nearest_miss_has_the_right_path_and_the_fewest_differences() {
    let one = |text: &str| document(1, "/right", &json!({"content": [{"text": text}]}));
    let right = |text: &str| {
        let mut right = one(text);
        right["number"] = json!(7);
        right
    };
    let elsewhere = document(9, "/wrong", &json!({"content": [{"text": "wanted"}]}));
    let wanted = json!({"path": "/right", "body": {"content": [{"text": "wanted"}]}});
    assert_eq!(nearest(&wanted, &[one("x"), elsewhere.clone()]), Some(1), "a path counts more");
    assert_eq!(nearest(&wanted, &[one("x"), right("y")]), Some(7), "the latest of equals");
    assert_eq!(nearest(&wanted, &[one("x"), right("wanted")]), Some(1), "a match is no miss");
    assert_eq!(nearest(&wanted, &[right("wanted")]), None);
    let empty = document(8, "/right", &Value::Null);
    assert_eq!(nearest(&wanted, &[one("x"), empty]), Some(1), "no body is farther away");
    let other_method = json!({"method": "GET", "status": 201});
    let mut get = document(3, "/x", &Value::Null);
    get["method"] = json!("GET");
    assert_eq!(nearest(&other_method, &[get, document(4, "/x", &Value::Null)]), Some(3));
}

#[test]
fn of_many_differences_the_first_ten_are_described() {
    let wanted: serde_json::Map<_, _> =
        (0..12).map(|index| (format!("f{index}"), json!(index))).collect();
    let documents = [document(1, "/x", &json!({}))];
    let (report, conditions) = report(&json!({"body": wanted}), &documents);
    let text = report.text(&conditions, 0);
    assert!(text.ends_with("    body.f9: wanted 9, found nothing\n    … and 2 more"), "{text}");
    let nearest = report.into_nearest().unwrap();
    assert_eq!((nearest.number, nearest.differences.len(), nearest.more), (1, 10, 2));
}
