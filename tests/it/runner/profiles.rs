//! The profiles of the Runner API: of the server, and of an account.

use mynah::config::{Profile, RunnerStyle, TimeFormat};
use serde_json::json;

use crate::support::{CONVERSATION, DEPLOYMENT, TestApp, TestRequest};

const CONVERSATIONS: &str = "/v1/runner/conversations";
const TIME: &str = "2026-05-01T12:00:00.250000";

/// A server of this profile whose clock stands at a quarter of a second.
async fn app(profile: Profile) -> TestApp {
    TestApp::with(|config| {
        config.runner = RunnerStyle::of(profile);
        config.clock = Some("2026-05-01T12:00:00.25Z".parse().unwrap());
    })
    .await
}

/// A run without its content, with `key`.
fn run_without_content<'a>(app: &'a TestApp, key: &'a str) -> TestRequest<'a> {
    app.runner_as(key).run(DEPLOYMENT, json!({}))
}

/// The key of a new account of this profile.
async fn account(app: &TestApp, profile: &str) -> String {
    let answer = app.control().create_account(&json!({"profile": profile})).await;
    let answer = answer.json();
    assert_eq!(answer["profile"], profile);
    answer["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn times_micros_shows_microseconds_without_a_zone_everywhere() {
    let app = app(Profile::Current).await;
    let request = app.runner().start_conversation(DEPLOYMENT, "Hi");
    let answer = request.undocumented().await.good();
    assert_eq!((&answer["created_at"], &answer["updated_at"]), (&json!(TIME), &json!(TIME)));
    let id = answer["conversation_id"].as_str().unwrap();
    let messages = format!("/v1/runner/conversation/{id}/messages");
    for path in [CONVERSATIONS, &messages] {
        let list = app.get(path).undocumented().await.good();
        assert_eq!(list["items"][0]["created_at"], TIME, "{path}");
    }
}

#[tokio::test]
async fn the_profile_documents_cuts_times_to_seconds() {
    let app = app(Profile::Documents).await;
    let answer = app.runner().continue_conversation(DEPLOYMENT, CONVERSATION, "Hi").await.good();
    assert_eq!(answer["updated_at"], "2026-05-01T12:00:00Z");
}

#[tokio::test]
async fn the_profile_current_shows_parts_and_the_envelopes_with_detail() {
    let app = app(Profile::Current).await;
    let messages = app.runner().list_messages(CONVERSATION, "").undocumented().await.good();
    assert_eq!(messages["items"][0]["content"], json!([{"type": "text", "text": "Hi"}]));
    let answer = app.runner().run(DEPLOYMENT, json!({})).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", "content"]));
    let answer = app.runner_as("wrong").list_conversations("").await;
    assert_eq!(answer.status, 401);
    assert!(answer.json()["detail"].is_string());
}

#[tokio::test]
async fn an_account_can_have_a_profile_of_its_own() {
    let app = app(Profile::Documents).await;
    let (current, documents) = (account(&app, "current").await, account(&app, "documents").await);
    let refused = run_without_content(&app, &current).await;
    assert_eq!(refused.status, 422);
    assert!(refused.json()["detail"].is_array());
    let refused = run_without_content(&app, &documents).await;
    refused.invalid_request("missing_required_field", "content");
    let content = async |key: &str| {
        let request = app.runner_as(key).list_messages(CONVERSATION, "");
        let answer = request.undocumented().await.good();
        answer["items"][0]["content"].clone()
    };
    assert!(content(&current).await.is_array());
    assert!(content(&documents).await.is_string());
}

#[tokio::test]
async fn a_fork_has_the_profile_of_its_original_unless_another_is_given() {
    let app = app(Profile::Documents).await;
    let original = app.control().create_account(&json!({"profile": "current"})).await.created_id();
    let original = app.control().account(&original);
    assert_eq!(original.fork(&json!({})).await.json()["profile"], "current");
    let other = original.fork(&json!({"profile": "documents"})).await.json();
    assert_eq!(other["profile"], "documents");
}

#[tokio::test]
async fn an_account_without_a_profile_follows_the_server() {
    let app = app(Profile::Current).await;
    let made = app.control().create_account(&json!({})).await.json();
    assert_eq!(made.get("profile"), None);
    let key = made["key"].as_str().unwrap();
    assert_eq!(run_without_content(&app, key).await.status, 422);
}

#[tokio::test]
async fn an_unknown_profile_is_refused_by_name() {
    let app = app(Profile::Documents).await;
    for profile in [json!("newest"), json!(7)] {
        let answer = app.control().create_account(&json!({"profile": profile})).await;
        assert_eq!(answer.status, 400);
        assert!(answer.json()["error"].as_str().unwrap().contains("profile"), "{}", answer.json());
    }
}

#[tokio::test]
async fn one_thing_of_a_profile_can_be_changed() {
    let app = TestApp::with(|config| config.runner.times = TimeFormat::Micros).await;
    let request = app.runner().continue_conversation(DEPLOYMENT, CONVERSATION, "Hi");
    let answer = request.undocumented().await.good();
    assert_eq!(answer["updated_at"], "2026-05-01T12:00:00.000000");
    let answer = app.runner().start_conversation(DEPLOYMENT, json!({})).await;
    answer.invalid_request("missing_required_field", "content");
}
