//! Patterns of single documents.

use serde_json::json;

use super::*;

/// The document of an entry, as far as patterns look at it.
fn document() -> Value {
    json!({
        "number": 2,
        "method": "POST",
        "path": "/v1/runner/YOUR%5FDEPLOYMENT_ID",
        "query": "page=1&tag=a%20b&tag=c",
        "route": "/v1/runner/{deployment_id}",
        "headers": {"content-type": "application/json", "x-trace": "t 1"},
        "body": {"content": [{"type": "text", "text": "Order 17, please"}], "history_limit": 1},
        "answer": {"status": 200, "body": {"content": "Yes.", "usage": {"tokens": 3}}},
        "end": "complete",
        "model": {"rule": "queue", "turn": 1, "agent": null},
        "fault": {"effect": "delay_ms", "delay_ms": 20},
    })
}

#[track_caller]
fn pattern(pattern: &Value) -> EntryPattern {
    EntryPattern::from_json(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

/// The differences of `document` from a pattern, one a line.
#[track_caller]
fn differences(wanted: &Value, document: &Value) -> String {
    let mut differences = Differences::at_most(10);
    pattern(wanted).compare(document, &mut differences);
    let lines: Vec<_> = differences.described().iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn refused(pattern: &str) -> (String, String) {
    let error = EntryPattern::parse(pattern).unwrap_err();
    assert_eq!(error.place, FieldLocation::Query);
    (error.field, error.message)
}

#[test]
fn every_criterion_matches() {
    for wanted in [
        json!({}),
        json!({"api": "runner"}),
        json!({"api": {"regex": "^run"}}),
        json!({"method": "post"}),
        json!({"path": "/v1/runner/YOUR_DEPLOYMENT_ID"}),
        json!({"path": "/v1/runner/YOUR_*"}),
        json!({"path": {"equals": "/v1/runner/YOUR%5FDEPLOYMENT_ID"}}),
        json!({"path": {"contains": "DEPLOYMENT"}}),
        json!({"route": "/v1/runner/{deployment_id}"}),
        json!({"query": {"page": "1", "tag": "a b"}}),
        json!({"query": {"tag": {"regex": "^a"}}}),
        json!({"query": "page=1&tag=a%20b&tag=c"}),
        json!({"headers": {"X-Trace": "t 1", "content-type": {"contains": "json"}}}),
        json!({"status": 200}),
        json!({"status": "200"}),
        json!({"status": "2xx"}),
        json!({"status": {"equals": 200}}),
        json!({"status": {"regex": "^20"}}),
        json!({"body": "Order 17"}),
        json!({"body": {"history_limit": 1.0}}),
        json!({"body": {"content": [{"text": "Order 17, please"}]}}),
        json!({"body": {"content": [{"text": {"regex": r"Order \d+"}}]}}),
        json!({"body": {"content": {"contains": "please"}}}),
        json!({"body": {"regex": "^Order .* please$"}}),
        json!({"body": {"content": [{"equals": {"text": "Order 17, please", "type": "text"}}]}}),
        json!({"body": {"history_limit": {"regex": "^[0-9]$"}}}),
        json!({"answer": {"usage": {"tokens": 3}}}),
        json!({"answer": {"contains": "es."}}),
        json!({"model": {"turn": 1, "agent": null}}),
        json!({"end": "complete"}),
        json!({"fault": "delay_ms"}),
        json!({"fault": {"regex": "^delay|^drop"}}),
    ] {
        assert_eq!(differences(&wanted, &document()), "", "{wanted}");
        assert!(pattern(&wanted).matches(&document()), "{wanted}");
    }
}

#[test]
fn every_criterion_says_where_it_differs() {
    for (wanted, difference) in [
        (json!({"api": "characters"}), r#"api: wanted "characters", found "runner""#),
        (json!({"method": "get"}), r#"method: wanted "get", found "POST""#),
        (json!({"method": {"equals": "post"}}), r#"method: wanted "post", found "POST""#),
        (
            json!({"path": "/v1/runner/YOUR_DEPLOYMENT"}),
            r#"path: wanted "/v1/runner/YOUR_DEPLOYMENT", found "/v1/runner/YOUR%5FDEPLOYMENT_ID""#,
        ),
        (
            json!({"path": {"equals": "/v1/runner/*"}}),
            r#"path: wanted "/v1/runner/*", found "/v1/runner/YOUR%5FDEPLOYMENT_ID""#,
        ),
        (json!({"route": "/v1"}), r#"route: wanted "/v1", found "/v1/runner/{deployment_id}""#),
        (json!({"query": {"tag": "c"}}), r#"query.tag: wanted "c", found "a b""#),
        (json!({"query": {"size": "1"}}), r#"query.size: wanted "1", found nothing"#),
        (json!({"query": "page=1"}), r#"query: wanted "page=1", found "page=1&tag=a%20b&tag=c""#),
        (json!({"headers": {"X-Trace": "t"}}), r#"headers.x-trace: wanted "t", found "t 1""#),
        (json!({"headers": {"Accept": "*"}}), r#"headers.accept: wanted "*", found nothing"#),
        (json!({"status": 404}), "status: wanted 404, found 200"),
        (json!({"status": "4xx"}), "status: wanted 4xx, found 200"),
        (
            json!({"body": {"content": [{"text": "Order"}]}}),
            r#"body.content[0].text: wanted "Order", found "Order 17, please""#,
        ),
        (json!({"body": {"history_limit": "1"}}), r#"body.history_limit: wanted "1", found 1"#),
        (json!({"body": {"meta": {}}}), "body.meta: wanted {}, found nothing"),
        (
            json!({"answer": {"content": {"regex": "^No"}}}),
            r#"answer.content: wanted a text that matches "^No", found "Yes.""#,
        ),
        (
            json!({"answer": "Yes."}),
            r#"answer: wanted "Yes.", found {"content":"Yes.","usage":{"tokens":3}}"#,
        ),
        (json!({"model": {"turn": 2}}), "model.turn: wanted 2, found 1"),
        (json!({"end": "broken"}), r#"end: wanted "broken", found "complete""#),
        (json!({"fault": "status"}), r#"fault: wanted "status", found "delay_ms""#),
        (
            json!({"model": {"equals": {"turn": 1, "rule": null}}}),
            "model.rule: wanted null, found \"queue\"\nmodel.agent: wanted nothing, found null",
        ),
        (
            json!({"body": {"content": [{}, {}]}}),
            "body.content: wanted 2 items, found 1 item: \
             [{\"type\":\"text\",\"text\":\"Order 17, please\"}]",
        ),
        (
            json!({"body": "order 17"}),
            "body: wanted a text that contains \"order 17\", found {\"content\":[{\"type\":\"text\",\
             \"text\":\"Order 17, please\"}],\"history_limit\":1}",
        ),
    ] {
        assert_eq!(differences(&wanted, &document()), difference);
        assert!(!pattern(&wanted).matches(&document()), "{wanted}");
    }
}

#[test]
fn what_an_entry_does_not_have_is_nothing() {
    let empty = json!({
        "number": 1, "method": "GET", "path": "/favicon.ico", "query": null, "route": null,
        "headers": {}, "body": null, "answer": null, "end": "hung_up", "model": null, "fault": null,
    });
    let unread =
        r#"body: wanted a text that contains "x", found none: none was sent, or none was read"#;
    for (wanted, difference) in [
        (json!({"api": "runner"}), r#"api: wanted "runner", found nothing"#),
        (json!({"route": "/v1"}), r#"route: wanted "/v1", found nothing"#),
        (json!({"query": {"a": "1"}}), r#"query.a: wanted "1", found nothing"#),
        (json!({"query": "a=1"}), r#"query: wanted "a=1", found nothing"#),
        (json!({"status": "2xx"}), "status: wanted 2xx, found no answer"),
        (
            json!({"status": {"contains": "2"}}),
            "status: wanted a text that contains \"2\", found no answer",
        ),
        (json!({"body": "x"}), unread),
        (
            json!({"answer": {"a": [1, {"regex": "x"}]}}),
            r#"answer: wanted {"a":[1,{"regex":"x"}]}, found nothing"#,
        ),
        (json!({"model": {"turn": 1}}), r#"model: wanted {"turn":1}, found nothing"#),
        (json!({"fault": "status"}), r#"fault: wanted "status", found nothing"#),
        (json!({"body": null, "model": null}), ""),
        (json!({"body": {"equals": null}}), ""),
    ] {
        assert_eq!(differences(&wanted, &empty), difference);
    }
}

#[test]
fn bodies_that_the_log_has_as_text_are_compared_as_json() {
    let with_body = |body: &str| json!({"body": body, "answer": {"body": body}});
    let array = with_body(r#"[1, {"a": "text", "b": 2}]"#);
    for criterion in ["body", "answer"] {
        for (wanted, differs) in [
            (json!([1, {"a": "text"}]), ""),
            (json!({"equals": [1, {"a": "text", "b": 2}]}), ""),
            (json!({"equals": [1, {"a": "text"}]}), "[1].b: wanted nothing, found 2"),
            (json!([1]), ": wanted 1 item, found 2 items: [1,{\"a\":\"text\",\"b\":2}]"),
            (json!({"a": 1}), ": wanted {\"a\":1}, found [1,{\"a\":\"text\",\"b\":2}]"),
        ] {
            let differs =
                if differs.is_empty() { String::new() } else { format!("{criterion}{differs}") };
            assert_eq!(differences(&json!({criterion: wanted}), &array), differs);
        }
    }
    let text = with_body("plain text");
    assert_eq!(differences(&json!({"body": {"regex": "^plain"}}), &text), "");
    assert_eq!(differences(&json!({"body": {"equals": "plain text"}}), &text), "");
    assert_eq!(differences(&json!({"answer": "plain text"}), &text), "");
    assert_eq!(differences(&json!({"body": [1]}), &text), "body: wanted [1], found \"plain text\"");
    let mut cut = with_body("{\"a\": 1, ");
    cut["body_cut"] = json!(true);
    assert_eq!(
        differences(&json!({"body": {"a": 1}}), &cut),
        "body: wanted {\"a\":1}, found only its beginning, as text: it is too long for the log"
    );
    assert_eq!(differences(&json!({"body": "\"a\": 1"}), &cut), "");
}

#[test]
fn an_object_with_one_field_of_that_name_is_an_operator_and_equals_gets_around_it() {
    let document =
        json!({"body": {"filter": {"contains": "x"}, "both": {"equals": 1, "regex": "x"}}});
    assert_ne!(differences(&json!({"body": {"filter": {"contains": "y"}}}), &document), "");
    assert_eq!(differences(&json!({"body": {"filter": {"contains": "x"}}}), &document), "");
    assert_eq!(
        differences(&json!({"body": {"filter": {"equals": {"contains": "x"}}}}), &document),
        ""
    );
    assert_eq!(
        differences(&json!({"body": {"both": {"equals": 1, "regex": "x"}}}), &document),
        "",
        "two fields are fields"
    );
}

#[test]
fn what_no_entry_can_have_is_refused_by_the_name_of_its_field() {
    for (pattern, field, message) in [
        ("{", "match", "match is not valid JSON: EOF while parsing an object at line 1 column 1"),
        ("[]", "match", "match must be an object"),
        (
            r#"{"bdy": 1}"#,
            "match.bdy",
            "match.bdy is none of api, method, path, route, query, headers, status, body, answer, \
             model, end, fault",
        ),
        (r#"{"api": "runer"}"#, "match.api", "match.api must be runner or characters"),
        (r#"{"end": "done"}"#, "match.end", "match.end must be complete, broken or hung_up"),
        (r#"{"path": "v1"}"#, "match.path", "match.path must be a path, which begins with /"),
        (
            r#"{"method": {"equal": "GET"}}"#,
            "match.method",
            "match.method must be a string or an object with one of equals, regex, contains",
        ),
        (
            r#"{"fault": null}"#,
            "match.fault",
            "match.fault must be a string or an object with one of equals, regex, contains",
        ),
        (
            r#"{"route": {"equals": 1}}"#,
            "match.route.equals",
            "match.route.equals must be a string",
        ),
        (
            r#"{"status": true}"#,
            "match.status",
            "match.status must be a status, 2xx, 4xx and so on, or an operator",
        ),
        (
            r#"{"status": "6xx"}"#,
            "match.status",
            "match.status must be a status, or 2xx, 4xx and so on",
        ),
        (
            r#"{"status": 20}"#,
            "match.status",
            "match.status must be a status, or 2xx, 4xx and so on",
        ),
        (
            r#"{"status": {"equals": "2xx"}}"#,
            "match.status.equals",
            "match.status.equals must be a whole number",
        ),
        (
            r#"{"query": 1}"#,
            "match.query",
            "match.query must be a string or an object of parameters",
        ),
        (
            r#"{"query": {"page": 1}}"#,
            "match.query.page",
            "match.query.page must be a string or an object with one of equals, regex, contains",
        ),
        (r#"{"headers": "x"}"#, "match.headers", "match.headers must be an object of headers"),
        (
            r#"{"body": {"a": [{"regex": 1}]}}"#,
            "match.body.a[0].regex",
            "match.body.a[0].regex must be a string",
        ),
        (
            r#"{"model": {"contains": {}}}"#,
            "match.model.contains",
            "match.model.contains must be a string",
        ),
    ] {
        assert_eq!(refused(pattern), (field.to_owned(), message.to_owned()), "{pattern}");
    }
    let (field, message) = refused(r#"{"body": {"regex": "("}}"#);
    assert_eq!(field, "match.body.regex");
    assert!(
        message.starts_with("match.body.regex: regex parse error: ( ^ error: unclosed"),
        "{message}"
    );
}

#[test]
fn a_pattern_is_bounded_in_length_depth_values_and_regular_expressions() {
    let padded = |length: usize| format!("{{\"body\": \"{}\"}}", "x".repeat(length - 12));
    EntryPattern::parse(&padded(LONGEST)).unwrap();
    assert_eq!(refused(&padded(LONGEST + 1)).1, "match is longer than 16 KiB");
    let nested = |depth: usize| format!("{{\"body\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
    EntryPattern::parse(&nested(DEEPEST - 1)).unwrap();
    for depth in [DEEPEST, 126, 127, 1000] {
        assert_eq!(
            refused(&nested(depth)).1,
            "match is nested more than 32 levels deep",
            "{depth}"
        );
    }
    let items = |count: usize| format!("{{\"body\": [{}]}}", vec!["0"; count].join(","));
    EntryPattern::parse(&items(MOST_VALUES - 2)).unwrap();
    assert_eq!(refused(&items(MOST_VALUES - 1)).1, "match has more than 1000 values");
    let large = |count: usize| {
        let regexes = vec![r#"{"regex": "\\pL{20}"}"#; count].join(",");
        format!("{{\"body\": [{regexes}]}}")
    };
    EntryPattern::parse(&large(1)).unwrap();
    assert_eq!(
        refused(&large(40)).1.split_once(": ").unwrap().1,
        "the regular expressions compile to more than 1024 KiB together"
    );
    let (field, message) = refused(r#"{"path": {"regex": "\\pL{60}"}}"#);
    assert_eq!(field, "match.path.regex");
    assert!(message.contains("compiles to more than 1024 KiB"), "{message}");
}

#[test]
fn conditions_are_listed_as_they_were_given() {
    let pattern = pattern(&json!({
        "method": "post", "query": {"page": "1"}, "headers": {"X-Trace": {"regex": "^t"}},
        "status": "2xx", "body": "Order", "model": {"turn": 1}, "path": "/".repeat(300),
    }));
    let lines: Vec<_> =
        pattern.described().iter().map(|(name, wanted)| format!("{name}: {wanted}")).collect();
    assert_eq!(
        lines,
        [
            "method: post",
            "query.page: 1",
            r#"headers.X-Trace: {"regex":"^t"}"#,
            "status: 2xx",
            r#"body: "Order""#,
            r#"model: {"turn":1}"#,
            &format!("path: {}…", "/".repeat(200)),
        ]
    );
}
