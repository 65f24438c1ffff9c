//! Runner API, "Errors", 429: none by default; where the fixtures set a limit, it is a window.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::support::{CONVERSATION, DEPLOYMENT, ECHO, KEY, NOW, PUBLIC, TestApp, text_body};

const ALL: &str = "/v1/runner/conversations";

#[tokio::test]
async fn no_limit_applies_by_default() {
    let app = TestApp::start().await;
    for key in [KEY, "free_api_key"] {
        for _ in 0..150 {
            let answer = app.runner_as(key).list_conversations("").await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("x-ratelimit-limit"), None);
        }
    }
}

#[tokio::test]
async fn a_limit_of_the_plan_answers_429_with_retry_after() {
    let app = TestApp::with_runner_limit(2).await;
    app.clock("demo").advance(Duration::from_secs(13));
    app.runner().list_conversations("").await.good();
    app.runner().run(ECHO, "Hi").await.good();
    let refused = app.runner().run(ECHO, "Hi").await;
    let error = refused.runner_error(429, "rate_limit_error", "rate_limited");
    assert_eq!(error["param"], json!(null));
    assert_eq!(refused.header("retry-after"), Some("47"));
}

#[tokio::test]
async fn the_limit_is_a_window_that_refills_whole_and_not_before() {
    let app = TestApp::with_runner_limit(3).await;
    let clock = app.clock("demo");
    for _ in 0..3 {
        for _ in 0..3 {
            assert_eq!(app.runner().list_conversations("").await.status, 200);
        }
        assert_eq!(app.runner().list_conversations("").await.header("retry-after"), Some("60"));
        clock.advance(Duration::from_secs(59));
        let refused = app.runner().list_conversations("").await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("1")));
        clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn every_answer_under_a_limit_tells_limit_remaining_and_reset() {
    let app = TestApp::with_runner_limit(2).await;
    let now: chrono::DateTime<chrono::Utc> = NOW.parse().unwrap();
    let reset = (now.timestamp() + 60).to_string();
    for remaining in ["1", "0", "0"] {
        let answer = app.runner().list_conversations("").await;
        assert_eq!(answer.header("x-ratelimit-limit"), Some("2"));
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(remaining));
        assert_eq!(answer.header("x-ratelimit-reset"), Some(reset.as_str()));
    }
}

#[tokio::test]
async fn a_request_that_is_refused_as_invalid_counts_all_the_same() {
    let app = TestApp::with_runner_limit(2).await;
    app.runner()
        .run(DEPLOYMENT, json!({}))
        .await
        .invalid_request("missing_required_field", "content");
    app.request(Method::POST, &format!("/v1/runner/{ECHO}")).key(KEY).body("{").await;
    app.runner().run(ECHO, "Hi").await.runner_error(429, "rate_limit_error", "rate_limited");
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let app = TestApp::with_runner_limit(1).await;
    app.runner().list_conversations("").await.good();
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation");
    app.post(&path, &text_body("Hi")).await.runner_error(429, "rate_limit_error", "rate_limited");
    app.clock("demo").advance(Duration::from_mins(1));
    assert!(app.runner().conversation_ids("").await.is_empty());
}

#[tokio::test]
async fn the_limit_is_the_accounts_whatever_its_keys_and_paths() {
    let app = TestApp::with_runner_limit(4).await;
    let get = |path: &str, key: &str| app.request(Method::GET, path).key(key).send();
    assert_eq!(get(ALL, KEY).await.status, 200);
    assert_eq!(get(ALL, "your_api_key_here").await.status, 200);
    let messages = format!("/v1/runner/conversation/{CONVERSATION}/messages");
    assert_eq!(get(&messages, KEY).await.status, 404);
    let public = app.request(Method::POST, &format!("/v1/runner/{PUBLIC}"));
    let public = public.header("origin", "https://example.com").json(&text_body("Hi"));
    public.await.good();
    for key in [KEY, "your_api_key_here"] {
        get(ALL, key).await.runner_error(429, "rate_limit_error", "rate_limited");
    }
    for key in ["free_api_key", "other_api_key", "broke_api_key"] {
        assert_eq!(get(ALL, key).await.status, 200, "{key}");
    }
}

#[tokio::test]
async fn a_preflight_and_a_wrong_key_count_against_no_limit() {
    let app = TestApp::with_runner_limit(1).await;
    for _ in 0..5 {
        let preflight = app.request(Method::OPTIONS, ALL).header("origin", "https://a.org");
        let preflight = preflight.header("access-control-request-method", "GET");
        let preflight = preflight.header("access-control-request-headers", "x-api-key");
        assert_eq!(preflight.await.status, 200);
        assert_eq!(app.runner_as("wrong").list_conversations("").await.status, 401);
    }
    app.runner().list_conversations("").await.good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_clients_at_once_get_exactly_the_limit() {
    let app = TestApp::with_runner_limit(37).await;
    for _ in 0..3 {
        let answers = join_all((0..100).map(|_| app.runner().list_conversations("").send())).await;
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(good, 37);
        assert!(answers.iter().all(|answer| [200, 429].contains(&answer.status.as_u16())));
        app.clock("demo").advance(Duration::from_mins(1));
    }
}
