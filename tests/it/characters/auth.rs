//! The Characters API's keys: `Authorization: Bearer …`.

use reqwest::Method;
use serde_json::json;

use crate::support::characters::BEARER;
use crate::support::{TestApp, TestResponse};

/// Every route, as method and path.
const ROUTES: [(Method, &str); 12] = [
    (Method::GET, "/models?type=llm"),
    (Method::POST, "/completions"),
    (Method::GET, "/conversations"),
    (Method::POST, "/conversations"),
    (Method::GET, "/conversations/conv_123abc"),
    (Method::GET, "/conversations/conv_123abc/messages"),
    (Method::POST, "/conversations/conv_123abc/messages"),
    (Method::GET, "/agents"),
    (Method::POST, "/agents"),
    (Method::GET, "/agents/agent_xyz789"),
    (Method::GET, "/images"),
    (Method::POST, "/images"),
];

#[track_caller]
fn unauthorized(answer: &TestResponse) -> String {
    let said = answer.error_message(401);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    for name in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
        assert_eq!(answer.header(name), None, "nobody's limit was touched");
    }
    said
}

#[tokio::test]
async fn every_route_wants_a_known_bearer_key() {
    let app = TestApp::start().await;
    for (method, path) in ROUTES {
        let path = format!("/api/v1{path}");
        let without = app.request(method.clone(), &path).json(&json!({})).await;
        assert_eq!(unauthorized(&without), "no API key was sent", "{method} {path}");
        let unknown = app.request(method.clone(), &path).bearer("sk-nobody").json(&json!({}));
        assert_eq!(unauthorized(&unknown.send().await), "the API key is not known", "{path}");
    }
}

#[tokio::test]
async fn the_case_of_the_scheme_does_not_matter() {
    let app = TestApp::start().await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let request = app.request(Method::GET, "/api/v1/agents");
        request.header("authorization", format!("{scheme} {BEARER}")).await.good();
    }
}

#[tokio::test]
async fn the_case_of_the_key_does() {
    let app = TestApp::start().await;
    unauthorized(&app.characters_as("Your_API_key_here").list_agents().await);
}

#[tokio::test]
async fn anything_but_a_bearer_token_is_no_key() {
    let app = TestApp::start().await;
    for sent in ["", "Bearer", "Bearer ", BEARER, "Basic your_api_key_here", "Token x"] {
        let request = app.request(Method::GET, "/api/v1/agents").header("authorization", sent);
        assert_eq!(unauthorized(&request.send().await), "no API key was sent", "{sent:?}");
    }
    let request = app.request(Method::GET, "/api/v1/agents").header("x-api-key", BEARER);
    assert_eq!(unauthorized(&request.send().await), "no API key was sent");
}

#[tokio::test]
async fn a_key_in_another_encoding_than_ascii_is_an_unknown_one() {
    let app = TestApp::start().await;
    unauthorized(&app.characters_as("sch\u{fc}ssel").list_agents().await);
}

#[tokio::test]
async fn every_key_of_an_account_opens_it_in_either_api() {
    let app = TestApp::start().await;
    let id = app.characters_as("YOUR_API_KEY").create_image(&image("A hill")).await.created_id();
    let images = app.characters_as("your_api_key_here").list_images("").await.good();
    assert_eq!(images["data"][0]["id"], json!(id));
    let runner = app.request(Method::POST, "/v1/runner/ECHO_DEPLOYMENT_ID").key(BEARER);
    let said = json!({"content": [{"type": "text", "text": "Hi"}]});
    assert_eq!(runner.json(&said).await.good()["content"], "Hi");
}

#[tokio::test]
async fn the_key_is_checked_before_the_body_is_looked_at() {
    let app = TestApp::start().await;
    for body in ["{", "[]", "{}"] {
        unauthorized(&app.characters_as("sk-nobody").post_text("/images", body).await);
    }
    let form = app.request(Method::POST, "/api/v1/images").bearer("sk-nobody").untyped_body("a=b");
    unauthorized(&form.send().await);
    let large = image(&"x".repeat(11 << 20));
    unauthorized(&app.characters_as("sk-nobody").create_image(&large).await);
}

#[tokio::test]
async fn no_refusal_repeats_a_key() {
    let app = TestApp::start().await;
    for key in ["sk-very-secret", "free_api_key", "broke_api_key"] {
        for (method, path) in ROUTES {
            let request = app.characters_as(key).request(method, path).json(&json!({}));
            let answer = request.await;
            assert!(!answer.body.contains(key), "{}", answer.body);
        }
    }
}

fn image(prompt: &str) -> serde_json::Value {
    json!({"prompt": prompt, "sd_model_id": "sd_model_456abc"})
}
