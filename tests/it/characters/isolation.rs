//! What one account of the Characters API owns, another cannot see; and ids are an account's own.

use serde_json::{Value, json};

use crate::support::{TestApp, TestResponse};

const OTHER: &str = "other_api_key";

#[tokio::test]
async fn another_accounts_ids_are_404_wherever_they_stand() {
    let app = TestApp::start().await;
    let api = app.characters();
    let agent = json!({"name": "Ada", "sd_model_id": "sd_model_456abc"});
    let agent = api.create_agent(&agent).await.created_id();
    let conversation = json!({"title": "T", "llm_id": "model_echo"});
    let conversation = api.create_conversation(&conversation).await.created_id();
    let other = app.characters_as(OTHER);
    let of_conversation = format!("there is no conversation `{conversation}`");
    let of_agent = format!("there is no agent `{agent}`");
    let not_there = |answer: TestResponse, said: &str| assert_eq!(answer.error_message(404), said);

    let path = format!("/conversations/{conversation}");
    not_there(other.get(&path).await, &of_conversation);
    let path = format!("{path}/messages");
    not_there(other.get(&path).await, &of_conversation);
    not_there(other.post(&path, &json!({"content": "Hi"})).await, &of_conversation);
    let image = json!({"prompt": "x", "sd_model_id": "sd_model_456abc",
        "conversation_id": conversation});
    not_there(other.create_image(&image).await, &of_conversation);

    not_there(other.get_agent(&agent).await, &of_agent);
    let completion = json!({"messages": [{"role": "user", "content": "Hi"}],
        "llm_id": "model_echo", "agent_id": agent});
    not_there(other.create_completion(&completion).await, &of_agent);
    let with_agent = json!({"title": "T", "llm_id": "model_echo", "agent_id": agent});
    not_there(other.create_conversation(&with_agent).await, &of_agent);

    assert!(api.get(&path).await.array().is_empty(), "nothing got into it");
}

#[tokio::test]
async fn lists_show_ones_own_only_and_every_account_starts_with_its_own_copy() {
    let app = TestApp::start().await;
    let api = app.characters();
    let seen = async || {
        let mut seen = Vec::new();
        for path in ["/agents", "/conversations", "/conversations/conv_123abc/messages", "/images"]
        {
            seen.push(app.characters_as(OTHER).get(path).await.body);
        }
        seen
    };
    let before = seen().await;
    assert!(
        before
            .iter()
            .zip(["agent_xyz789", "conv_123abc", "msg_456def", "img_123abc"])
            .all(|(body, id)| body.contains(id))
    );
    api.create_agent(&json!({"name": "Ada", "sd_model_id": "sd_model_456abc"})).await.created_id();
    api.create_conversation(&json!({"title": "T", "llm_id": "model_echo"})).await.created_id();
    api.create_message("conv_123abc", "Hi").await;
    let image = json!({"prompt": "x", "sd_model_id": "sd_model_456abc",
        "conversation_id": "conv_123abc"});
    api.create_image(&image).await.created_id();
    assert_eq!(seen().await, before);
}

/// Makes one of everything; gives the ids, and those of the requests.
async fn ids(app: &TestApp, key: &str) -> Vec<String> {
    let api = app.characters_as(key);
    let answers = [
        api.create_agent(&json!({"name": "A", "sd_model_id": "sd_model_456abc"})).await,
        api.create_conversation(&json!({"title": "T", "llm_id": "model_echo"})).await,
        api.create_message("conv_123abc", "Hi").await,
        api.create_image(&json!({"prompt": "x", "sd_model_id": "sd_model_456abc"})).await,
    ];
    let made = answers.iter().map(|answer| answer.created()["id"].as_str().unwrap().to_owned());
    let requests = answers.iter().map(|answer| answer.header("x-request-id").unwrap().to_owned());
    let mut ids: Vec<String> = made.chain(requests).collect();
    let messages = api.list_messages("conv_123abc").await.array();
    ids.extend(messages.iter().map(|message: &Value| message["id"].as_str().unwrap().to_owned()));
    ids
}

#[tokio::test]
async fn the_same_seed_gives_the_same_ids_whatever_other_accounts_do() {
    let (calm, busy) = (TestApp::start().await, TestApp::start().await);
    ids(&busy, OTHER).await;
    let first = ids(&calm, "your_api_key_here").await;
    assert_eq!(ids(&busy, "your_api_key_here").await, first);
    ids(&busy, OTHER).await;
    let second = ids(&calm, "your_api_key_here").await;
    assert_eq!(ids(&busy, "your_api_key_here").await, second);
    assert!(first[..8].iter().all(|id| !second[..8].contains(id)));
}

#[tokio::test]
async fn another_seed_or_account_gives_other_ids() {
    let app = TestApp::start().await;
    let reseeded = TestApp::with(|config| config.seed = 2).await;
    let demo = ids(&app, "your_api_key_here").await;
    let new = &demo[..8];
    for others in [ids(&app, OTHER).await, ids(&reseeded, "your_api_key_here").await] {
        assert!(new.iter().all(|id| !others.contains(id)));
    }
}
