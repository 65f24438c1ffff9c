//! `GET /api/v1/models`.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn llms_have_a_context_and_a_price_and_stand_as_in_the_fixtures() {
    let app = TestApp::start().await;
    assert_eq!(
        app.characters().list_models("llm").await.good(),
        json!([
            {"id": "model_abc123", "name": "GPT-4", "max_context": 8192, "cost_per_1k_tokens": 0.06},
            {"id": "model_def456", "name": "Claude 3 Opus", "max_context": 100_000,
             "cost_per_1k_tokens": 0.15},
            {"id": "model_echo", "name": "Echo", "max_context": 100_000, "cost_per_1k_tokens": 0},
        ])
    );
}

#[tokio::test]
async fn sd_models_have_a_price_an_image() {
    let app = TestApp::start().await;
    assert_eq!(
        app.characters().list_models("sd").await.body,
        r#"[{"id":"sd_model_456abc","name":"Stable Diffusion XL","cost_per_image":0.02}]"#
    );
}

#[tokio::test]
async fn prices_are_written_digit_by_digit_and_never_pass_through_a_float() {
    let text =
        include_str!("../../../fixtures/models.toml").replace("\"0.02\"", "\"123456.000001\"");
    let accounts = include_str!("../../../fixtures/accounts.toml");
    let app = TestApp::with_fixtures(&[("a.toml", accounts), ("m.toml", &text)]).await;
    let answer = app.characters().list_models("sd").await;
    assert!(answer.body.contains(r#""cost_per_image":123456.000001}"#), "{}", answer.body);
}

#[tokio::test]
async fn a_type_that_is_missing_or_neither_of_the_two_is_400() {
    let app = TestApp::start().await;
    for (query, said) in [
        ("", "type is required"),
        ("?kind=llm", "type is required"),
        ("?type=", "type must be llm or sd"),
        ("?type=gpt", "type must be llm or sd"),
        ("?type=LLM", "type must be llm or sd"),
        ("?type=llm&type=sd", "type is given more than once"),
    ] {
        let answer = app.characters().get(&format!("/models{query}")).await;
        assert_eq!(answer.error_message(400), said, "{query}");
    }
}

#[tokio::test]
async fn a_kind_without_models_is_an_empty_array() {
    let accounts = include_str!("../../../fixtures/accounts.toml");
    let app = TestApp::with_fixtures(&[("accounts.toml", accounts)]).await;
    for kind in ["llm", "sd"] {
        let answer = app.characters().get(&format!("/models?type={kind}")).await;
        assert_eq!(answer.good(), json!([]));
    }
}
