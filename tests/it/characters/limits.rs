//! The plan's limit on the Characters API: Free 5 requests a minute, Pro 100.

use std::time::Duration;

use futures::future::join_all;
use mynah::config::Config;
use mynah::http::ResetStyle;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::characters::{BEARER, Characters};
use crate::support::{TestApp, TestResponse};

const MINUTE: Duration = Duration::from_mins(1);

/// The end of the window in which `support::NOW` lies.
fn window_end() -> i64 {
    chrono::DateTime::parse_from_rfc3339("2026-05-01T12:01:00Z").unwrap().timestamp()
}

/// `Remaining` of each admitted answer, sorted, and how many were refused.
#[track_caller]
fn counted(answers: &[TestResponse], limit: i64) -> (Vec<i64>, usize) {
    let mut left = Vec::new();
    let mut refused = 0;
    for answer in answers {
        assert_eq!(answer.integer_header("x-ratelimit-limit"), limit);
        if answer.status == 429 {
            answer.error_message(429);
            assert_eq!(answer.integer_header("x-ratelimit-remaining"), 0);
            refused += 1;
        } else {
            answer.good();
            assert_eq!(answer.header("retry-after"), None);
            left.push(answer.integer_header("x-ratelimit-remaining"));
        }
    }
    left.sort_unstable();
    (left, refused)
}

async fn many(api: Characters<'_>, requests: usize) -> Vec<TestResponse> {
    join_all((0..requests).map(|_| api.list_models("llm").send())).await
}

#[tokio::test]
async fn of_many_at_once_exactly_the_plans_limit_pass_in_each_window() {
    let app = TestApp::start().await;
    for (account, key, limit, asked) in
        [("demo-free", "free_api_key", 5, 30), ("demo", BEARER, 100, 150)]
    {
        for _ in 0..3 {
            let answers = many(app.characters_as(key), asked).await;
            let (left, refused) = counted(&answers, limit);
            assert_eq!(left, (0..limit).collect::<Vec<_>>(), "no gap, no repeat");
            assert_eq!(refused, asked - left.len());
            app.clock(account).advance(MINUTE);
        }
    }
}

#[tokio::test]
async fn remaining_counts_this_request_and_goes_down_one_by_one() {
    let app = TestApp::start().await;
    for left in [4, 3, 2, 1, 0] {
        let answer = app.characters_as("free_api_key").list_agents().await;
        answer.good();
        assert_eq!(answer.integer_header("x-ratelimit-remaining"), left);
    }
    app.characters_as("free_api_key").list_agents().await.error_message(429);
}

#[tokio::test]
async fn nothing_comes_back_before_the_window_ends_and_everything_after() {
    let app = TestApp::start().await;
    let api = app.characters_as("free_api_key");
    for _ in 0..5 {
        api.list_agents().await.good();
        app.clock("demo-free").advance(Duration::from_secs(11));
    }
    app.clock("demo-free").advance(Duration::from_secs(4));
    let last = api.list_agents().await;
    assert_eq!(
        last.error_message(429),
        "the rate limit of 5 requests a minute is reached; retry in 1s"
    );
    app.clock("demo-free").advance(Duration::from_secs(1));
    let first = api.list_agents().await;
    first.good();
    assert_eq!(first.integer_header("x-ratelimit-remaining"), 4);
    assert_eq!(first.integer_header("x-ratelimit-reset"), window_end() + 60);
}

#[tokio::test]
async fn reset_is_the_unix_time_of_the_windows_end_and_retry_after_agrees() {
    let app = TestApp::start().await;
    let api = app.characters_as("free_api_key");
    app.clock("demo-free").advance(Duration::from_secs(13));
    for _ in 0..5 {
        let answer = api.list_agents().await;
        assert_eq!(answer.integer_header("x-ratelimit-reset"), window_end());
    }
    let refused = api.list_agents().await;
    refused.error_message(429);
    assert_eq!(refused.integer_header("x-ratelimit-reset"), window_end());
    assert_eq!(refused.integer_header("retry-after"), 47);
    app.clock("demo-free").advance(Duration::from_secs(47));
    api.list_agents().await.good();
}

#[tokio::test]
async fn reset_in_the_delta_style_is_the_seconds_to_go() {
    let app = TestApp::with(|config: &mut Config| config.reset = ResetStyle::Delta).await;
    let api = app.characters_as("free_api_key");
    for gone in [0, 10, 20, 30, 40] {
        assert_eq!(api.list_agents().await.integer_header("x-ratelimit-reset"), 60 - gone);
        app.clock("demo-free").advance(Duration::from_secs(10));
    }
    let refused = api.list_agents().await;
    refused.error_message(429);
    assert_eq!(refused.integer_header("x-ratelimit-reset"), 10);
    assert_eq!(refused.integer_header("retry-after"), 10);
}

#[tokio::test]
async fn every_answer_to_a_known_key_carries_the_true_numbers() {
    let app = TestApp::start().await;
    let api = app.characters();
    let image = json!({"prompt": "x", "sd_model_id": "sd_model_456abc"});
    let form = || api.request(Method::POST, "/images").untyped_body("a=b");
    let large = format!("{{}}{}", " ".repeat(10 << 20));
    let broke = app.characters_as("broke_api_key").create_image(&image).await;
    assert_eq!((broke.status.as_u16(), broke.integer_header("x-ratelimit-remaining")), (402, 99));
    let answers = [
        (200, api.list_agents().await),
        (201, api.create_image(&image).await),
        (400, api.create_image(&json!({})).await),
        (400, api.post_text("/images", "{").await),
        (404, api.get_agent("nobody").await),
        (404, api.get("/nothing").await),
        (404, api.get("/").await),
        (405, api.request(Method::DELETE, "/agents").send().await),
        (413, api.post_text("/images", &large).await),
        (415, form().send().await),
    ];
    for (place, (status, answer)) in (1..).zip(&answers) {
        assert_eq!(answer.status.as_u16(), *status, "{}", answer.body);
        assert_eq!(answer.integer_header("x-ratelimit-limit"), 100, "{status}");
        assert_eq!(answer.integer_header("x-ratelimit-remaining"), 100 - place, "{status}");
        assert_eq!(answer.integer_header("x-ratelimit-reset"), window_end(), "{status}");
    }
}

#[tokio::test]
async fn a_500_carries_them_too() {
    let rule = "[[rule]]\nreply = [{ text = '{{ 1 / 0 }}' }]";
    let app = TestApp::with_character_rules(rule).await;
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "llm_id": "model_free"});
    let request = app.characters().request(Method::POST, "/completions").json(&body);
    let answer = request.send_expecting_5xx().await;
    answer.error_message(500);
    assert_eq!(answer.integer_header("x-ratelimit-remaining"), 999_999);
}

#[tokio::test]
async fn a_request_counts_even_if_it_is_then_refused() {
    let app = TestApp::start().await;
    let api = app.characters_as("free_api_key");
    for path in ["/images", "/agents", "/completions", "/conversations"] {
        api.post(path, &json!({})).await.error_message(400);
    }
    api.get("/nothing").await.error_message(404);
    api.list_agents().await.error_message(429);
}

#[tokio::test]
async fn unknown_keys_preflights_and_pictures_count_against_no_limit() {
    let app = TestApp::start().await;
    for _ in 0..10 {
        let preflight = app
            .characters_as("free_api_key")
            .request(Method::OPTIONS, "/agents")
            .header("origin", "https://app.example")
            .header("access-control-request-method", "GET");
        let answer = preflight.await;
        assert_eq!(answer.header("x-ratelimit-remaining"), None);
        let answer = app.characters_as("sk-nobody").list_agents().await;
        answer.error_message(401);
        assert_eq!(answer.header("x-ratelimit-limit"), None);
        let picture = app.request(Method::GET, "/images/nothing.png").bearer("free_api_key");
        assert_eq!(picture.await.header("x-ratelimit-limit"), None);
    }
    let answer = app.characters_as("free_api_key").list_agents().await;
    assert_eq!(answer.integer_header("x-ratelimit-remaining"), 4);
}

#[tokio::test]
async fn the_limit_is_the_accounts_and_not_the_keys() {
    let app = TestApp::start().await;
    let (one, two) = (app.characters_as("YOUR_API_KEY"), app.characters_as(BEARER));
    let mut answers = join_all((0..60).map(|_| one.list_agents().send())).await;
    answers.extend(join_all((0..60).map(|_| two.list_agents().send())).await);
    assert_eq!(counted(&answers, 100), ((0..100).collect(), 20));
}

#[tokio::test]
async fn accounts_use_up_their_own_limit_only() {
    let app = TestApp::start().await;
    let answers = many(app.characters_as("free_api_key"), 6).await;
    assert_eq!(counted(&answers, 5).1, 1);
    let other = app.characters_as("other_api_key").list_agents().await;
    assert_eq!(other.integer_header("x-ratelimit-remaining"), 99);
}

#[tokio::test]
async fn the_runner_api_uses_none_of_it_up() {
    let app = TestApp::start().await;
    let said = json!({"content": [{"type": "text", "text": "Hi"}]});
    for _ in 0..10 {
        let run = app.request(Method::POST, "/v1/runner/ECHO_DEPLOYMENT_ID").key("free_api_key");
        run.json(&said).await.good();
    }
    let answer = app.characters_as("free_api_key").list_agents().await;
    assert_eq!(answer.integer_header("x-ratelimit-remaining"), 4);
}

/// The lists of an account, and what it creates next.
async fn observable_state(app: &TestApp, key: &str) -> Vec<Value> {
    let api = app.characters_as(key);
    let completion = json!({"messages": [{"role": "user", "content": "Hi"}],
        "llm_id": "model_echo"});
    let conversation = json!({"title": "T", "llm_id": "model_echo"});
    vec![
        api.list_images("?page_size=100").await.good(),
        api.list_agents().await.good(),
        api.list_conversations().await.good(),
        api.create_completion(&completion).await.good(),
        api.create_conversation(&conversation).await.created(),
    ]
}

#[tokio::test]
async fn a_request_beyond_the_limit_changes_nothing_and_costs_nothing() {
    let settle = |config: &mut Config| {
        config.public_url = Some("https://example.com".parse().unwrap());
    };
    let (refusing, calm) = (TestApp::with(settle).await, TestApp::with(settle).await);
    let image = json!({"prompt": "x", "sd_model_id": "sd_model_456abc",
        "conversation_id": "conv_123abc"});
    let agent = json!({"name": "Ada", "sd_model_id": "sd_model_456abc"});
    let say = json!({"content": "Hi"});
    for app in [&refusing, &calm] {
        for _ in 0..5 {
            app.characters_as("free_api_key").list_agents().await.good();
        }
    }
    for (path, body) in [
        ("/images", &image),
        ("/agents", &agent),
        ("/conversations", &json!({"title": "T", "llm_id": "model_abc123"})),
        ("/conversations/conv_123abc/messages", &say),
    ] {
        refusing.characters_as("free_api_key").post(path, body).await.error_message(429);
    }
    assert_eq!(refusing.balance("demo-free").await, 1_000_000_000_000);
    for app in [&refusing, &calm] {
        app.clock("demo-free").advance(MINUTE);
    }
    let seen = observable_state(&refusing, "free_api_key").await;
    assert_eq!(seen, observable_state(&calm, "free_api_key").await);
}
