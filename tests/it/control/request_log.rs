//! The request log: its entries, filters, waiting and following.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::raw::{RawConnection, StreamEvent, chunk};
use crate::support::{
    DEPLOYMENT, ECHO, KEY, OTHER, PUBLIC, TestApp, continue_body, text_body, without_fields,
};

const HOUR: Duration = Duration::from_hours(1);

/// The demo account's request log, or the entries that `query` selects.
async fn request_log(app: &TestApp, query: &str) -> Value {
    app.demo().requests(query).await.good()
}

/// The numbers of the entries that `query` selects.
async fn numbers_of(app: &TestApp, query: &str) -> Vec<u64> {
    let found = request_log(app, query).await;
    let requests = found["requests"].as_array().unwrap();
    assert_eq!(found["count"], requests.len());
    requests.iter().map(|entry| entry["number"].as_u64().unwrap()).collect()
}

/// Waits for entries; returns the status and the body of the response.
async fn wait(app: &TestApp, query: &str) -> (StatusCode, Value) {
    let answer = app.demo().wait_for_requests(query).await;
    (answer.status, answer.json())
}

fn words(entry: &Value) -> Vec<&str> {
    let words = entry["answer"]["words"].as_array().unwrap();
    words.iter().map(|word| word["text"].as_str().unwrap()).collect()
}

// --- what is in it -------------------------------------------------------------------------------

#[tokio::test]
async fn an_entry_says_what_was_sent_answered_and_shown() {
    let app = TestApp::start().await;
    let path = format!("/v1/runner/{ECHO}?trace=1");
    let request = app.request(Method::POST, &path).key(KEY).header("x-request-id", "mine");
    let answer = request.header("accept", "*/*").json(&text_body("Hi")).await.good();
    let entry = app.demo().latest_request().await;
    let timing = entry["timing"].clone();
    assert_eq!(
        without_fields(entry, &["timing"]),
        json!({
            "number": 1,
            "time": "2026-05-01T12:00:00Z",
            "request_id": "mine",
            "method": "POST",
            "path": "/v1/runner/ECHO_DEPLOYMENT_ID",
            "query": "trace=1",
            "route": "/v1/runner/{deployment_id}",
            "headers": {
                "content-type": "application/json",
                "x-api-key": "[redacted]",
                "x-request-id": "mine",
                "accept": "*/*",
                "host": app.address.to_string(),
                "content-length": "41",
            },
            "body": text_body("Hi"),
            "body_bytes": 41,
            "answer": {
                "status": 200,
                "headers": {
                    "content-type": "application/json",
                    "vary": "access-control-request-headers",
                    "access-control-allow-origin": "*",
                    "access-control-expose-headers":
                        "x-request-id,retry-after,x-ratelimit-limit,x-ratelimit-remaining,\
                         x-ratelimit-reset",
                    "x-request-id": "mine",
                    "date": "Fri, 01 May 2026 12:00:00 GMT",
                },
                "body": answer,
                "body_bytes": answer.to_string().len(),
            },
            "end": "complete",
            "model": {
                "backend": "echo",
                "rule": null,
                "near_misses": [],
                "name": "echo",
                "deployment": ECHO,
                "agent": null,
                "output": "text",
                "turn": 1,
                "variables": {},
                "meta": {},
                "instructions": "",
                "history": [],
                "message": [{"type": "text", "text": "Hi"}],
            },
            "limit": null,
            "charge": null,
            "fault": null,
        })
    );
    let times: Vec<&str> = timing.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(times, ["total_us", "head_us", "delay_us", "client_us", "own_us"]);
    assert!(timing["own_us"].as_u64() <= timing["total_us"].as_u64());
}

#[tokio::test]
async fn the_model_was_shown_history_and_variables_as_the_client_asked() {
    let app = TestApp::start().await;
    let mut first = text_body("One");
    first["variables"] = json!({"customer_name": "Ada", "TONE": "dry"});
    first["meta"] = json!({"user": 7});
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation");
    let id = app.post(&path, &first).await.good()["conversation_id"].clone();
    for text in ["Two", "Three"] {
        let mut body = continue_body(id.as_str().unwrap(), text);
        body["history_limit"] = json!(1);
        app.post(&path, &body).await.good();
    }
    let model = app.demo().latest_request().await["model"].clone();
    let history = model["history"].as_array().unwrap();
    let roles: Vec<&Value> = history.iter().map(|turn| &turn["role"]).collect();
    assert_eq!(roles, ["user", "assistant"]);
    assert_eq!(history[0]["content"], json!([{"type": "text", "text": "Two"}]));
    assert_eq!(model["message"], json!([{"type": "text", "text": "Three"}]));
    assert_eq!(model["turn"], 3);
    assert_eq!(model["meta"], json!({"user": 7}));
    let instructions = model["instructions"].as_str().unwrap();
    assert!(instructions.contains("name is Ada") && instructions.contains("dry"), "{instructions}");
}

#[tokio::test]
async fn both_apis_and_every_refusal_of_a_known_key_are_in_it_and_nothing_else() {
    let app = TestApp::start().await;
    app.characters_as(KEY).list_models("llm").await.good();
    app.runner().list_conversations("").await.good();
    app.get("/v1/runner/no/such/path").await;
    app.get(&format!("/v1/runner/{DEPLOYMENT}")).await;
    app.post("/v1/runner/UNKNOWN", &text_body("Hi")).await;
    app.request(Method::HEAD, "/v1/runner/conversations").key(KEY).await;
    // Health, the control plane, strangers, other accounts.
    app.get("/_mynah/health").await.good();
    app.get("/_mynah/accounts").await.good();
    app.runner_as("stranger").list_conversations("").await;
    app.runner_as("free_api_key").list_conversations("").await.good();
    let found = request_log(&app, "").await;
    let entries = found["requests"].as_array().unwrap();
    let seen: Vec<(&str, u64, &str)> = entries
        .iter()
        .map(|entry| {
            let text = |field: &str| entry[field].as_str().unwrap();
            (text("path"), entry["answer"]["status"].as_u64().unwrap(), text("end"))
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("/api/v1/models", 200, "complete"),
            ("/v1/runner/conversations", 200, "complete"),
            ("/v1/runner/no/such/path", 404, "complete"),
            ("/v1/runner/YOUR_DEPLOYMENT_ID", 405, "complete"),
            ("/v1/runner/UNKNOWN", 404, "complete"),
            ("/v1/runner/conversations", 200, "complete"),
        ]
    );
    assert_eq!(entries[4]["body"], text_body("Hi"), "it was answered before its body was read");
}

#[tokio::test]
async fn the_use_of_a_public_deployment_without_a_key_is_its_owners() {
    let app = TestApp::start().await;
    let request = app.runner_without_key().run(PUBLIC, "Hi");
    request.header("origin", "https://example.com").await.good();
    assert_eq!(app.demo().latest_request().await["model"]["deployment"], PUBLIC);
}

#[tokio::test]
async fn keys_are_blanked_wherever_they_stand() {
    let app = TestApp::start().await;
    let path = format!("/v1/runner/{ECHO}?key={KEY}");
    let mut body = text_body(&format!("my key is {KEY}"));
    body["variables"] = json!({KEY: format!("{KEY}.")});
    let request = app.request(Method::POST, &path).key(KEY).header("cookie", "a=secret");
    request.header("authorization", "Bearer secret").json(&body).await.good();
    app.runner().stream(ECHO, &format!("a {KEY} b")).await;
    let all = app.demo().requests("").await.body;
    assert!(!all.contains(KEY) && !all.contains("secret"), "{all}");
    assert!(all.contains("my key is [redacted]"), "{all}");
}

#[tokio::test]
async fn a_path_is_picked_whichever_way_the_client_encoded_it() {
    let app = TestApp::start().await;
    for path in ["/v1/runner/ECHO%5FDEPLOYMENT_ID", "/v1/runner/ECHO_DEPLOYMENT_ID"] {
        app.post(path, &text_body("Hi")).await.good();
    }
    app.get("/v1/runner/%61%2Fb/conversations").await;
    for (query, numbers) in [
        ("?path=/v1/runner/ECHO_DEPLOYMENT_ID", vec![1, 2]),
        ("?path=/v1/runner/ECHO%255FDEPLOYMENT_ID", vec![1, 2]),
        ("?path=/v1/runner/ECHO_*", vec![1, 2]),
        ("?path=/v1/runner/a%252Fb/*", vec![3]),
        ("?path=/v1/runner/a/b/*", vec![]),
    ] {
        assert_eq!(numbers_of(&app, query).await, numbers, "{query}");
    }
}

#[tokio::test]
async fn a_filter_that_no_request_can_pass_is_refused() {
    let app = TestApp::start().await;
    app.runner().run(ECHO, "Hi").await.good();
    assert_eq!(numbers_of(&app, "?route=/v1/runner/{id}").await, [1], "under another name");
    for query in ["", "/wait", "/stream"] {
        for (filter, said) in [
            (
                "route=/v1/runner/{deployment_id}/streams",
                "closest: /v1/runner/{deployment_id}/stream,",
            ),
            ("route=/v1/runner/ECHO_DEPLOYMENT_ID", "as written there"),
            ("path=v1/runner/*", "begins with /"),
        ] {
            let path = format!("/requests{query}?{filter}");
            let refused = app.demo().request(Method::GET, &path).await;
            assert_eq!(refused.status, 400, "{path}");
            assert!(refused.json()["error"].as_str().unwrap().contains(said), "{}", refused.body);
        }
    }
}

#[tokio::test]
async fn the_rule_that_answered_is_named_and_the_one_that_just_missed() {
    let rules = r#"
        [[rule]]
        id = "far off"
        when = { api = "runner", contains = "refund", turn = 2 }
        reply = [{ text = "no" }]

        [[rule]]
        id = "polite refund"
        when = { api = "runner", contains = "REFUND", variables = { TONE = "polite" } }
        reply = [{ text = "no" }]

        [[rule]]
        id = "other text"
        when = { api = "runner", equals = "something else" }
        reply = [{ text = "no" }]

        [[rule]]
        id = "always"
        reply = [{ text = "yes" }]

        [[rule]]
        id = "never asked"
        when = { contains = "refund", turn = 2 }
        reply = [{ text = "no" }]
    "#;
    let app = TestApp::with_rules(rules).await;
    let mut body = text_body("A refund, please");
    body["variables"] = json!({"TONE": "rude"});
    app.runner().run(DEPLOYMENT, &body).await.good();
    let model = app.demo().latest_request().await["model"].clone();
    assert_eq!((&model["backend"], &model["rule"]), (&json!("canned"), &json!("always")));
    assert_eq!(
        model["near_misses"],
        json!([
            {"rule": "far off", "condition": "turn", "wanted": 2, "found": 1},
            {"rule": "polite refund", "condition": "variables.TONE", "wanted": "polite",
             "found": "rude"},
        ])
    );
}

#[tokio::test]
async fn an_accounts_own_rule_just_missed_by_its_only_condition_or_was_used_up() {
    let app = TestApp::start().await;
    let rules = json!([
        {"id": "refund", "when": {"contains": "refund"}, "reply": [{"text": "no"}]},
        {"id": "once", "reply": [{"text": "one"}], "times": 1},
    ]);
    let put = app.demo().replace_reply_rules(&rules);
    put.await.good();
    app.demo().queue_replies(&json!({"text": "first of all"}), "").await.created();
    for text in ["a", "b", "c"] {
        app.runner().run(ECHO, text).await.good();
    }
    let found = request_log(&app, "").await;
    let model = |nth: usize| &found["requests"][nth]["model"];
    assert_eq!((&model(0)["rule"], &model(0)["near_misses"]), (&json!("queue"), &json!([])));
    let refund = json!({"rule": "refund", "condition": "contains", "wanted": "refund",
                        "found": null});
    assert_eq!((&model(1)["rule"], &model(1)["near_misses"]), (&json!("once"), &json!([refund])));
    let once = json!({"rule": "once", "condition": "times", "wanted": 1, "found": null});
    assert_eq!(
        (&model(2)["rule"], &model(2)["near_misses"]),
        (&json!(null), &json!([refund, once]))
    );
}

#[tokio::test]
async fn the_limiters_verdict_and_the_charge_are_in_it() {
    let app = TestApp::start().await;
    app.demo().update(&json!({"requests_per_minute": 1})).await.good();
    let body = json!({"llm_id": "model_abc123", "messages": [{"role": "user", "content": "Hi"}]});
    for _ in 0..2 {
        app.characters_as(KEY).create_completion(&body).await;
    }
    let found = request_log(&app, "").await;
    let (paid, refused) = (&found["requests"][0], &found["requests"][1]);
    let limit = |admitted: bool| json!({"admitted": admitted, "limit": 1, "remaining": 0, "window_ends": 1_777_636_860});
    assert_eq!((&paid["limit"], &refused["limit"]), (&limit(true), &limit(false)));
    assert!(paid["charge"].as_str().unwrap().starts_with("0.0"), "{paid}");
    assert_eq!((&refused["charge"], &refused["model"]), (&Value::Null, &Value::Null));
    assert_eq!(refused["answer"]["headers"]["retry-after"], "60");
    assert_eq!(refused["answer"]["status"], 429);
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_in_it_although_nobody_else_read_it() {
    let app = TestApp::start().await;
    let fault = json!({"effect": {"status": 429}, "times": 1});
    app.demo().add_fault(&fault).await.created();
    for (text, status) in [("Once", 429), ("Once", 200)] {
        let answer = app.runner().run(ECHO, text).await;
        assert_eq!(answer.status, status);
    }
    assert_eq!(app.runner().run(OTHER, "Again").await.status, 403);
    let found = request_log(&app, "").await;
    let bodies = found["requests"].as_array().unwrap().iter().map(|entry| &entry["body"]);
    let bodies: Vec<_> = bodies.collect();
    assert_eq!(bodies, [&text_body("Once"), &text_body("Once"), &text_body("Again")]);
}

#[tokio::test]
async fn a_refused_client_that_keeps_its_body_back_gets_its_answer_all_the_same() {
    let app = TestApp::start().await;
    let mut raw = RawConnection::connect(app.address).await;
    let head = format!(
        "POST /v1/runner/OTHER_DEPLOYMENT_ID HTTP/1.1\r\nhost: mynah\r\nx-api-key: {KEY}\r\n\
         content-type: application/json\r\ncontent-length: 41\r\n\r\n"
    );
    raw.send(head.as_bytes()).await;
    assert_eq!(raw.response().await.0, 403);
    let entry = app.demo().latest_request().await;
    assert_eq!((&entry["answer"]["status"], &entry["body"]), (&json!(403), &Value::Null));
}

// --- streams -------------------------------------------------------------------------------------

#[tokio::test]
async fn a_stream_is_written_down_word_by_word() {
    let app = TestApp::start().await;
    app.runner().stream(ECHO, "one two three").await;
    let entry = app.demo().latest_request().await;
    assert_eq!(entry["end"], "complete");
    assert_eq!(entry["answer"]["body"], "one two three");
    assert_eq!(words(&entry), ["one ", "two ", "three"]);
    let words = entry["answer"]["words"].as_array().unwrap();
    let times: Vec<u64> = words.iter().map(|word| word["at_us"].as_u64().unwrap()).collect();
    assert!(times.is_sorted() && times[0] > 0, "{times:?}");
}

#[tokio::test]
async fn a_client_that_hangs_up_is_found_out_and_the_wait_is_no_time_of_mynahs() {
    let app = TestApp::with(|config| config.pace = HOUR).await;
    let mut raw = app.runner().open_stream(ECHO, "one two three").await;
    assert_eq!(raw.next_event().await, chunk("one "));
    drop(raw);
    let (status, came) = wait(&app, "?count=1").await;
    assert_eq!(status, 200);
    let entry = &came["requests"][0];
    assert_eq!(entry["end"], "hung_up");
    assert_eq!(words(entry), ["one "]);
    assert!(entry["timing"]["delay_us"].as_u64() > Some(0), "{entry}");
}

#[tokio::test]
async fn a_wait_that_the_clock_passes_over_is_a_delay_too() {
    let app = TestApp::with(|config| config.pace = HOUR).await;
    let mut raw = app.runner().open_stream(ECHO, "one two").await;
    assert_eq!(raw.next_event().await, chunk("one "));
    app.settle().await;
    app.clock("demo").advance(HOUR);
    assert_eq!(raw.next_event().await, chunk("two"));
    assert_eq!(raw.next_event().await, StreamEvent::End);
    let timing = app.demo().latest_request().await["timing"].clone();
    let [total, delay, own] =
        ["total_us", "delay_us", "own_us"].map(|name| timing[name].as_u64().unwrap());
    assert!(delay > 0 && own + delay <= total, "{timing}");
}

#[tokio::test]
async fn the_fault_that_a_request_met_is_in_it_and_its_delay_is_no_time_of_mynahs() {
    let app = TestApp::start().await;
    for effect in [
        json!({"delay_ms": 20}),
        json!({"status": 503}),
        json!({"break_after": 1}),
        json!({"drop": "before_answer"}),
        json!({"drop": "after_commit"}),
    ] {
        let rule = json!({"effect": effect, "times": 1});
        app.demo().add_fault(&rule).await.created();
        let streamed = effect.get("break_after").is_some();
        let path = format!("/v1/runner/{ECHO}{}", if streamed { "/stream" } else { "" });
        let mut raw = RawConnection::connect(app.address).await;
        let headers =
            format!("x-api-key: {KEY}\r\ncontent-type: application/json\r\nconnection: close\r\n");
        raw.request("POST", &path, &headers, &text_body("one two").to_string()).await;
        let _ = raw.read_to_end().await;
    }
    let (status, came) = wait(&app, "?count=5").await;
    assert_eq!(status, 200, "{came}");
    let entries = came["requests"].as_array().unwrap();
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| (&entry["fault"]["effect"], &entry["answer"]["status"], &entry["end"]))
        .collect();
    assert_eq!(
        json!(seen),
        json!([
            ["delay_ms", 200, "complete"],
            ["status", 503, "complete"],
            ["break_after", 200, "broken"],
            ["drop", null, "broken"],
            ["drop", 200, "broken"],
        ])
    );
    let timing = &entries[0]["timing"];
    assert_eq!(entries[0]["fault"]["delay_ms"], 20);
    assert!(timing["delay_us"].as_u64() >= Some(20_000), "{timing}");
    let [total, own] = ["total_us", "own_us"].map(|name| timing[name].as_u64().unwrap());
    assert!(own + 20_000 <= total, "{timing}");
}

// --- picking and clearing ------------------------------------------------------------------------

#[tokio::test]
async fn entries_are_picked_by_method_route_path_status_body_and_since() {
    let app = TestApp::start().await;
    app.runner().run(ECHO, "a needle").await.good();
    app.runner().list_conversations("").await.good();
    app.clock("demo").advance(Duration::from_secs(10));
    app.runner().run("UNKNOWN", "x").await;
    app.runner().run(ECHO, "straw").await.good();
    assert_eq!(numbers_of(&app, "").await, [1, 2, 3, 4]);
    assert_eq!(numbers_of(&app, "?method=get").await, [2]);
    assert_eq!(numbers_of(&app, "?route=/v1/runner/{deployment_id}").await, [1, 3, 4]);
    assert_eq!(numbers_of(&app, "?path=/v1/runner/UNKNOWN").await, [3]);
    assert_eq!(numbers_of(&app, "?path=/v1/runner/E*").await, [1, 4]);
    assert_eq!(numbers_of(&app, "?status=404").await, [3]);
    assert_eq!(numbers_of(&app, "?status=2xx&method=POST").await, [1, 4]);
    assert_eq!(numbers_of(&app, "?body=a+needle").await, [1]);
    assert_eq!(numbers_of(&app, "?since=2").await, [3, 4]);
    assert_eq!(numbers_of(&app, "?since=2026-05-01T12:00:10Z").await, [3, 4]);
    let found = request_log(&app, "?limit=2").await;
    assert_eq!(
        (&found["count"], &found["kept"], &found["last"]),
        (&json!(4), &json!(4), &json!(4))
    );
    assert_eq!(found["requests"].as_array().unwrap().len(), 2);
    assert_eq!(found["requests"][0]["number"], 3);
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_named() {
    let app = TestApp::start().await;
    for (query, message) in [
        (
            "?statsu=200",
            "statsu is none of method, route, path, status, body, since, limit, match, report",
        ),
        ("?status=ok", "status must be a status, or 2xx, 4xx and so on"),
        (
            "?since=noon",
            "since must be the number of a request or a time like 2026-03-24T09:00:00Z",
        ),
        ("?method=GET&method=POST", "method is given more than once"),
        ("?limit=x", "limit must be a whole number of 0 or more"),
        ("/wait?count=0", "count must be a whole number from 1 to 1000"),
        ("/wait?timeout=1h", "timeout must be a time of at most ten minutes: 5s, 500ms, 2m"),
        ("/stream?limit=1", "limit is none of method, route, path, status, body, since"),
    ] {
        let refused = app.demo().requests(query).await;
        assert_eq!(refused.status, 400, "{query}");
        assert_eq!(refused.json(), json!({"error": message}));
    }
    let unknown = app.control().account("nobody").requests("").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_request_log_that_is_cleared_or_reset_is_empty_and_continues_its_numbers() {
    let app = TestApp::with(|config| config.pace = HOUR).await;
    app.runner().run(ECHO, "x").await.good();
    let raw = app.runner().open_stream(ECHO, "one two").await;
    assert_eq!(app.demo().delete_requests().await.status, 204);
    drop(raw);
    app.runner().run(ECHO, "y").await.good();
    assert_eq!(numbers_of(&app, "").await, [2], "what was answered meanwhile is not in it");
    let reset = app.demo().reset();
    reset.json(&json!({})).await.good();
    assert_eq!(request_log(&app, "").await["kept"], 0);
    app.runner().run(ECHO, "z").await.good();
    assert_eq!(numbers_of(&app, "").await, [3]);
}

// --- bounds --------------------------------------------------------------------------------------

#[tokio::test]
async fn it_keeps_the_latest_and_counts_what_it_dropped() {
    let app = TestApp::with(|config| config.journal_max = 3).await;
    for _ in 0..5 {
        app.runner().run(ECHO, "x").await.good();
    }
    let found = request_log(&app, "").await;
    assert_eq!(
        (&found["kept"], &found["dropped"], &found["last"]),
        (&json!(3), &json!(2), &json!(5))
    );
    assert_eq!(numbers_of(&app, "").await, [3, 4, 5]);
}

#[tokio::test]
async fn a_long_body_is_cut_and_its_length_told() {
    let app = TestApp::start().await;
    let body = text_body(&"x".repeat(2 * 1024 * 1024));
    app.runner().run(ECHO, &body).await.good();
    let entry = app.demo().latest_request().await;
    assert_eq!(entry["body"].as_str().unwrap().len(), 64 * 1024);
    assert_eq!(
        (&entry["body_bytes"], &entry["body_cut"]),
        (&json!(body.to_string().len()), &json!(true))
    );
    assert_eq!(entry["answer"]["body_cut"], true);
    assert_eq!(entry["model"]["too_large"], true);
}

#[tokio::test]
async fn a_wait_on_a_request_log_of_size_0_is_refused_with_the_reason() {
    let app = TestApp::with(|config| config.journal_max = 0).await;
    app.runner().run(ECHO, "x").await.good();
    assert_eq!(request_log(&app, "").await["kept"], 0);
    let (status, refused) = wait(&app, "").await;
    let message = "the journal is switched off: the server was started with --journal-max 0";
    assert_eq!((status, refused), (StatusCode::BAD_REQUEST, json!({"error": message})));
}

/// The same is held for 100,000 requests, without the wire, beside `http/middleware/request_log.rs`.
#[tokio::test]
async fn thousands_of_requests_leave_a_request_log_within_its_bounds() {
    let app = TestApp::with(|config| config.journal_max = 500).await;
    for _ in 0..2000 {
        app.get("/v1/runner/no/such/path").await;
    }
    let found = request_log(&app, "?limit=0").await;
    println!("after 2,000 requests: {found}");
    assert_eq!(found["kept"], 500);
    assert_eq!(found["dropped"], 1500);
    assert!(found["bytes"].as_u64().unwrap() < 1024 * 1024);
}

// --- waiting and following -----------------------------------------------------------------------

#[tokio::test]
async fn a_wait_is_over_as_soon_as_so_many_have_come() {
    let app = TestApp::start().await;
    app.runner().run(ECHO, "before").await.good();
    let path = format!("/v1/runner/{ECHO}");
    let query = format!("?count=3&path={path}&timeout=10m");
    let requests = async {
        for text in ["one", "two"] {
            app.runner().list_conversations("").await.good();
            app.runner().run(ECHO, text).await.good();
        }
    };
    let ((status, came), ()) = tokio::join!(wait(&app, &query), requests);
    assert_eq!((status, &came["count"]), (StatusCode::OK, &json!(3)));
    let said: Vec<&Value> = came["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["body"]["content"][0]["text"])
        .collect();
    assert_eq!(said, ["before", "one", "two"]);
}

#[tokio::test]
async fn a_wait_that_times_out_reports_the_requests_that_came() {
    let app = TestApp::start().await;
    app.runner().run(ECHO, "one").await.good();
    app.runner().run("UNKNOWN", "two").await;
    app.runner().list_conversations("").await.good();
    let (status, in_vain) = wait(&app, "?count=2&method=POST&status=200&timeout=0s").await;
    assert_eq!(status, 408);
    assert_eq!(in_vain["error"], "1 of 2 requests came within 0ns");
    assert_eq!((&in_vain["count"], &in_vain["requests"][0]["number"]), (&json!(1), &json!(1)));
    assert_eq!(
        in_vain["others"],
        json!([
            {"number": 2, "method": "POST", "path": "/v1/runner/UNKNOWN", "status": 404,
             "missed": "status"},
            {"number": 3, "method": "GET", "path": "/v1/runner/conversations", "status": 200,
             "missed": "method"},
        ])
    );
}

/// A live feed, read event by event.
struct Feed {
    response: reqwest::Response,
    read: String,
}

impl Feed {
    async fn open(app: &TestApp, query: &str) -> Self {
        let response = app.demo().follow_requests(query).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut feed = Self { response, read: String::new() };
        assert_eq!(feed.next().await.unwrap(), ": following");
        feed
    }

    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.read = rest;
                return Some(event);
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next request: the event's id and its entry.
    async fn request(&mut self) -> (u64, Value) {
        let event = self.next().await.unwrap();
        let [id, kind, data] = event.lines().collect::<Vec<_>>()[..] else { panic!("{event}") };
        assert_eq!(kind, "event: request");
        let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        (id.strip_prefix("id: ").unwrap().parse().unwrap(), data)
    }
}

#[tokio::test]
async fn the_feed_gives_entries_as_they_come() {
    let app = TestApp::start().await;
    app.runner().run(ECHO, "before").await.good();
    let mut feed = Feed::open(&app, "?method=POST").await;
    for number in 2..=4 {
        app.runner().run(ECHO, "x").await.good();
        let (id, entry) = feed.request().await;
        assert_eq!((id, &entry), (number, &app.demo().latest_request().await));
    }
    app.runner().list_conversations("").await.good();
    app.runner().run(ECHO, "y").await.good();
    assert_eq!(feed.request().await.0, 6, "the filter takes no GET");
    assert_eq!(app.demo().delete_requests().await.status, 204);
    assert_eq!(feed.next().await.unwrap(), "event: cleared\ndata: {}");
}

#[tokio::test]
async fn a_feed_can_start_in_the_past_and_reports_dropped_entries() {
    let app = TestApp::with(|config| config.journal_max = 2).await;
    for _ in 0..4 {
        app.runner().run(ECHO, "x").await.good();
    }
    let mut feed = Feed::open(&app, "?since=1").await;
    assert_eq!(feed.next().await.unwrap(), "event: dropped\ndata: {\"count\":1}");
    assert_eq!(feed.request().await.0, 3);
    assert_eq!(feed.request().await.0, 4);
}

#[tokio::test]
async fn feeds_and_waits_end_with_the_account_and_with_the_server() {
    let app = TestApp::start().await;
    let account = app.control().new_account().await;
    let account = app.control().account(&account.id);
    let remove = async {
        app.settle().await;
        assert_eq!(account.delete().await.status, 204);
    };
    let wait = account.wait_for_requests("?timeout=10m").send();
    let (waited, ()) = tokio::join!(wait, remove);
    assert!([404, 408].contains(&waited.status.as_u16()), "{}", waited.body);
    let mut feed = Feed::open(&app, "").await;
    let ((), ended) = tokio::join!(app.stop(), feed.next());
    assert_eq!(ended, None);
}

#[tokio::test]
async fn a_wait_does_not_return_entries_that_were_dropped() {
    let app = TestApp::with(|config| config.journal_max = 3).await;
    let waiting = wait(&app, "?count=3&path=/v1/runner/conversations");
    let asking = async {
        for path in ["conversations", "no", "such", "path", "conversations", "conversations"] {
            app.get(&format!("/v1/runner/{path}")).await;
        }
    };
    let ((status, came), ()) = futures::join!(waiting, asking);
    assert_eq!((status, &came["count"], &came["dropped"]), (StatusCode::OK, &json!(3), &json!(1)));
    let requests = came["requests"].as_array().unwrap();
    let numbers: Vec<_> = requests.iter().map(|entry| entry["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [5, 6]);
}

#[tokio::test]
async fn an_account_has_at_most_128_clients_that_wait_or_follow() {
    let app = TestApp::start().await;
    let follow = |account| app.control().account(account).follow_requests("");
    let mut followers = Vec::new();
    for _ in 0..128 {
        let follower = follow("demo").await;
        assert_eq!(follower.status(), 200);
        followers.push(follower);
    }
    let message =
        "128 clients wait for requests or follow them already, which is the most for an account";
    let refused = follow("demo").await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.json::<Value>().await.unwrap(), json!({"error": message}));
    assert_eq!(wait(&app, "").await.0, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(follow("demo-free").await.status(), 200, "another account's request log");
}
