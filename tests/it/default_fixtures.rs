//! What the default fixtures hold, as far as the Runner API shows it.

use mynah::domain::{ApiKey, Credits};
use mynah::fixtures;
use mynah::http::route_table;
use mynah::ids::DeploymentId;
use reqwest::Method;
use serde_json::json;

use crate::support::{CONVERSATION, DEPLOYMENT, ECHO, JSON, OTHER, PUBLIC, TestApp, said};

#[test]
fn the_built_in_fixtures_have_no_errors_and_no_warnings() {
    let checked = fixtures::built_in(route_table()).unwrap();
    assert!(checked.warnings.is_empty(), "{:?}", checked.warnings);
}

#[test]
fn the_accounts_have_their_plans_projects_balances_and_keys() {
    let accounts = fixtures::built_in(route_table()).unwrap().fixtures.accounts;
    let told: Vec<_> = accounts
        .iter()
        .map(|account| {
            let keys: Vec<&str> = account.keys.iter().map(ApiKey::reveal).collect();
            (account.id.as_str(), account.plan.id.as_str(), account.project.as_str(), keys)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("demo", "pro", "demo", vec!["YOUR_API_KEY", "your_api_key_here"]),
            ("demo-free", "free", "demo", vec!["free_api_key"]),
            ("demo-broke", "pro", "demo", vec!["broke_api_key"]),
            ("demo-other", "pro", "other", vec!["other_api_key"]),
        ]
    );
    let broke = |id: &str| id == "demo-broke";
    for account in &accounts {
        assert_eq!(account.balance == Credits::default(), broke(account.id.as_str()));
    }
    let limits: Vec<_> = accounts.iter().map(|account| account.plan.requests_per_minute).collect();
    assert_eq!(limits, [100, 5, 100, 100]);
    assert!(accounts.iter().all(|account| account.plan.runner_requests_per_minute.is_none()));
}

#[tokio::test]
async fn every_key_opens_the_runner_api() {
    let app = TestApp::start().await;
    for key in
        ["YOUR_API_KEY", "your_api_key_here", "free_api_key", "broke_api_key", "other_api_key"]
    {
        let list = app.request(Method::GET, "/v1/runner/conversations").key(key).send().await;
        assert_eq!(list.good()["items"][0]["id"], CONVERSATION, "{key}");
    }
}

#[tokio::test]
async fn the_deployments_are_those_of_the_contract() {
    let app = TestApp::start().await;
    let canned = app.run(DEPLOYMENT, "Your input message here.").await.good();
    assert_eq!(canned["content"], "Your AI-generated response here...");
    assert_eq!(app.run(ECHO, "Hi").await.good()["content"], "Hi");
    assert!(app.run(JSON, "Hi").await.good()["content"].is_object());
    for origin in ["https://example.com", "http://localhost:3000"] {
        let public = app.request(Method::POST, &format!("/v1/runner/{PUBLIC}"));
        public.header("origin", origin).json(&said("Hi")).send().await.good();
    }
    let other = app.request(Method::POST, &format!("/v1/runner/{OTHER}")).key("other_api_key");
    other.json(&said("Hi")).send().await.good();
    let fixtures = fixtures::built_in(route_table()).unwrap().fixtures;
    let ids: Vec<&str> = fixtures.deployments.keys().map(DeploymentId::as_str).collect();
    assert_eq!(ids, [ECHO, JSON, OTHER, PUBLIC, DEPLOYMENT]);
    let public = fixtures.deployments[PUBLIC].public.as_ref().unwrap();
    assert_eq!(public.hosts(), ["example.com", "localhost"]);
}

#[tokio::test]
async fn the_sample_prompts_give_the_sample_answers_whoever_asks() {
    let app = TestApp::start().await;
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation");
    for key in ["YOUR_API_KEY", "free_api_key", "broke_api_key"] {
        let ask = |text: &str| app.request(Method::POST, &path).key(key).json(&said(text));
        let billing = ask("Hi, I need help with billing.").send().await.good();
        assert_eq!(
            (&billing["name"], &billing["input_tokens"], &billing["output_tokens"]),
            (&json!("Billing support"), &json!(14), &json!(20))
        );
        let order = ask("Hello! I need help with my order.").send().await.good();
        let there = "Hi there! I'd be happy to help. What can I assist you with?";
        assert_eq!(order["content"], there, "without a name");
    }
}
