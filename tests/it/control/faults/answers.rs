//! Effects on answers: refusals, delays, dropped connections, spoilt bodies.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    CONVERSATION_STREAM, HOUR, MESSAGES, RUN, STREAM, add_effect, add_fault, balance, bearer,
    delete_faults, get, get_undocumented, hi, post, post_undocumented, post_with_client,
};
use crate::support::raw::{RawConnection, StreamEvent, chunk};
use crate::support::{ECHO, KEY, TestApp, continue_body, text_body};

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
        add_effect(&app, json!({ "status": status })).await;
        for path in [RUN, STREAM, CONVERSATION_STREAM] {
            let refused = post_undocumented(&app, path, &text_body("Hi")).await;
            assert_eq!(refused.runner_error(status, kind, code)["param"], Value::Null);
        }
        get_undocumented(&app, "/v1/runner/conversations").await.runner_error(status, kind, code);
        delete_faults(&app).await;
    }
}

#[tokio::test]
async fn a_status_comes_in_the_runner_apis_other_envelope_where_that_is_asked_for() {
    let app = TestApp::with(|config| {
        config.runner.errors = mynah::http::apis::runner::ErrorStyle::FastApi;
    })
    .await;
    add_effect(&app, json!({ "status": 503 })).await;
    let refused = post(&app, RUN, &text_body("Hi")).await;
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
        add_effect(&app, json!({ "status": status })).await;
        for refused in [
            get_undocumented(&app, "/api/v1/models?type=llm").await,
            post_undocumented(&app, MESSAGES, &hi()).await,
        ] {
            assert_eq!(refused.status, status);
            assert_eq!(refused.json(), json!({ "error": error }));
        }
        delete_faults(&app).await;
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
        add_effect(&app, asked).await;
        for refused in
            [get(&app, "/v1/runner/conversations").await, get(&app, "/api/v1/agents").await]
        {
            assert_eq!(refused.header("retry-after"), told);
        }
        delete_faults(&app).await;
    }
}

#[tokio::test]
async fn a_fault_chooses_the_envelope_of_the_runner_api() {
    let app = TestApp::start().await;
    let message = "the service is temporarily unavailable";
    for (envelope, body) in [
        (
            "openai",
            json!({"error": {
                "type": "api_error",
                "message": message,
                "param": null,
                "code": "service_unavailable",
            }}),
        ),
        ("fastapi", json!({ "detail": message })),
        (
            "detail_object",
            json!({"detail": {
                "message": message,
                "code": "service_unavailable",
                "type": "api_error",
            }}),
        ),
    ] {
        add_effect(&app, json!({"status": 503, "envelope": envelope})).await;
        let refused = get_undocumented(&app, "/v1/runner/conversations").await;
        assert_eq!((refused.status.as_u16(), refused.json()), (503, body));
        let refused = get(&app, "/api/v1/agents").await;
        assert_eq!(refused.json(), json!({ "error": message }));
        delete_faults(&app).await;
    }
}

#[tokio::test]
async fn what_a_fault_refuses_is_not_stored_or_charged_but_counts_against_the_limit() {
    let app = TestApp::start().await;
    let before = (balance(&app).await, get(&app, MESSAGES).await.json());
    let id = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    add_effect(&app, json!({ "status": 503 })).await;
    for path in ["/v1/runner/ECHO_DEPLOYMENT_ID/conversation", CONVERSATION_STREAM] {
        assert_eq!(post(&app, path, &continue_body(&id, "again")).await.status, 503);
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
    delete_faults(&app).await;
    assert_eq!(app.runner().messages(&id).await.len(), 2);
    assert_eq!((balance(&app).await, get(&app, MESSAGES).await.json()), before);
}

#[tokio::test]
async fn faults_come_after_authentication_and_limits() {
    let app = TestApp::start().await;
    add_effect(&app, json!({ "status": 503 })).await;
    let stranger = app.request(Method::GET, "/api/v1/agents").header("authorization", "Bearer x");
    assert_eq!(stranger.await.status, 401);
    let forbidden = post(&app, "/v1/runner/OTHER_DEPLOYMENT_ID", &text_body("Hi")).await;
    forbidden.runner_error(403, "auth_error", "deployment_forbidden");
    let free = json!({ "effect": { "status": 503 } });
    let id = app.control().account("demo-free").add_fault(&free).await.created_id();
    let ask = || {
        app.request(Method::GET, "/api/v1/agents").header("authorization", bearer("free_api_key"))
    };
    for _ in 0..5 {
        assert_eq!(ask().send_expecting_5xx().await.status, 503);
    }
    assert_eq!(ask().await.status, 429);
    let all = app.control().account("demo-free").faults().await.good();
    assert_eq!((&all[0]["id"], &all[0]["matched"]), (&json!(id), &json!(5)));
}

#[tokio::test]
async fn a_delay_comes_before_the_answer() {
    let app = TestApp::start().await;
    add_effect(&app, json!({ "delay_ms": 3_600_000 })).await;
    let run = text_body("Hi");
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
    add_effect(&app, json!({ "delay_ms": 3_600_000, "status": 504 })).await;
    let run = text_body("Hi");
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
    let id = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    add_effect(&app, json!({ "drop": "before_answer" })).await;
    let again = continue_body(&id, "again");
    for (path, body) in [
        ("/v1/runner/ECHO_DEPLOYMENT_ID/conversation", &again),
        (CONVERSATION_STREAM, &again),
        (MESSAGES, &hi()),
    ] {
        assert!(post_with_client(&app, path, body).await.unwrap_err().is_request(), "{path}");
        let mut raw = RawConnection::connect(app.address).await;
        let headers = format!(
            "x-api-key: {KEY}\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n"
        );
        raw.request("POST", path, &headers, &body.to_string()).await;
        assert_eq!(
            raw.read_to_end().await.unwrap_err().kind(),
            std::io::ErrorKind::ConnectionReset
        );
    }
    delete_faults(&app).await;
    assert_eq!(app.runner().messages(&id).await.len(), 2);
    assert_eq!((balance(&app).await, get(&app, MESSAGES).await.json()), before);
}

/// The fault that makes clients duplicate messages.
#[tokio::test]
async fn an_answer_lost_after_the_commit_is_stored_and_charged() {
    let app = TestApp::start().await;
    let before = (balance(&app).await, get(&app, MESSAGES).await.json());
    let id = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    add_fault(&app, json!({ "times": 2, "effect": { "drop": "after_commit" } })).await;
    let again = continue_body(&id, "again");
    let path = "/v1/runner/ECHO_DEPLOYMENT_ID/conversation";
    assert!(post_with_client(&app, path, &again).await.unwrap_err().is_request());
    assert!(post_with_client(&app, MESSAGES, &hi()).await.unwrap_err().is_request());
    assert_eq!(app.runner().messages(&id).await.len(), 4);
    let after = (balance(&app).await, get(&app, MESSAGES).await.json());
    assert_eq!(after.1.as_array().unwrap().len(), before.1.as_array().unwrap().len() + 2);
    assert_ne!(after.0, before.0);
    // The client tries again, and has said it twice.
    post_with_client(&app, path, &again).await.unwrap();
    assert_eq!(app.runner().messages(&id).await.len(), 6);
}

#[tokio::test]
async fn a_stream_lost_after_the_commit_has_all_words_but_no_end() {
    let app = TestApp::start().await;
    let id = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    add_effect(&app, json!({ "drop": "after_commit" })).await;
    let mut raw = app.runner().open_conversation_stream(ECHO, &id, "one two").await;
    assert_eq!(raw.next_event().await, chunk("one "));
    assert_eq!(raw.next_event().await, chunk("two"));
    assert_eq!(raw.next_event().await, StreamEvent::Broken);
    let broken =
        post_with_client(&app, CONVERSATION_STREAM, &continue_body(&id, "one two")).await.unwrap();
    assert!(broken.bytes().await.is_err());
    delete_faults(&app).await;
    let messages = app.runner().messages(&id).await;
    assert_eq!(messages.len(), 6);
    assert_eq!((&messages[3]["content"], messages[3].get("metadata")), (&json!("one two"), None));
}

#[tokio::test]
async fn what_was_refused_anyway_is_told_though_answers_are_lost() {
    let app = TestApp::start().await;
    add_effect(&app, json!({ "drop": "after_commit" })).await;
    post(&app, RUN, &json!({})).await.invalid_request("missing_required_field", "content");
}

#[tokio::test]
async fn a_body_can_be_empty_truncated_or_malformed() {
    let app = TestApp::start().await;
    let models = "/api/v1/models?type=llm";
    for path in ["/v1/runner/conversations", models, "/api/v1/conversations/conv_123abc"] {
        let good = get(&app, path).await.body;
        for how in ["empty", "truncated", "malformed"] {
            add_effect(&app, json!({ "body": how })).await;
            let spoilt = get_undocumented(&app, path).await;
            delete_faults(&app).await;
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
    let before = app.runner().conversation_ids("").await.len();
    add_effect(&app, json!({ "body": "truncated" })).await;
    post_undocumented(&app, "/v1/runner/ECHO_DEPLOYMENT_ID/conversation", &text_body("Hi")).await;
    delete_faults(&app).await;
    assert_eq!(app.runner().conversation_ids("").await.len(), before + 1);
}

#[tokio::test]
async fn an_answer_can_be_said_to_be_of_another_type() {
    let app = TestApp::start().await;
    add_effect(&app, json!({ "content_type": "text/html; charset=utf-8" })).await;
    let run = text_body("Hi");
    for (path, body) in [(RUN, &run), (STREAM, &run), (MESSAGES, &hi())] {
        let answer = post_undocumented(&app, path, body).await;
        assert!(answer.status.is_success());
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(!answer.body.is_empty());
    }
}
