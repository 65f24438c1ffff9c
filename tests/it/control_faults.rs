//! Faults: what a client sees of each effect, when each condition lets one through, and that what
//! one account meets no other does.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use mynah::http::FaultHeader;
use mynah::service::fixtures::FixturesError;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::raw::{Next, Raw};
use crate::support::{
    ACCOUNTS, Answer, DEPLOYMENT, DEPLOYMENTS, ECHO, JSON, KEY, PUBLIC, TestApp, going_on, said,
};

const FAULTS: &str = "/_mynah/accounts/demo/faults";
const RUN: &str = "/v1/runner/YOUR_DEPLOYMENT_ID";
const STREAM: &str = "/v1/runner/ECHO_DEPLOYMENT_ID/stream";
const SAY_STREAMED: &str = "/v1/runner/ECHO_DEPLOYMENT_ID/conversation/stream";
const MESSAGES: &str = "/api/v1/conversations/conv_123abc/messages";
const HOUR: Duration = Duration::from_hours(1);

/// Adds a fault to an account; gives its id.
async fn fault_of(app: &TestApp, account: &str, rule: &Value) -> String {
    let path = format!("/_mynah/accounts/{account}/faults");
    let added = app.request(Method::POST, &path).json(rule).send().await;
    assert_eq!(added.status, 201, "{}", added.body);
    added.json()["id"].as_str().unwrap().to_owned()
}

/// Adds a fault to the demo account.
async fn fault(app: &TestApp, rule: Value) -> String {
    fault_of(app, "demo", &rule).await
}

/// Adds a fault that every request of the demo account meets.
async fn effect(app: &TestApp, effect: Value) {
    fault(app, json!({ "effect": effect })).await;
}

async fn clear(app: &TestApp) {
    assert_eq!(app.request(Method::DELETE, FAULTS).send().await.status, 204);
}

/// Asks both APIs something, with the demo account's key.
async fn ask(app: &TestApp, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let request = app.request(method, path).key(KEY).header("authorization", bearer(KEY));
    match body {
        Some(body) => request.json(body),
        None => request,
    }
    .send_expecting_5xx()
    .await
}

async fn get(app: &TestApp, path: &str) -> Answer {
    ask(app, Method::GET, path, None).await
}

async fn post(app: &TestApp, path: &str, body: &Value) -> Answer {
    ask(app, Method::POST, path, Some(body)).await
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

/// The same as a client library sees it, connection and all.
async fn sent(app: &TestApp, path: &str, body: &Value) -> reqwest::Result<Response> {
    let request = reqwest::Client::new().post(app.url(path)).json(body);
    request.header("x-api-key", KEY).header("authorization", bearer(KEY)).send().await
}

fn hi() -> Value {
    json!({ "content": "Hi" })
}

async fn balance(app: &TestApp) -> String {
    let account = app.request(Method::GET, "/_mynah/accounts/demo").send().await.good();
    account["balance"].as_str().unwrap().to_owned()
}

/// The statuses of so many requests to a route of each API, in turn.
async fn statuses(app: &TestApp, requests: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..requests {
        statuses.push(post(app, RUN, &said("Hi")).await.status.as_u16());
    }
    statuses
}

async fn runner_stream(app: &TestApp, path: &str, body: &Value) -> Raw {
    let mut raw = Raw::connect(app.address).await;
    raw.post(path, body).await;
    assert_eq!(raw.head().await.0, 200);
    raw
}

fn chunk(text: &str) -> Next {
    Next::Chunk(text.to_owned())
}

async fn nothing_comes(app: &TestApp, raw: &mut Raw) -> bool {
    app.settle().await;
    raw.next().now_or_never().is_none()
}

// --- refusals ------------------------------------------------------------------------------------

#[tokio::test]
async fn a_status_comes_in_the_runner_apis_envelope() {
    let app = TestApp::start().await;
    for (status, kind, code) in [
        (401, "auth_error", "invalid_api_key"),
        (402, "invalid_request_error", "insufficient_balance"),
        (409, "invalid_request_error", "conflict"),
        (429, "rate_limit_error", "rate_limited"),
        (500, "api_error", "internal_error"),
        (502, "api_error", "bad_gateway"),
        (503, "api_error", "service_unavailable"),
        (504, "api_error", "gateway_timeout"),
        (418, "invalid_request_error", "invalid_request"),
        (599, "api_error", "internal_error"),
    ] {
        effect(&app, json!({ "status": status })).await;
        for path in [RUN, STREAM, SAY_STREAMED] {
            let refused = post(&app, path, &said("Hi")).await;
            assert_eq!(refused.refused(status, kind, code)["param"], Value::Null);
        }
        get(&app, "/v1/runner/conversations").await.refused(status, kind, code);
        clear(&app).await;
    }
}

#[tokio::test]
async fn a_status_comes_in_the_runner_apis_other_envelope_where_that_is_asked_for() {
    let app = TestApp::with(|config| {
        config.runner.errors = mynah::http::runner::ErrorStyle::FastApi;
    })
    .await;
    effect(&app, json!({ "status": 503 })).await;
    let refused = post(&app, RUN, &said("Hi")).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.json(), json!({"detail": "the service is temporarily unavailable"}));
}

#[tokio::test]
async fn a_status_comes_in_the_characters_apis_envelope() {
    let app = TestApp::start().await;
    for (status, error) in [
        (401, "the API key is not known"),
        (402, "insufficient account balance"),
        (409, "conflict with the present state"),
        (429, "the rate limit is reached"),
        (500, "Internal error"),
        (502, "bad gateway"),
        (503, "the service is temporarily unavailable"),
        (504, "gateway timeout"),
    ] {
        effect(&app, json!({ "status": status })).await;
        for refused in
            [get(&app, "/api/v1/models?type=llm").await, post(&app, MESSAGES, &hi()).await]
        {
            assert_eq!(refused.status, status);
            assert_eq!(refused.json(), json!({ "error": error }));
        }
        clear(&app).await;
    }
}

#[tokio::test]
async fn a_status_tells_when_to_retry() {
    let app = TestApp::start().await;
    for (asked, told) in [
        (json!({"status": 503, "retry_after": 5}), Some("5")),
        (json!({"status": 429, "retry_after": 0}), Some("0")),
        (json!({"status": 429}), Some("1")),
        (json!({"status": 503}), None),
    ] {
        effect(&app, asked).await;
        for refused in
            [get(&app, "/v1/runner/conversations").await, get(&app, "/api/v1/agents").await]
        {
            assert_eq!(refused.header("retry-after"), told);
        }
        clear(&app).await;
    }
}

#[tokio::test]
async fn what_a_fault_refuses_is_not_stored_or_charged_but_counts_against_the_limit() {
    let app = TestApp::start().await;
    let before = (balance(&app).await, get(&app, MESSAGES).await.json());
    let id = app.start_conversation(ECHO, "Hi").await;
    effect(&app, json!({ "status": 503 })).await;
    for path in ["/v1/runner/ECHO_DEPLOYMENT_ID/conversation", SAY_STREAMED] {
        assert_eq!(post(&app, path, &going_on(&id, "again")).await.status, 503);
    }
    for (path, body) in [
        (MESSAGES, hi()),
        ("/api/v1/images", json!({"prompt": "A cat", "sd_model_id": "sd_model_456abc"})),
        (
            "/api/v1/completions",
            json!({"llm_id": "model_abc123", "messages": [
            {"role": "user", "content": "Hi"}]}),
        ),
    ] {
        assert_eq!(post(&app, path, &body).await.status, 503);
    }
    let counted = get(&app, "/api/v1/agents").await;
    assert_eq!(counted.status, 503);
    assert_eq!(counted.header("x-ratelimit-remaining"), Some("95"));
    clear(&app).await;
    assert_eq!(app.messages(&id).await.len(), 2);
    assert_eq!((balance(&app).await, get(&app, MESSAGES).await.json()), before);
}

#[tokio::test]
async fn faults_come_after_authentication_and_limits() {
    let app = TestApp::start().await;
    effect(&app, json!({ "status": 503 })).await;
    let stranger = app.request(Method::GET, "/api/v1/agents").header("authorization", "Bearer x");
    assert_eq!(stranger.send().await.status, 401);
    let forbidden = post(&app, "/v1/runner/OTHER_DEPLOYMENT_ID", &said("Hi")).await;
    forbidden.refused(403, "auth_error", "deployment_forbidden");
    let free = json!({ "effect": { "status": 503 } });
    let id = fault_of(&app, "demo-free", &free).await;
    let ask = || {
        app.request(Method::GET, "/api/v1/agents").header("authorization", bearer("free_api_key"))
    };
    for _ in 0..5 {
        assert_eq!(ask().send_expecting_5xx().await.status, 503);
    }
    assert_eq!(ask().send().await.status, 429);
    let all = app.request(Method::GET, "/_mynah/accounts/demo-free/faults").send().await.good();
    assert_eq!((&all[0]["id"], &all[0]["matched"]), (&json!(id), &json!(5)));
}

// --- delays and dropped connections --------------------------------------------------------------

#[tokio::test]
async fn a_delay_comes_before_the_answer() {
    let app = TestApp::start().await;
    effect(&app, json!({ "delay_ms": 3_600_000 })).await;
    let run = said("Hi");
    for (path, body) in [(RUN, &run), (STREAM, &run), (MESSAGES, &hi())] {
        let mut waiting = Box::pin(post(&app, path, body));
        for _ in 0..5 {
            assert!(futures::poll!(&mut waiting).is_pending());
            app.settle().await;
        }
        app.clock("demo").advance(HOUR / 2);
        app.settle().await;
        assert!(futures::poll!(&mut waiting).is_pending());
        app.clock("demo").advance(HOUR / 2);
        assert!(waiting.await.status.is_success(), "{path}");
    }
}

#[tokio::test]
async fn a_delay_goes_together_with_another_effect() {
    let app = TestApp::start().await;
    effect(&app, json!({ "delay_ms": 3_600_000, "status": 504 })).await;
    let run = said("Hi");
    let mut waiting = Box::pin(post(&app, RUN, &run));
    for _ in 0..5 {
        assert!(futures::poll!(&mut waiting).is_pending());
        app.settle().await;
    }
    app.clock("demo").advance(HOUR);
    assert_eq!(waiting.await.status, 504);
}

#[tokio::test]
async fn a_connection_dropped_before_the_answer_is_reset_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let before = (balance(&app).await, get(&app, MESSAGES).await.json());
    let id = app.start_conversation(ECHO, "Hi").await;
    effect(&app, json!({ "drop": "before_answer" })).await;
    let again = going_on(&id, "again");
    for (path, body) in [
        ("/v1/runner/ECHO_DEPLOYMENT_ID/conversation", &again),
        (SAY_STREAMED, &again),
        (MESSAGES, &hi()),
    ] {
        assert!(sent(&app, path, body).await.unwrap_err().is_request(), "{path}");
        let mut raw = Raw::connect(app.address).await;
        let headers = format!(
            "x-api-key: {KEY}\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n"
        );
        raw.request("POST", path, &headers, &body.to_string()).await;
        assert_eq!(raw.rest().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
    clear(&app).await;
    assert_eq!(app.messages(&id).await.len(), 2);
    assert_eq!((balance(&app).await, get(&app, MESSAGES).await.json()), before);
}

/// The fault that makes clients duplicate messages.
#[tokio::test]
async fn an_answer_lost_after_the_commit_is_stored_and_charged() {
    let app = TestApp::start().await;
    let before = (balance(&app).await, get(&app, MESSAGES).await.json());
    let id = app.start_conversation(ECHO, "Hi").await;
    fault(&app, json!({ "times": 2, "effect": { "drop": "after_commit" } })).await;
    let again = going_on(&id, "again");
    let path = "/v1/runner/ECHO_DEPLOYMENT_ID/conversation";
    assert!(sent(&app, path, &again).await.unwrap_err().is_request());
    assert!(sent(&app, MESSAGES, &hi()).await.unwrap_err().is_request());
    assert_eq!(app.messages(&id).await.len(), 4);
    let after = (balance(&app).await, get(&app, MESSAGES).await.json());
    assert_eq!(after.1.as_array().unwrap().len(), before.1.as_array().unwrap().len() + 2);
    assert_ne!(after.0, before.0);
    // The client tries again, and has said it twice.
    sent(&app, path, &again).await.unwrap();
    assert_eq!(app.messages(&id).await.len(), 6);
}

#[tokio::test]
async fn a_stream_lost_after_the_commit_has_all_words_but_no_end() {
    let app = TestApp::start().await;
    let id = app.start_conversation(ECHO, "Hi").await;
    effect(&app, json!({ "drop": "after_commit" })).await;
    let mut raw = runner_stream(&app, SAY_STREAMED, &going_on(&id, "one two")).await;
    assert_eq!(raw.next().await, chunk("one "));
    assert_eq!(raw.next().await, chunk("two"));
    assert_eq!(raw.next().await, Next::Broken);
    let broken = sent(&app, SAY_STREAMED, &going_on(&id, "one two")).await.unwrap();
    assert!(broken.bytes().await.is_err());
    clear(&app).await;
    let messages = app.messages(&id).await;
    assert_eq!(messages.len(), 6);
    assert_eq!((&messages[3]["content"], messages[3].get("metadata")), (&json!("one two"), None));
}

#[tokio::test]
async fn what_was_refused_anyway_is_told_though_answers_are_lost() {
    let app = TestApp::start().await;
    effect(&app, json!({ "drop": "after_commit" })).await;
    post(&app, RUN, &json!({})).await.invalid("missing_required_field", "content");
}

// --- bodies --------------------------------------------------------------------------------------

#[tokio::test]
async fn a_body_can_be_empty_truncated_or_malformed() {
    let app = TestApp::start().await;
    let models = "/api/v1/models?type=llm";
    for path in ["/v1/runner/conversations", models, "/api/v1/conversations/conv_123abc"] {
        let good = get(&app, path).await.body;
        for how in ["empty", "truncated", "malformed"] {
            effect(&app, json!({ "body": how })).await;
            let spoilt = get(&app, path).await;
            clear(&app).await;
            assert_eq!(spoilt.status, 200);
            assert_eq!(spoilt.header("content-type"), Some("application/json"));
            let length = spoilt.body.len().to_string();
            assert_eq!(spoilt.header("content-length"), Some(length.as_str()));
            assert!(serde_json::from_str::<Value>(&spoilt.body).is_err(), "{how}");
            match how {
                "empty" => assert_eq!(spoilt.body, ""),
                "truncated" => {
                    assert!(good.starts_with(&spoilt.body) && spoilt.body.len() < good.len());
                }
                _ => assert_eq!(spoilt.body.len(), good.len()),
            }
        }
    }
}

#[tokio::test]
async fn a_spoilt_answer_is_stored_all_the_same() {
    let app = TestApp::start().await;
    let before = app.listed("/v1/runner/conversations").await.len();
    effect(&app, json!({ "body": "truncated" })).await;
    post(&app, "/v1/runner/ECHO_DEPLOYMENT_ID/conversation", &said("Hi")).await;
    clear(&app).await;
    assert_eq!(app.listed("/v1/runner/conversations").await.len(), before + 1);
}

#[tokio::test]
async fn an_answer_can_be_said_to_be_of_another_type() {
    let app = TestApp::start().await;
    effect(&app, json!({ "content_type": "text/html; charset=utf-8" })).await;
    let run = said("Hi");
    for (path, body) in [(RUN, &run), (STREAM, &run), (MESSAGES, &hi())] {
        let answer = post(&app, path, body).await;
        assert!(answer.status.is_success());
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(!answer.body.is_empty());
    }
}

// --- streams -------------------------------------------------------------------------------------

/// A conversation, and both streams that say `one two three` in answer.
async fn streams(app: &TestApp) -> (String, [(&'static str, Value); 2]) {
    let id = app.start_conversation(ECHO, "Hi").await;
    let text = "one two three";
    let both = [(STREAM, said(text)), (SAY_STREAMED, going_on(&id, text))];
    (id, both)
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_broken_for_every_client() {
    let app = TestApp::start().await;
    let (id, streams) = streams(&app).await;
    effect(&app, json!({ "break_after": 2 })).await;
    for (path, body) in &streams {
        let mut raw = runner_stream(&app, path, body).await;
        assert_eq!(raw.next().await, chunk("one "));
        assert_eq!(raw.next().await, chunk("two "));
        assert_eq!(raw.next().await, Next::Broken);
        let mut response = sent(&app, path, body).await.unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "one ");
        assert_eq!(response.chunk().await.unwrap().unwrap(), "two ");
        assert!(response.chunk().await.is_err());
    }
    let messages = app.messages_once_there_are(&id, 6).await;
    for answer in [&messages[3], &messages[5]] {
        assert_eq!(answer["content"], "one two ");
        assert_eq!(answer["metadata"], json!({"finish_reason": "aborted"}));
    }
}

#[tokio::test]
async fn a_stream_can_break_off_before_its_first_word() {
    let app = TestApp::start().await;
    effect(&app, json!({ "break_after": 0 })).await;
    let mut raw = runner_stream(&app, STREAM, &said("one two")).await;
    assert_eq!(raw.next().await, Next::Broken);
}

#[tokio::test]
async fn a_stream_that_ends_early_ends_cleanly() {
    let app = TestApp::start().await;
    let (id, streams) = streams(&app).await;
    effect(&app, json!({ "end_after": 2 })).await;
    for (path, body) in &streams {
        assert_eq!(app.stream(path, body).await, ["one ", "two "]);
        assert_eq!(sent(&app, path, body).await.unwrap().text().await.unwrap(), "one two ");
    }
    let messages = app.messages_once_there_are(&id, 6).await;
    assert_eq!(messages[3]["content"], "one two ");
    assert_eq!(messages[3]["metadata"], json!({"finish_reason": "aborted"}));
}

#[tokio::test]
async fn a_stream_shorter_than_its_fault_is_left_alone() {
    let app = TestApp::start().await;
    for name in ["break_after", "end_after", "stall_after", "repeat_chunk"] {
        effect(&app, json!({ name: 4 })).await;
        assert_eq!(app.stream(STREAM, &said("one two three")).await, ["one ", "two ", "three"]);
        clear(&app).await;
    }
}

#[tokio::test]
async fn a_stream_stalls_until_the_client_leaves_or_an_hour_has_passed() {
    let app = TestApp::start().await;
    let (id, streams) = streams(&app).await;
    effect(&app, json!({ "stall_after": 2 })).await;
    for (path, body) in &streams {
        let mut raw = runner_stream(&app, path, body).await;
        assert_eq!(raw.next().await, chunk("one "));
        assert_eq!(raw.next().await, chunk("two "));
        assert!(nothing_comes(&app, &mut raw).await);
        app.clock("demo").advance(HOUR);
        assert_eq!(raw.next().await, chunk("three"));
        assert_eq!(raw.next().await, Next::End);
        let mut raw = runner_stream(&app, path, body).await;
        assert_eq!(raw.next().await, chunk("one "));
        assert_eq!(raw.next().await, chunk("two "));
    }
    let messages = app.messages_once_there_are(&id, 6).await;
    assert_eq!(
        (&messages[3]["content"], messages[3].get("metadata")),
        (&json!("one two three"), None)
    );
    assert_eq!(messages[5]["content"], "one two ");
    assert_eq!(messages[5]["metadata"], json!({"finish_reason": "aborted"}));
}

#[tokio::test]
async fn a_slow_stream_waits_before_each_further_word() {
    let app = TestApp::start().await;
    let (_, streams) = streams(&app).await;
    effect(&app, json!({ "pace_ms": 3_600_000 })).await;
    for (path, body) in &streams {
        let mut raw = runner_stream(&app, path, body).await;
        assert_eq!(raw.next().await, chunk("one "));
        for word in ["two ", "three"] {
            assert!(nothing_comes(&app, &mut raw).await);
            app.clock("demo").advance(HOUR);
            assert_eq!(raw.next().await, chunk(word));
        }
        app.clock("demo").advance(HOUR);
        app.settle().await;
        app.clock("demo").advance(HOUR);
        assert_eq!(raw.next().await, Next::End);
    }
}

#[tokio::test]
async fn a_chunk_can_come_twice_and_is_stored_once() {
    let app = TestApp::start().await;
    let (id, streams) = streams(&app).await;
    effect(&app, json!({ "repeat_chunk": 2 })).await;
    for (path, body) in &streams {
        assert_eq!(app.stream(path, body).await, ["one ", "two ", "two ", "three"]);
    }
    assert_eq!(app.messages(&id).await[3]["content"], "one two three");
}

#[tokio::test]
async fn a_chunk_can_end_inside_a_character() {
    let app = TestApp::start().await;
    effect(&app, json!({ "split_character": true })).await;
    let text = "plain caf\u{e9}s \u{1f469}\u{4e16} end";
    let mut response = sent(&app, STREAM, &said(text)).await.unwrap();
    let mut chunks = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        chunks.push(chunk.to_vec());
    }
    let expected: [&[u8]; 6] =
        [b"plain ", b"caf\xc3", b"\xa9s ", b"\xf0", b"\x9f\x91\xa9\xe4\xb8\x96 ", b"end"];
    assert_eq!(chunks, expected);
    assert_eq!(chunks.concat(), text.as_bytes());
}

// --- conditions ----------------------------------------------------------------------------------

#[tokio::test]
async fn a_fault_is_for_one_api_if_it_says_so() {
    let app = TestApp::start().await;
    fault(&app, json!({"when": {"api": "runner"}, "effect": {"status": 503}})).await;
    assert_eq!(get(&app, "/v1/runner/conversations").await.status, 503);
    assert_eq!(get(&app, "/api/v1/agents").await.status, 200);
    clear(&app).await;
    fault(&app, json!({"when": {"api": "characters"}, "effect": {"status": 503}})).await;
    assert_eq!(get(&app, "/v1/runner/conversations").await.status, 200);
    assert_eq!(get(&app, "/api/v1/agents").await.status, 503);
}

#[tokio::test]
async fn a_fault_is_for_one_route_open_or_filled() {
    let app = TestApp::start().await;
    let run = |deployment: &str| format!("/v1/runner/{deployment}");
    for (route, met, spared) in [
        ("/v1/runner/{deployment_id}", vec![run(DEPLOYMENT), run(ECHO)], vec![STREAM.to_owned()]),
        (&run(ECHO), vec![run(ECHO)], vec![run(DEPLOYMENT), run(JSON)]),
        (
            "/api/v1/conversations/{id}/messages",
            vec![MESSAGES.to_owned()],
            vec![run(ECHO), "/api/v1/conversations".to_owned()],
        ),
        (MESSAGES, vec![MESSAGES.to_owned()], vec![MESSAGES.replace("123", "456")]),
    ] {
        fault(&app, json!({"when": {"route": route}, "effect": {"status": 503}})).await;
        for path in met {
            assert_eq!(post(&app, &path, &hi()).await.status, 503, "{route} {path}");
        }
        for path in spared {
            assert_ne!(post(&app, &path, &hi()).await.status, 503, "{route} {path}");
        }
        clear(&app).await;
    }
}

#[tokio::test]
async fn a_fault_is_for_one_method() {
    let app = TestApp::start().await;
    fault(&app, json!({"when": {"method": "POST"}, "effect": {"status": 503}})).await;
    assert_eq!(get(&app, MESSAGES).await.status, 200);
    assert_eq!(post(&app, MESSAGES, &hi()).await.status, 503);
    assert_eq!(post(&app, RUN, &said("Hi")).await.status, 503);
    assert_eq!(get(&app, "/v1/runner/conversations").await.status, 200);
}

#[tokio::test]
async fn a_fault_comes_first_n_times_at_the_nth_request_or_every_so_many() {
    let app = TestApp::start().await;
    for (when, times, expected) in [
        (json!({}), Some(2), [503, 503, 200, 200, 200, 200]),
        (json!({"nth": 3}), None, [200, 200, 503, 200, 200, 200]),
        (json!({"every": 2}), None, [200, 503, 200, 503, 200, 503]),
        (json!({"nth": 3, "every": 2}), None, [200, 200, 503, 200, 503, 200]),
        (json!({"every": 2}), Some(1), [200, 503, 200, 200, 200, 200]),
    ] {
        let mut rule = json!({"when": when, "effect": {"status": 503}});
        if let Some(times) = times {
            rule["times"] = json!(times);
        }
        fault(&app, rule).await;
        assert_eq!(statuses(&app, 6).await, expected, "{when}");
        clear(&app).await;
    }
}

#[tokio::test]
async fn only_requests_that_a_fault_is_for_are_counted() {
    let app = TestApp::start().await;
    let route = "/api/v1/conversations/{id}/messages";
    fault(&app, json!({"when": {"route": route, "nth": 2}, "effect": {"status": 503}})).await;
    for (path, status) in [(MESSAGES, 200), ("/api/v1/agents", 200), (MESSAGES, 503)] {
        assert_eq!(get(&app, path).await.status, status);
    }
}

#[tokio::test]
async fn a_stream_fault_waits_for_a_stream() {
    let app = TestApp::start().await;
    fault(&app, json!({"times": 1, "effect": {"end_after": 1}})).await;
    assert_eq!(app.run(ECHO, "one two").await.good()["content"], "one two");
    assert_eq!(app.stream(STREAM, &said("one two")).await, ["one "]);
    assert_eq!(app.stream(STREAM, &said("one two")).await, ["one ", "two"]);
}

#[tokio::test]
async fn chance_is_drawn_from_the_seed() {
    let mut seen = Vec::new();
    for seed in [1, 1, 2] {
        let app = TestApp::with(|config| config.seed = seed).await;
        fault(&app, json!({"when": {"probability": 0.5}, "effect": {"status": 503}})).await;
        seen.push(statuses(&app, 40).await);
        clear(&app).await;
        for (probability, status) in [(0.0, 200), (1.0, 503)] {
            let when = json!({ "probability": probability });
            fault(&app, json!({"when": when, "effect": {"status": 503}})).await;
            assert_eq!(statuses(&app, 5).await, [status; 5]);
            clear(&app).await;
        }
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[2]);
    for statuses in seen {
        let met = statuses.iter().filter(|status| **status == 503).count();
        assert!((8..=32).contains(&met), "{met} of 40");
    }
}

#[tokio::test]
async fn bursts_come_and_go_on_the_accounts_clock() {
    let app = TestApp::start().await;
    fault(&app, json!({"when": {"burst": {"every": 30, "for": 5}}, "effect": {"status": 503}}))
        .await;
    let clock = app.clock("demo");
    for (step, status) in [(0, 503), (4, 503), (1, 200), (24, 200), (1, 503), (5, 200), (85, 503)] {
        clock.advance(Duration::from_secs(step));
        assert_eq!(statuses(&app, 2).await, [status; 2], "{step} seconds on");
    }
}

#[tokio::test]
async fn the_first_fault_that_fires_is_met_and_all_of_them_count() {
    let app = TestApp::start().await;
    fault(&app, json!({"times": 1, "effect": {"status": 500}})).await;
    fault(&app, json!({"when": {"nth": 2}, "effect": {"status": 502}})).await;
    fault(&app, json!({"times": 1, "effect": {"status": 504}})).await;
    assert_eq!(statuses(&app, 4).await, [500, 502, 504, 200]);
    let all = app.request(Method::GET, FAULTS).send().await.good();
    let counts: Vec<_> =
        all.as_array().unwrap().iter().map(|rule| (&rule["matched"], &rule["fired"])).collect();
    assert_eq!(counts, [(&json!(4), &json!(1)); 3]);
}

// --- the control plane ---------------------------------------------------------------------------

#[tokio::test]
async fn faults_are_listed_as_they_were_written_and_taken_away() {
    let app = TestApp::start().await;
    let rule = json!({
        "when": {"api": "runner", "route": "/v1/runner/{deployment_id}", "method": "POST",
                 "nth": 3, "every": 2, "probability": 0.25, "burst": {"every": 30, "for": 5}},
        "times": 2,
        "effect": {"status": 503, "retry_after": 5},
    });
    let first = fault(&app, rule.clone()).await;
    let second = fault(&app, json!({"effect": {"drop": "before_answer"}})).await;
    assert_eq!((first.as_str(), second.as_str()), ("fault_1", "fault_2"));
    let mut shown = rule;
    shown["id"] = json!("fault_1");
    (shown["matched"], shown["fired"]) = (json!(0), json!(0));
    let other = json!({"id": "fault_2", "when": {}, "effect": {"drop": "before_answer"},
                       "matched": 0, "fired": 0});
    let list = app.request(Method::GET, FAULTS).send().await.good();
    assert_eq!(list, json!([shown, other]));
    let second = format!("{FAULTS}/fault_2");
    assert_eq!(app.request(Method::DELETE, &second).send().await.status, 204);
    let gone = app.request(Method::DELETE, &second).send().await;
    assert_eq!(gone.status, 404);
    assert_eq!(gone.json(), json!({"error": "there is no fault `fault_2`"}));
    clear(&app).await;
    assert_eq!(app.request(Method::GET, FAULTS).send().await.good(), json!([]));
    let nobody = app.request(Method::GET, "/_mynah/accounts/nobody/faults").send().await;
    assert_eq!(nobody.status, 404);
}

#[tokio::test]
async fn a_reset_of_the_account_clears_its_faults() {
    let app = TestApp::start().await;
    effect(&app, json!({ "status": 503 })).await;
    let reset = app.request(Method::POST, "/_mynah/accounts/demo/reset").json(&json!({}));
    reset.send().await.good();
    assert_eq!(app.request(Method::GET, FAULTS).send().await.good(), json!([]));
    assert_eq!(statuses(&app, 1).await, [200]);
    assert_eq!(fault(&app, json!({"effect": {"status": 503}})).await, "fault_1");
}

#[tokio::test]
async fn what_is_wrong_with_a_fault_is_named_and_none_is_made() {
    let app = TestApp::start().await;
    for (rule, error) in [
        (json!({}), "effect is required"),
        (
            json!({"effect": {"status": 200}}),
            "effect.status must be a whole number from 400 to 599",
        ),
        (
            json!({"effect": {"status": "503"}}),
            "effect.status must be a whole number, not a string",
        ),
        (
            json!({"effect": {"status": -1}}),
            "effect.status must be a whole number, not integer `-1`",
        ),
        (
            json!({"effect": {"status": 503, "colour": 1}}),
            "effect.colour: unknown field `colour`, expected one of",
        ),
        (json!({"when": {"nht": 1}, "effect": {"status": 503}}), "when.nht: unknown field `nht`"),
        (json!({"often": 1, "effect": {"status": 503}}), "often: unknown field `often`"),
        (
            json!({"when": {"api": "walker"}, "effect": {"status": 503}}),
            "when.api: unknown variant",
        ),
        (
            json!({"when": {"burst": {"every": 3}}, "effect": {"status": 503}}),
            "when.burst.for is required",
        ),
        (
            json!({"when": {"probability": 2}, "effect": {"status": 503}}),
            "when.probability must be a number from 0 to 1",
        ),
        (json!({"effect": {"drop": "later"}}), "effect.drop: unknown variant `later`"),
        (json!({"effect": {}}), "effect must have one of delay_ms, status, drop,"),
        (
            json!({"effect": {"status": 503, "body": "empty"}}),
            "effect.body cannot go together with status",
        ),
        (
            json!({"when": {"api": "characters"}, "effect": {"break_after": 1}}),
            "effect.break_after is for streams, and `when` lets none through",
        ),
    ] {
        let refused = app.request(Method::POST, FAULTS).json(&rule).send().await;
        assert_eq!(refused.status, 400, "{rule}");
        let said = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(said.starts_with(error), "{rule}: {said}");
    }
    assert_eq!(app.request(Method::GET, FAULTS).send().await.good(), json!([]));
}

// --- faults that one request asks for ------------------------------------------------------------

async fn demanding(app: &TestApp, path: &str, fault: &str) -> Answer {
    let body = if path == MESSAGES { hi() } else { said("one two") };
    let request = app.request(Method::POST, path).key(KEY).header("authorization", bearer(KEY));
    request.header("x-mynah-fault", fault).json(&body).send_expecting_5xx().await
}

#[tokio::test]
async fn a_request_may_ask_for_its_own_fault_where_that_is_allowed() {
    let app = TestApp::with(|config| config.fault_header = FaultHeader::Obeyed).await;
    for path in [RUN, MESSAGES] {
        let refused = demanding(&app, path, "status=503, retry_after=5").await;
        assert_eq!(refused.status, 503);
        assert_eq!(refused.header("retry-after"), Some("5"));
        assert_eq!(demanding(&app, path, "body=empty").await.body, "");
        let typed = demanding(&app, path, "content_type=text/html").await;
        assert_eq!(typed.header("content-type"), Some("text/html"));
    }
    assert_eq!(demanding(&app, STREAM, "end_after=1").await.body, "one ");
    assert_eq!(demanding(&app, STREAM, "split_character").await.body, "one two");
    assert_eq!(statuses(&app, 1).await, [200]);
}

#[tokio::test]
async fn what_a_request_asks_for_in_the_wrong_way_is_refused_in_its_apis_envelope() {
    let app = TestApp::with(|config| config.fault_header = FaultHeader::Obeyed).await;
    for (path, asked, message) in [
        (RUN, "status=200", "status must be a whole number from 400 to 599"),
        (RUN, "colour=red", "colour: unknown field `colour`"),
        (RUN, "", "must have one of"),
        (RUN, "break_after=1", "break_after is for streams"),
        (STREAM, "body=empty", "body is for answers in one piece"),
        (RUN, "status=503, status=504", "status is given more than once"),
    ] {
        let said = demanding(&app, path, asked).await.invalid("invalid_value", "x-mynah-fault");
        assert!(said.starts_with(&format!("x-mynah-fault: {message}")), "{said}");
    }
    let refused = demanding(&app, MESSAGES, "status=200").await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"].as_str().unwrap().starts_with("x-mynah-fault: status must"));
}

#[tokio::test]
async fn the_header_means_nothing_unless_it_is_allowed() {
    let app = TestApp::start().await;
    for path in [RUN, STREAM, MESSAGES] {
        assert!(demanding(&app, path, "status=503").await.status.is_success());
    }
}

// --- faults of the fixtures ----------------------------------------------------------------------

/// The built-in fixtures, with `faults` written into the deployment `id`.
async fn with_deployment_faults(id: &str, faults: &str) -> TestApp {
    let line = format!("id = \"{id}\"");
    let deployments = DEPLOYMENTS.replace(&line, &format!("{line}\nfaults = {faults}"));
    let files = [("accounts.toml", ACCOUNTS), ("deployments.toml", &deployments)];
    TestApp::with_fixtures(&files).await
}

#[tokio::test]
async fn a_deployment_can_carry_faults_for_clients_that_set_neither_header_nor_key() {
    let faults = r#"[
        { when = { route = "/v1/runner/{deployment_id}" }, times = 2, effect = { status = 503 } },
        { effect = { end_after = 1 } },
    ]"#;
    let app = with_deployment_faults(PUBLIC, faults).await;
    let ask = |path: &str| {
        let request = app.request(Method::POST, path).header("origin", "https://example.com");
        request.json(&said("Hello there")).send_expecting_5xx()
    };
    let run = format!("/v1/runner/{PUBLIC}");
    for status in [503, 503, 200] {
        assert_eq!(ask(&run).await.status, status);
    }
    let streamed = ask(&format!("{run}/stream")).await.body;
    assert_eq!(streamed.split_whitespace().count(), 1, "{streamed}");
    assert_eq!(post(&app, RUN, &said("Hi")).await.status, 200, "another deployment");
}

#[tokio::test]
async fn every_account_meets_a_deployments_faults_on_its_own_count() {
    let app = with_deployment_faults(ECHO, "[{ times = 1, effect = { status = 503 } }]").await;
    let made = app.request(Method::POST, "/_mynah/accounts").json(&json!({})).send().await;
    let own = made.json()["key"].as_str().unwrap().to_owned();
    let path = format!("/v1/runner/{ECHO}");
    for key in [KEY, &own] {
        for status in [503, 200] {
            let request = app.request(Method::POST, &path).key(key).json(&said("Hi"));
            assert_eq!(request.send_expecting_5xx().await.status, status);
        }
    }
    let reset = app.request(Method::POST, "/_mynah/accounts/demo/reset").json(&json!({}));
    reset.send().await.good();
    assert_eq!(post(&app, &path, &said("Hi")).await.status, 503);
}

#[tokio::test]
async fn a_model_can_carry_faults() {
    let models = r#"
        [[llm]]
        id = "model_bad"
        name = "Bad"
        max_context = 1000
        cost_per_1k_tokens = "1"
        faults = [
            { times = 1, effect = { status = 503, retry_after = 7 } },
            { times = 1, effect = { drop = "before_answer" } },
            { times = 1, effect = { body = "empty" } },
        ]

        [[llm]]
        id = "model_good"
        name = "Good"
        max_context = 1000
        cost_per_1k_tokens = "1"

        [[sd_model]]
        id = "sd_bad"
        name = "Bad"
        cost_per_image = "1"
        faults = [{ times = 2, effect = { status = 502 } }]
    "#;
    let app = TestApp::with_fixtures(&[("accounts.toml", ACCOUNTS), ("models.toml", models)]).await;
    let before = balance(&app).await;
    let with = |llm: &str| json!({"llm_id": llm, "messages": [{"role": "user", "content": "Hi"}]});
    let path = "/api/v1/completions";
    let refused = post(&app, path, &with("model_bad")).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("7")));
    assert!(sent(&app, path, &with("model_bad")).await.unwrap_err().is_request());
    assert_eq!(balance(&app).await, before);
    assert_eq!(post(&app, path, &with("model_bad")).await.body, "");
    assert_ne!(balance(&app).await, before);
    post(&app, path, &with("model_bad")).await.good();
    post(&app, path, &with("model_good")).await.good();
    let image = json!({"prompt": "A cat", "sd_model_id": "sd_bad"});
    let agent = json!({"name": "A", "sd_model_id": "sd_bad"});
    assert_eq!(post(&app, "/api/v1/images", &image).await.status, 502);
    assert_eq!(post(&app, "/api/v1/agents", &agent).await.status, 502);
    assert_eq!(post(&app, "/api/v1/images", &image).await.status, 201);
}

#[test]
fn what_is_wrong_with_a_fault_in_the_fixtures_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.toml");
    let text = r#"
[[deployment]]
id = "D"
account = "demo"
model = "m"
faults = [
    { effect = { status = 200 } },
    { when = { api = "characters" }, effect = { status = 503 } },
    { when = { nth = 0 }, effect = { status = 503 } },
]

[[llm]]
id = "M"
name = "M"
max_context = 1
cost_per_1k_tokens = "0"
faults = [
    { when = { route = "/api/v1/completions" }, effect = { status = 503 } },
    { effect = { break_after = 1 } },
]
"#;
    std::fs::write(&file, format!("{ACCOUNTS}{text}")).unwrap();
    let found = mynah::service::fixtures::read(folder.path()).unwrap_err();
    let FixturesError::Faulty { faults, .. } = found else { panic!("{found}") };
    let first = u32::try_from(ACCOUNTS.lines().count()).unwrap();
    let said: Vec<String> = faults
        .iter()
        .map(|fault| {
            let line = u32::try_from(fault.line).unwrap() - first;
            format!("{line}: {}", fault.message)
        })
        .collect();
    assert_eq!(
        said,
        [
            "7: deployment[0].faults[0].effect.status: must be a whole number from 400 to 599",
            "8: deployment[0].faults[1].when.api: is not an API that this answers to",
            "9: deployment[0].faults[2].when.nth: must be a whole number of 1 or more",
            "18: llm[0].faults[0].when.route: is for the faults of deployments and accounts, not \
             of models",
            "19: llm[0].faults[1].effect.break_after: is for streams, and `when` lets none through",
        ]
    );
}

// --- accounts apart ------------------------------------------------------------------------------

/// Each account has a clock and faults of its own: every second a status, every third a delay that
/// only its own clock ends, every other an answer as it should be.
#[tokio::test]
async fn sixty_four_clients_in_accounts_of_their_own_never_meet_each_others_faults() {
    let app = TestApp::start().await;
    let client = async |number: usize| {
        let asked = json!({"clock": format!("20{:02}-01-01T00:00:00Z", number % 64 + 10)});
        let made = app.request(Method::POST, "/_mynah/accounts").json(&asked).send().await.json();
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        let (id, key) = (text("id"), text("key"));
        let status = 500 + u16::try_from(number).unwrap();
        let effect = match number % 3 {
            0 => json!({ "status": status }),
            1 => json!({ "delay_ms": 60_000, "status": status }),
            _ => json!({ "content_type": format!("text/x-{number}") }),
        };
        let times = 1 + number % 4;
        fault_of(&app, &id, &json!({ "times": times, "effect": effect })).await;
        for request in 0..6 {
            let (path, body) = if request % 2 == 0 { (RUN, said("Hi")) } else { (MESSAGES, hi()) };
            let asked = app.request(Method::POST, path).key(&key);
            let asked = asked.header("authorization", bearer(&key)).json(&body);
            let mut answer = Box::pin(asked.send_expecting_5xx());
            let meets = request < times;
            if meets && number % 3 == 1 {
                for _ in 0..5 {
                    assert!(
                        futures::poll!(&mut answer).is_pending(),
                        "{number} waits for its clock"
                    );
                    app.settle().await;
                }
                app.clock(&id).advance(Duration::from_mins(1));
            }
            let answer = answer.await;
            let typed = answer.header("content-type").unwrap().to_owned();
            match (meets, number % 3) {
                (true, 0 | 1) => assert_eq!(answer.status, status, "{number}"),
                (true, _) => assert_eq!(typed, format!("text/x-{number}")),
                (false, _) => {
                    assert!(answer.status.is_success(), "{number}: {}", answer.body);
                    assert_eq!(typed, "application/json");
                }
            }
        }
    };
    join_all((0..64).map(client)).await;
}
