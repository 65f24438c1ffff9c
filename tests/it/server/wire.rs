//! What both APIs have in common on the wire, as the Runner API shows it: times, request ids,
//! bodies, unknown paths and methods, CORS, and connections that live on after a refusal.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::raw::RawConnection;
use crate::support::{CONVERSATION, DEPLOYMENT, ECHO, KEY, NOW, PUBLIC, TestApp, text_body};

const RUN: &str = "/v1/runner/YOUR_DEPLOYMENT_ID";
/// The largest body that is taken.
const TEN_MIB: usize = 10 * 1024 * 1024;

// --- times ---------------------------------------------------------------------------------------

#[tokio::test]
async fn times_are_whole_seconds_in_utc() {
    let app = TestApp::start().await;
    app.clock("demo").advance(Duration::from_millis(1999));
    let id = app.runner().start_conversation(DEPLOYMENT, "Hello").await.conversation_id();
    let conversation = &app.runner().list_conversations("").await.good()["items"][0];
    for time in [&conversation["created_at"], &conversation["updated_at"]] {
        assert_eq!(time, "2026-05-01T12:00:01Z");
    }
    assert_eq!(app.runner().messages(&id).await[0]["created_at"], "2026-05-01T12:00:01Z");
    let answer = app.runner().continue_conversation(DEPLOYMENT, &id, "Hello").await.good();
    assert_eq!(answer["updated_at"], "2026-05-01T12:00:01Z");
}

#[tokio::test]
async fn a_frozen_clock_gives_the_time_of_everything() {
    let app = TestApp::start().await;
    let body = text_body("Hello");
    let answer = app.runner().start_conversation(DEPLOYMENT, &body).await.good();
    assert_eq!((&answer["created_at"], &answer["updated_at"]), (&json!(NOW), &json!(NOW)));
}

// --- request ids ---------------------------------------------------------------------------------

fn is_minted(id: &str) -> bool {
    id.strip_prefix("req_")
        .is_some_and(|rest| rest.len() == 20 && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[tokio::test]
async fn every_answer_carries_a_request_id() {
    let app = TestApp::start().await;
    let get = |path: &str| app.request(Method::GET, path);
    let messages = format!("/v1/runner/conversation/{CONVERSATION}/messages");
    let answers = [
        app.runner().run(DEPLOYMENT, "Hello").await,
        app.post(&format!("{RUN}/stream"), &text_body("Hello")).await,
        app.get(&messages).await,
        app.runner().list_conversations("").await,
        app.post(RUN, &json!({})).await,
        get("/v1/runner/conversations").send().await,
        get("/v1/runner/a/b/c/d").send().await,
        get(RUN).send().await,
        get("/nowhere").send().await,
        app.request(Method::OPTIONS, RUN).header("origin", "https://a.org").await,
    ];
    let ids: Vec<&str> = answers.iter().map(|a| a.header("x-request-id").unwrap()).collect();
    for (index, id) in ids.iter().enumerate() {
        assert!(is_minted(id), "{id}");
        assert!(!ids[..index].contains(id), "{id} is given twice");
    }
}

#[tokio::test]
async fn the_request_id_in_the_body_is_the_one_in_the_header() {
    let app = TestApp::start().await;
    for path in [RUN.to_owned(), format!("{RUN}/conversation")] {
        let answer = app.post(&path, &text_body("Hello")).await;
        let in_body = answer.good()["request_id"].as_str().unwrap().to_owned();
        assert_eq!(Some(in_body.as_str()), answer.header("x-request-id"));
    }
}

#[tokio::test]
async fn a_clients_own_request_id_is_kept() {
    let app = TestApp::start().await;
    for own in ["a", "trace/1;x=!~", &"x".repeat(128)] {
        let request = app.request(Method::POST, RUN).key(KEY).header("x-request-id", own);
        let answer = request.json(&text_body("Hello")).await;
        assert_eq!(answer.header("x-request-id"), Some(own));
        assert_eq!(answer.good()["request_id"], own);
        let refused = app.request(Method::GET, RUN).header("x-request-id", own).await;
        assert_eq!(refused.header("x-request-id"), Some(own));
    }
}

#[tokio::test]
async fn a_request_id_that_is_too_long_or_not_visible_ascii_is_replaced() {
    let app = TestApp::start().await;
    for own in ["", "a b", "a\tb", "\u{e9}", &"x".repeat(129)] {
        let request = app.request(Method::POST, RUN).key(KEY).header("x-request-id", own);
        let answer = request.json(&text_body("Hello")).await;
        let id = answer.header("x-request-id").unwrap();
        assert!(is_minted(id), "{own:?} became {id}");
        assert_eq!(answer.good()["request_id"], id);
    }
}

// --- bodies --------------------------------------------------------------------------------------

#[tokio::test]
async fn a_json_content_type_may_have_parameters_and_any_case() {
    let app = TestApp::start().await;
    for content_type in
        ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
    {
        let request = app.request(Method::POST, RUN).key(KEY);
        let request = request.header("content-type", content_type);
        request.untyped_body(text_body("Hello").to_string()).await.good();
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_415() {
    let app = TestApp::start().await;
    let body = text_body("Hello").to_string();
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", "\u{e9}"]
    {
        let request = app.request(Method::POST, RUN).key(KEY);
        let request = request.header("content-type", content_type);
        let answer = request.untyped_body(body.clone()).await;
        answer.runner_error(415, "invalid_request_error", "unsupported_media_type");
    }
    let untyped = app.request(Method::POST, RUN).key(KEY).untyped_body(body).await;
    let error = untyped.runner_error(415, "invalid_request_error", "unsupported_media_type");
    assert_eq!(error["param"], json!(null));
}

/// A valid body of so many bytes.
fn body_of(length: usize) -> String {
    let body = text_body("Hello").to_string();
    let padding = " ".repeat(length - body.len());
    format!("{body}{padding}")
}

#[tokio::test]
async fn a_body_of_ten_mebibytes_is_taken_and_one_byte_more_is_413() {
    let app = TestApp::start().await;
    let send = |body: String| app.request(Method::POST, RUN).key(KEY).body(body).send();
    send(body_of(TEN_MIB)).await.good();
    let error = send(body_of(TEN_MIB + 1)).await.runner_error(
        413,
        "invalid_request_error",
        "request_too_large",
    );
    assert_eq!(error["param"], json!(null));
}

#[tokio::test]
async fn a_large_body_is_413_too_when_its_length_is_not_announced() {
    let app = TestApp::start().await;
    for (length, status) in [(TEN_MIB, 200), (TEN_MIB + 1, 413)] {
        let bytes: Vec<Result<String, std::io::Error>> = vec![Ok(body_of(length))];
        let body = reqwest::Body::wrap_stream(futures::stream::iter(bytes));
        let answer = app.request(Method::POST, RUN).key(KEY).body(body).await;
        assert_eq!(answer.status, status);
    }
}

/// A client that sends everything before it looks for an answer.
#[tokio::test]
async fn a_body_many_times_too_large_is_413_too_and_no_broken_connection() {
    let app = TestApp::start().await;
    let mut raw = RawConnection::connect(app.address).await;
    let headers = "x-api-key: YOUR_API_KEY\r\ncontent-type: application/json\r\n";
    raw.request("POST", RUN, headers, &"x".repeat(4 * TEN_MIB)).await;
    assert_eq!(raw.response().await.0, 413);
    raw.post(RUN, &text_body("Hello")).await;
    assert_eq!(raw.response().await.0, 200);
}

#[tokio::test]
async fn broken_json_is_400_and_names_line_and_column() {
    let app = TestApp::start().await;
    let cases = [
        ("{\"content\":\n  [}", 2, 4),
        ("{\"content\": [{\"type\": \"text\", \"text\": \"Hi\"}]", 1, 44),
        ("{\"content\": []} x", 1, 17),
        ("nonsense", 1, 2),
        ("{\"content\": [{\"type\": \"text\", \"text\": \"\\ud800\"}]}", 1, 46),
    ];
    for (body, line, column) in cases {
        let answer = app.request(Method::POST, RUN).key(KEY).body(body).await;
        let error = answer.runner_error(400, "invalid_request_error", "invalid_json");
        assert_eq!(error["param"], json!(null));
        let message = error["message"].as_str().unwrap();
        let place = format!("line {line}, column {column}");
        assert!(message.ends_with(&place), "{message} should end in {place}");
    }
}

#[tokio::test]
async fn an_empty_body_bytes_that_are_no_text_and_endless_nesting_are_broken_json() {
    let app = TestApp::start().await;
    let nested = format!("{{\"variables\": {{\"a\": {}", "[".repeat(100_000));
    for body in [Vec::new(), vec![0xff, 0xfe], b"{\"content\": \"\xff\"}".to_vec(), nested.into()] {
        let answer = app.request(Method::POST, RUN).key(KEY).body(body).await;
        answer.runner_error(400, "invalid_request_error", "invalid_json");
    }
}

#[tokio::test]
async fn a_body_that_is_no_object_is_an_invalid_type() {
    let app = TestApp::start().await;
    for body in ["[]", "\"text\"", "5", "null", "[[{\"type\": \"text\", \"text\": \"Hi\"}], {}]"] {
        let answer = app.request(Method::POST, RUN).key(KEY).body(body).await;
        let error = answer.runner_error(400, "invalid_request_error", "invalid_type");
        assert_eq!(error["param"], json!(null), "{body}");
    }
}

#[tokio::test]
async fn a_field_given_twice_is_an_invalid_value() {
    let app = TestApp::start().await;
    let body = r#"{"content": [], "content": [{"type": "text", "text": "Hi"}]}"#;
    let answer = app.request(Method::POST, RUN).key(KEY).body(body).deliberately_invalid().await;
    answer.invalid_request("invalid_value", "content");
}

// --- paths and methods ---------------------------------------------------------------------------

#[tokio::test]
async fn an_unknown_path_is_404_in_the_envelope_of_its_api() {
    let app = TestApp::start().await;
    for path in [
        "/v1/runner",
        "/v1/runner/",
        "/v1/runner/a/b/c/d",
        "/v1/runner/YOUR_DEPLOYMENT_ID/",
        "/v1/runner/YOUR_DEPLOYMENT_ID/nothing",
        "/v1/runner/conversation/messages/x",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = app.request(method, path).key(KEY).await;
            answer.runner_error(404, "invalid_request_error", "not_found");
        }
    }
}

#[tokio::test]
async fn a_path_of_neither_api_is_404() {
    let app = TestApp::start().await;
    for path in ["/", "/v1/runners", "/v1", "/favicon.ico"] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_and_allow_names_the_right_ones() {
    let app = TestApp::start().await;
    let messages = format!("/v1/runner/conversation/{CONVERSATION}/messages");
    let paths = [
        (RUN.to_owned(), "POST"),
        (format!("{RUN}/stream"), "POST"),
        (format!("{RUN}/conversation"), "POST"),
        (format!("{RUN}/conversation/stream"), "POST"),
        (messages, "GET,HEAD"),
        ("/v1/runner/conversations".to_owned(), "GET,HEAD"),
        (format!("{RUN}/conversations"), "GET,HEAD"),
    ];
    for (path, allowed) in paths {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if allowed.contains(method.as_str()) {
                continue;
            }
            let answer = app.request(method, &path).await;
            answer.runner_error(405, "invalid_request_error", "method_not_allowed");
            assert_eq!(answer.header("allow"), Some(allowed), "{path}");
        }
    }
}

// --- connections ---------------------------------------------------------------------------------

#[tokio::test]
async fn a_connection_is_usable_after_each_refusal() {
    let app = TestApp::start().await;
    let mut raw = RawConnection::connect(app.address).await;
    let large = "x".repeat(TEN_MIB + 1);
    let good = text_body("Hello").to_string();
    let json = "content-type: application/json\r\n";
    let key = "x-api-key: YOUR_API_KEY\r\n";
    let with_key = format!("{json}{key}");
    let refusals = [
        ("POST", RUN, json.to_owned(), good.as_str(), 401),
        ("POST", RUN, format!("{json}x-api-key: wrong\r\n"), &good, 401),
        ("POST", "/v1/runner/OTHER_DEPLOYMENT_ID", with_key.clone(), &good, 403),
        ("POST", "/v1/runner/PUBLIC_DEPLOYMENT_ID", json.to_owned(), &good, 403),
        ("POST", "/v1/runner/NOT_A_DEPLOYMENT", with_key.clone(), &good, 404),
        ("POST", "/v1/runner/a/b/c/d", with_key.clone(), &good, 404),
        ("PUT", RUN, with_key.clone(), &good, 405),
        ("POST", RUN, key.to_owned(), &good, 415),
        ("POST", RUN, with_key.clone(), "{", 400),
        ("POST", RUN, with_key.clone(), "{}", 400),
        ("POST", RUN, with_key.clone(), &large, 413),
        ("POST", RUN, json.to_owned(), &large, 401),
        ("POST", "/v1/runner/a/b/c/d", with_key.clone(), &large, 404),
    ];
    for (method, path, headers, body, status) in refusals {
        raw.request(method, path, &headers, body).await;
        let (answered, _, said) = raw.response().await;
        assert_eq!(answered, status, "{said}");
        raw.request("POST", RUN, &with_key, &good).await;
        assert_eq!(raw.response().await.0, 200, "after {status} at {path}");
    }
}

#[tokio::test]
async fn a_connection_is_usable_after_a_stream() {
    let app = TestApp::start().await;
    let mut raw = RawConnection::connect(app.address).await;
    for _ in 0..3 {
        raw.post(&format!("/v1/runner/{ECHO}/stream"), &text_body("one two")).await;
        assert_eq!(raw.stream().await, ["one ", "two"]);
    }
}

// --- CORS ----------------------------------------------------------------------------------------

#[tokio::test]
async fn a_preflight_needs_no_key_and_names_every_header_it_was_asked_for() {
    let app = TestApp::start().await;
    for path in [
        RUN,
        "/v1/runner/conversations",
        "/v1/runner/OTHER_DEPLOYMENT_ID/stream",
        "/v2/runner/AGENT_DEPLOYMENT_ID/conversation",
    ] {
        let answer = app
            .request(Method::OPTIONS, path)
            .header("origin", "https://app.example.org")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-api-key,authorization,x-a")
            .await;
        assert!(answer.status.is_success(), "{}", answer.status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let headers = answer.header("access-control-allow-headers").unwrap();
        assert_eq!(headers, "content-type,x-api-key,authorization,x-a");
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert!(methods.contains("GET") && methods.contains("POST"), "{methods}");
    }
}

#[tokio::test]
async fn there_is_no_preflight_for_a_path_that_is_not_there() {
    let app = TestApp::start().await;
    for path in ["/v1/runner/a/b/c/d", "/v1/runner/", "/api/v1/nothing", "/images"] {
        let preflight = app.request(Method::OPTIONS, path).header("origin", "https://a.org");
        let answer = preflight.header("access-control-request-method", "POST").await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert!(answer.json()["error"].to_string().contains("there is nothing at this path"));
    }
}

#[tokio::test]
async fn any_origin_may_read_answers_refusals_and_streams() {
    let app = TestApp::start().await;
    for (path, key, status) in [
        (RUN.to_owned(), KEY, 200),
        (format!("{RUN}/stream"), KEY, 200),
        (RUN.to_owned(), "wrong", 401),
        (format!("/v1/runner/{PUBLIC}"), KEY, 403),
        ("/v1/runner/a/b/c/d".to_owned(), KEY, 404),
    ] {
        let request = app.request(Method::POST, &path).key(key);
        let request = request.header("origin", "https://anywhere.org").json(&text_body("Hello"));
        let answer = request.await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        let exposed = answer.header("access-control-expose-headers").unwrap().to_lowercase();
        for name in [
            "x-request-id",
            "retry-after",
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
        ] {
            assert!(exposed.split(',').any(|found| found.trim() == name), "{name} in {exposed}");
        }
    }
}

// --- secrets -------------------------------------------------------------------------------------

#[tokio::test]
async fn no_answer_repeats_a_key_or_shows_the_inside() {
    let rules = r#"
        [[rule]]
        when = { contains = "break" }
        reply = [{ text = "{{ 1 // 0 }}" }]
    "#;
    let app = TestApp::with_rules(rules).await;
    let secret = "sk_live_secret";
    let send = |path: &str, key: &str, body: &str| {
        let request = app.request(Method::POST, path).key(key).body(body.to_owned());
        request.send_expecting_5xx()
    };
    let broken = text_body("break").to_string();
    let answers = [
        send(RUN, secret, "{}").await,
        send("/v1/runner/NOT_A_DEPLOYMENT", secret, "{}").await,
        send("/v1/runner/OTHER_DEPLOYMENT_ID", KEY, "{}").await,
        send(RUN, KEY, "{").await,
        send(RUN, KEY, &broken).await,
        send(&format!("{RUN}/stream"), KEY, &broken).await,
        send(&format!("{RUN}/conversation"), KEY, &broken).await,
    ];
    assert_eq!(answers.iter().filter(|answer| answer.status == 500).count(), 3);
    for answer in answers {
        let body = answer.body.to_lowercase();
        for word in [secret, "your_api_key", ".rs", "src/", "sql", "panicked", "stack", "minijinja"]
        {
            assert!(!body.contains(word), "{word} in {body}");
        }
    }
}

// --- bounds of a body ----------------------------------------------------------------------------

#[tokio::test]
async fn a_body_of_more_values_or_levels_than_anybody_needs_is_refused_and_names_the_bound() {
    let app = TestApp::start().await;
    let with = |value: &str| {
        let variables = format!("\"variables\":{{\"a\":{value}}}");
        format!("{{\"content\":[{{\"type\":\"text\",\"text\":\"Hi\"}}],{variables}}}")
    };
    let many = |count: usize| with(&format!("[{}0]", "0,".repeat(count - 1)));
    let deep = |levels: usize| with(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
    let run = format!("/v1/runner/{ECHO}");
    let send = async |body: String| app.request(Method::POST, &run).key(KEY).body(body).await;
    send(many(99_000)).await.good();
    send(deep(125)).await.good();
    let too_deep = "the body is not valid JSON: it is nested more than 127 levels deep at line 1";
    for (body, code, message) in [
        (many(100_000), "invalid_value", "the body must hold at most 100000 JSON values"),
        (deep(126), "invalid_json", too_deep),
        (deep(100_000), "invalid_json", too_deep),
    ] {
        let invalid = app.request(Method::POST, &run).key(KEY).body(body).deliberately_invalid();
        let error = invalid.await.runner_error(400, "invalid_request_error", code);
        let said = error["message"].as_str().unwrap();
        assert!(said.starts_with(message), "{said}");
    }
}

#[tokio::test]
async fn a_long_text_full_of_commas_is_one_value() {
    let app = TestApp::start().await;
    app.runner().run(DEPLOYMENT, &",[{".repeat(100_000)).await.good();
}
