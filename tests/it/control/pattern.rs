//! Patterns of requests: the parameter `match`, and reports of what came instead.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{DEPLOYMENT, ECHO, KEY, TestApp, TestResponse, text_body};

const REQUESTS: &str = "/_mynah/accounts/demo/requests";

/// `GET` of the demo account's requests, or of `/wait` below them, with a pattern and other parameters.
async fn ask(app: &TestApp, below: &str, pattern: &Value, others: &[(&str, &str)]) -> TestResponse {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("match", &pattern.to_string()).extend_pairs(others);
    app.request(Method::GET, &format!("{REQUESTS}{below}?{}", query.finish())).send().await
}

/// The numbers of the entries that match, with other parameters.
async fn matching_with(app: &TestApp, pattern: &Value, others: &[(&str, &str)]) -> Vec<u64> {
    let found = ask(app, "", pattern, others).await.good();
    let requests = found["requests"].as_array().unwrap();
    requests.iter().map(|entry| entry["number"].as_u64().unwrap()).collect()
}

async fn matching(app: &TestApp, pattern: &Value) -> Vec<u64> {
    matching_with(app, pattern, &[]).await
}

async fn refusal(app: &TestApp, pattern: &Value) -> String {
    let refused = ask(app, "", pattern, &[]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{pattern}");
    let waiting = ask(app, "/wait", pattern, &[]).await;
    assert_eq!((waiting.status, &waiting.body), (refused.status, &refused.body));
    refused.json()["error"].as_str().unwrap().to_owned()
}

/// A server with four entries: a list, a run with variables, a refusal, an array to the Characters API.
async fn app_with_entries() -> TestApp {
    let app = TestApp::start().await;
    let list = app.runner().list_conversations("?page=1&tag=a+b");
    list.header("x-trace", "t 1").await.good();
    let mut body = text_body("Order 17, please");
    body["variables"] = json!({"TONE": "warm"});
    app.runner().run(ECHO, &body).await.good();
    let fault = json!({"effect": {"status": 503}, "times": 1});
    let faults = app.demo().add_fault(&fault);
    assert_eq!(faults.await.status, 201);
    app.runner().run(DEPLOYMENT, "Order 18").undocumented().send_expecting_5xx().await;
    let array = app.request(Method::POST, "/api/v1/completions").body(r#"[1, {"a": "text"}]"#);
    let array = array.bearer(KEY).deliberately_invalid();
    assert_eq!(array.await.status, 400);
    app
}

#[tokio::test]
async fn requests_are_matched_by_every_field_of_a_pattern() {
    let app = app_with_entries().await;
    for (pattern, numbers) in [
        (json!({}), vec![1, 2, 3, 4]),
        (json!({"api": "characters"}), vec![4]),
        (json!({"method": "get"}), vec![1]),
        (json!({"path": "/v1/runner/ECHO%5FDEPLOYMENT_ID"}), vec![2]),
        (json!({"path": "/v1/runner/*"}), vec![1, 2, 3]),
        (json!({"route": "/v1/runner/{deployment_id}"}), vec![2, 3]),
        (json!({"query": {"tag": "a b"}}), vec![1]),
        (json!({"query": "page=1&tag=a+b"}), vec![1]),
        (json!({"headers": {"X-Trace": "t 1"}}), vec![1]),
        (json!({"status": 503}), vec![3]),
        (json!({"status": "2xx"}), vec![1, 2]),
        (json!({"body": "Order"}), vec![2, 3]),
        (json!({"body": {"variables": {"TONE": "warm"}}}), vec![2]),
        (json!({"body": [1, {}]}), vec![4]),
        (json!({"answer": {"content": "Order 17, please"}}), vec![2]),
        (json!({"model": {"backend": "echo", "turn": 1}}), vec![2]),
        (json!({"end": "complete"}), vec![1, 2, 3, 4]),
        (json!({"fault": "status"}), vec![3]),
        (json!({"method": "POST", "status": "4xx"}), vec![4]),
        (json!({"method": "POST", "status": 200, "body": "18"}), vec![]),
    ] {
        assert_eq!(matching(&app, &pattern).await, numbers, "{pattern}");
    }
}

#[tokio::test]
async fn values_are_matched_in_part_in_full_by_regular_expressions_and_by_contained_texts() {
    let app = app_with_entries().await;
    let text = |pattern: Value| json!({"body": {"content": [{"text": pattern}]}});
    for (pattern, numbers) in [
        (text(json!({"regex": r"^Order \d+$"})), vec![3]),
        (text(json!({"contains": "please"})), vec![2]),
        (text(json!({"equals": "Order 18"})), vec![3]),
        (json!({"body": {"regex": "^Order|warm"}}), vec![2, 3]),
        (json!({"body": {"contains": "warm"}}), vec![2]),
        (json!({"body": {"equals": text_body("Order 18")}}), vec![3]),
        (json!({"body": {"equals": {"content": []}}}), vec![]),
        (json!({"body": {"equals": [1, {"a": "text"}]}}), vec![4]),
        (json!({"method": {"equals": "post"}}), vec![]),
        (json!({"path": {"regex": "ECHO|completions$"}}), vec![2, 4]),
        (json!({"status": {"regex": "^[45]"}}), vec![3, 4]),
        (json!({"headers": {"x-trace": {"contains": "1"}}}), vec![1]),
        (json!({"query": {"page": {"regex": "^[0-9]$"}}}), vec![1]),
    ] {
        assert_eq!(matching(&app, &pattern).await, numbers, "{pattern}");
    }
}

#[tokio::test]
async fn a_pattern_and_filters_must_all_match() {
    let app = app_with_entries().await;
    let pattern = json!({"body": "Order"});
    assert_eq!(matching_with(&app, &pattern, &[("status", "5xx")]).await, [3]);
    assert_eq!(matching_with(&app, &pattern, &[("since", "2"), ("method", "post")]).await, [3]);
    assert_eq!(matching_with(&app, &pattern, &[("method", "GET")]).await, Vec::<u64>::new());
    let found = ask(&app, "", &pattern, &[("limit", "1")]).await.good();
    assert_eq!((&found["count"], &found["kept"]), (&json!(2), &json!(4)));
    assert_eq!(found["requests"][0]["number"], 3);
    assert_eq!(found.get("report"), None);
    assert_eq!(found.get("nearest"), None);
}

#[tokio::test]
async fn a_pattern_that_is_not_understood_is_refused_by_the_name_of_its_field() {
    let app = TestApp::start().await;
    let nested = (0..32).fold(json!(1), |value, _| json!([value]));
    for (pattern, message) in [
        (
            json!({"bdy": "x"}),
            "match.bdy is none of api, method, path, route, query, headers, status, body, answer, \
             model, end, fault",
        ),
        (json!([]), "match must be an object"),
        (json!({"api": "images"}), "match.api must be runner or characters"),
        (json!({"headers": []}), "match.headers must be an object of headers"),
        (json!({"status": {"equals": "2xx"}}), "match.status.equals must be a whole number"),
        (json!({"body": {"a": {"regex": 1}}}), "match.body.a.regex must be a string"),
        (json!({"body": "x".repeat(16 * 1024)}), "match is longer than 16 KiB"),
        (json!({"body": nested}), "match is nested more than 32 levels deep"),
        (json!({"body": vec![0; 999]}), "match has more than 1000 values"),
    ] {
        assert_eq!(refusal(&app, &pattern).await, message);
    }
    let regex = refusal(&app, &json!({"path": {"regex": "("}})).await;
    assert!(regex.starts_with("match.path.regex: regex parse error"), "{regex}");
    let large = refusal(&app, &json!({"path": {"regex": r"\pL{60}"}})).await;
    assert!(large.starts_with("match.path.regex: the pattern compiles to more than"), "{large}");
    for (query, message) in [
        ("?match={", "match is not valid JSON: EOF while parsing an object at line 1 column 1"),
        ("?match={}&match={}", "match is given more than once"),
        ("?report=yes", "report must be true or false"),
        ("/stream?match={}", "match is none of method, route, path, status, body, since"),
        (
            "/wait?report=true",
            "report is none of method, route, path, status, body, since, count, timeout, match",
        ),
    ] {
        let refused = app.request(Method::GET, &format!("{REQUESTS}{query}")).await;
        assert_eq!(
            (refused.status, refused.json()),
            (StatusCode::BAD_REQUEST, json!({"error": message}))
        );
    }
}

#[tokio::test]
async fn a_pattern_of_the_largest_size_is_read() {
    let app = app_with_entries().await;
    let pattern = json!({"body": "é".repeat((16 * 1024 - 11) / 2)});
    assert!(pattern.to_string().len() > 16 * 1024 - 3);
    assert_eq!(matching(&app, &pattern).await, Vec::<u64>::new());
    assert_eq!(matching(&app, &json!({"body": vec![0; 998]})).await, Vec::<u64>::new());
}

#[tokio::test]
async fn secrets_cannot_be_found_out_by_matching() {
    let app = TestApp::start().await;
    let request = app.request(Method::POST, &format!("/v1/runner/{ECHO}?a={KEY}&b=free_api_key"));
    let request = request.key(KEY).header("cookie", "session=secret");
    request.header("referer", "https://x/?free%5Fapi_key").json(&text_body(KEY)).await.good();
    for pattern in [
        json!({"headers": {"x-api-key": KEY}}),
        json!({"headers": {"x-api-key": {"regex": "^YOUR"}}}),
        json!({"headers": {"cookie": {"contains": "secret"}}}),
        json!({"headers": {"referer": {"regex": "free.*key"}}}),
        json!({"query": {"a": KEY}}),
        json!({"query": {"b": {"contains": "free"}}}),
        json!({"body": KEY}),
        json!({"body": {"regex": "^YOUR_A"}}),
        json!({"answer": {"contains": KEY}}),
        json!({"model": {"message": {"contains": KEY}}}),
    ] {
        assert_eq!(matching(&app, &pattern).await, Vec::<u64>::new(), "{pattern}");
        let answer = ask(&app, "", &pattern, &[("report", "true")]).await.good();
        let found = answer["nearest"]["differences"][0]["found"].as_str().unwrap();
        assert!(found.contains("[redacted]"), "{pattern}: {found}");
    }
    for pattern in [
        json!({"headers": {"x-api-key": "[redacted]", "cookie": "[redacted]"}}),
        json!({"query": {"a": "[redacted]"}}),
        json!({"body": "[redacted]"}),
    ] {
        assert_eq!(matching(&app, &pattern).await, [1], "{pattern}");
    }
}

#[tokio::test]
async fn a_wait_counts_only_requests_that_match() {
    let app = TestApp::start().await;
    app.runner().run(ECHO, "Order 1").await.good();
    let pattern = json!({"body": {"content": [{"text": {"regex": "^Order"}}]}});
    let requests = async {
        app.settle().await;
        for text in ["Other", "Order 2", "Another", "Order 3"] {
            app.runner().run(ECHO, text).await.good();
        }
    };
    let others = [("count", "3"), ("timeout", "10m"), ("method", "POST")];
    let (answer, ()) = tokio::join!(ask(&app, "/wait", &pattern, &others), requests);
    let answer = answer.good();
    let numbers: Vec<&Value> =
        answer["requests"].as_array().unwrap().iter().map(|entry| &entry["number"]).collect();
    assert_eq!((&answer["count"], numbers), (&json!(3), vec![&json!(1), &json!(3), &json!(5)]));
}

#[tokio::test]
async fn a_wait_looks_at_present_entries_first_and_forgets_them_when_the_log_is_cleared() {
    let app = TestApp::start().await;
    app.runner().run(ECHO, "Order 1").await.good();
    let pattern = json!({"body": "Order"});
    assert_eq!(ask(&app, "/wait", &pattern, &[("timeout", "0s")]).await.status, 200);
    let clear = async {
        app.settle().await;
        assert_eq!(app.request(Method::DELETE, REQUESTS).await.status, 204);
        app.runner().run(ECHO, "Order 2").await.good();
        app.runner().run(ECHO, "Order 3").await.good();
    };
    let others = [("count", "2"), ("timeout", "10m")];
    let (answer, ()) = tokio::join!(ask(&app, "/wait", &pattern, &others), clear);
    let answer = answer.good();
    let numbers: Vec<&Value> =
        answer["requests"].as_array().unwrap().iter().map(|entry| &entry["number"]).collect();
    assert_eq!(numbers, [2, 3]);
}

#[tokio::test]
async fn a_wait_that_times_out_says_what_came_and_where_the_nearest_request_differs() {
    let app = TestApp::start().await;
    app.runner().list_conversations("?page=1").await.good();
    app.runner().run("UNKNOWN", "Order 17").await;
    let pattern = json!({"method": "POST", "body": {"content": [{"text": "Order 18"}]}});
    let answer = ask(&app, "/wait", &pattern, &[("timeout", "0s"), ("status", "404")]).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    let refusal = app.runner().run("UNKNOWN", "Order 17").await.body;
    assert_eq!(
        answer.json(),
        json!({
            "error": "0 of 1 requests came within 0ns",
            "count": 0,
            "requests": [],
            "others": [
                {"number": 1, "method": "GET", "path": "/v1/runner/conversations", "status": 200,
                 "missed": "status"},
                {"number": 2, "method": "POST", "path": "/v1/runner/UNKNOWN", "status": 404,
                 "missed": "match"},
            ],
            "nearest": {
                "number": 2,
                "differences": [{
                    "at": "body.content[0].text",
                    "wanted": "\"Order 18\"",
                    "found": "\"Order 17\"",
                }],
                "more": 0,
            },
            "report": format!(
                r#"conditions:
    status: 404
    method: POST
    body: {{"content":[{{"text":"Order 18"}}]}}
received 2 requests:
    1 GET /v1/runner/conversations?page=1 → 200
    2 POST /v1/runner/UNKNOWN → 404
        {{"content":[{{"type":"text","text":"Order 17"}}]}}
        ← {refusal}
nearest miss: 2 POST /v1/runner/UNKNOWN → 404
    body.content[0].text: wanted "Order 18", found "Order 17""#
            ),
        })
    );
}

#[tokio::test]
async fn a_wait_without_a_pattern_reports_the_filters_that_differ() {
    let app = TestApp::start().await;
    app.runner().run(ECHO, "one").await.good();
    app.runner().run(ECHO, "two").await.good();
    let query = "since=1&method=get&route=/v1/runner/{id}&path=/v1/*&status=4xx&body=three";
    let path = format!("{REQUESTS}/wait?timeout=0s&{query}");
    let answer = app.request(Method::GET, &path).await.json();
    let differences = answer["nearest"]["differences"].as_array().unwrap();
    let lines: Vec<String> = differences
        .iter()
        .map(|it| ["at", "wanted", "found"].map(|name| it[name].as_str().unwrap()).join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            r#"method "get" "POST""#,
            "status 4xx 200",
            r#"body a text that contains "three" {"content":[{"type":"text","text":"two"}]}"#,
        ]
    );
    assert_eq!(
        answer["report"].as_str().unwrap().split("nearest").next().unwrap(),
        r#"conditions:
    since: 1
    method: get
    route: /v1/runner/{deployment_id}
    path: /v1/*
    status: 4xx
    body: "three"
received 1 request:
    2 POST /v1/runner/ECHO_DEPLOYMENT_ID → 200
        {"content":[{"type":"text","text":"two"}]}
"#
    );
}

#[tokio::test]
async fn a_listing_has_a_report_if_it_is_asked_for() {
    let app = TestApp::with(|config| config.journal_max = 2).await;
    for text in ["one", "two", "three"] {
        app.runner().run(ECHO, text).await.good();
    }
    let pattern = json!({"body": {"content": [{"text": "three"}]}});
    let found = ask(&app, "", &pattern, &[("report", "true")]).await.good();
    assert_eq!((&found["count"], &found["dropped"]), (&json!(1), &json!(1)));
    assert_eq!(
        found["report"],
        r#"conditions:
    body: {"content":[{"text":"three"}]}
received 2 requests:
    … 1 before these are no longer in the request log
    2 POST /v1/runner/ECHO_DEPLOYMENT_ID → 200
        {"content":[{"type":"text","text":"two"}]}
    3 POST /v1/runner/ECHO_DEPLOYMENT_ID → 200
        {"content":[{"type":"text","text":"three"}]}
nearest miss: 2 POST /v1/runner/ECHO_DEPLOYMENT_ID → 200
    body.content[0].text: wanted "three", found "two""#
    );
    assert_eq!(found["nearest"]["number"], 2);
    let without = ask(&app, "", &json!({}), &[("report", "true")]).await.good();
    assert_eq!(without["nearest"], Value::Null);
    assert!(
        without["report"].as_str().unwrap().starts_with("conditions:\n    none: any request\n")
    );
    let plain = ask(&app, "", &json!({}), &[("report", "false")]).await.good();
    assert_eq!(plain.get("report"), None);
}

#[tokio::test]
async fn of_the_nearest_request_ten_differences_are_described_each_cut_to_200_characters() {
    let app = TestApp::start().await;
    let mut body = text_body("Hi");
    body["meta"] = json!({"long": "x".repeat(300)});
    app.runner().run(ECHO, &body).await.good();
    let mut wanted = json!({"meta": {"long": "y".repeat(300)}});
    for index in 0..11 {
        wanted[format!("field_{index}")] = json!(index);
    }
    let found = ask(&app, "", &json!({"body": wanted}), &[("report", "true")]).await.good();
    let nearest = &found["nearest"];
    assert_eq!(nearest["differences"].as_array().unwrap().len(), 10);
    assert_eq!(nearest["more"], 2);
    assert_eq!(
        nearest["differences"][0],
        json!({
            "at": "body.meta.long",
            "wanted": format!("\"{}…", "y".repeat(199)),
            "found": format!("\"{}…", "x".repeat(199)),
        })
    );
}

#[tokio::test]
async fn a_wait_with_a_pattern_ends_with_the_account() {
    let app = TestApp::start().await;
    let made = app.control().create_account(&json!({})).await.json();
    let path = format!("/_mynah/accounts/{}", made["id"].as_str().unwrap());
    let waiting = format!("{path}/requests/wait?timeout=10m&match=%7B%22status%22:200%7D");
    let remove = async {
        app.settle().await;
        assert_eq!(app.request(Method::DELETE, &path).await.status, 204);
    };
    let (waited, ()) = tokio::join!(app.request(Method::GET, &waiting).send(), remove);
    assert!([404, 408].contains(&waited.status.as_u16()), "{}", waited.body);
}
