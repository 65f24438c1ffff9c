//! Agents of the Characters API.

use serde_json::{Value, json};

use crate::support::TestApp;

fn agent(more: Value) -> Value {
    let mut agent = json!({"name": "Ada", "sd_model_id": "sd_model_456abc"});
    let Value::Object(more) = more else { panic!("an object") };
    agent.as_object_mut().unwrap().extend(more);
    agent
}

#[tokio::test]
async fn a_new_agent_is_201_and_can_be_got_and_listed_as_made() {
    let app = TestApp::start().await;
    let texts = json!({"appearance_prompt": "Tall", "personality_prompt": "Kind",
        "description": "Helps"});
    let made = app.characters().create_agent(&agent(texts)).await.created();
    let id = made["id"].as_str().unwrap();
    let random = id.strip_prefix("agent_").unwrap();
    assert!(random.len() == 20 && random.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    assert_eq!(
        made,
        json!({"id": id, "name": "Ada", "appearance_prompt": "Tall", "personality_prompt": "Kind",
            "description": "Helps", "avatar_url": app.url(&format!("/images/{id}.png"))})
    );
    assert_eq!(app.characters().get_agent(id).await.good(), made);
    let all = app.characters().list_agents().await.array();
    assert_eq!((all.len(), &all[0]["id"], &all[1]), (2, &json!("agent_xyz789"), &made));
}

#[tokio::test]
async fn texts_that_are_not_given_are_empty() {
    let app = TestApp::start().await;
    let made = app.characters().create_agent(&agent(json!({}))).await.created();
    for field in ["appearance_prompt", "personality_prompt", "description"] {
        assert_eq!(made[field], "", "{field}");
    }
}

#[tokio::test]
async fn the_age_precedes_the_appearance() {
    let app = TestApp::start().await;
    for (more, appearance) in [
        (json!({"age": 35, "appearance_prompt": "Tall"}), "35 years old, Tall"),
        (json!({"age": 35}), "35 years old"),
        (json!({"age": 35, "appearance_prompt": ""}), "35 years old"),
        (json!({"age": 18}), "18 years old"),
        (json!({"age": 35.0}), "35 years old"),
        (json!({"appearance_prompt": "Tall"}), "Tall"),
    ] {
        let made = app.characters().create_agent(&agent(more)).await.created();
        assert_eq!(made["appearance_prompt"], appearance);
    }
}

#[tokio::test]
async fn an_agent_under_18_is_400_and_not_made() {
    let app = TestApp::start().await;
    for age in [17, 0, -1] {
        let answer = app.characters().create_agent(&agent(json!({"age": age}))).await;
        assert_eq!(answer.error_message(400), "age must be a whole number of 18 or more");
    }
    assert_eq!(app.characters().list_agents().await.array().len(), 1);
}

#[tokio::test]
async fn an_unknown_sd_model_is_404_and_an_llm_400() {
    let app = TestApp::start().await;
    let unknown = agent(json!({"sd_model_id": "sd_x"}));
    let answer = app.characters().create_agent(&unknown).await;
    assert_eq!(answer.error_message(404), "there is no SD model `sd_x`");
    let llm = agent(json!({"sd_model_id": "model_abc123"}));
    let answer = app.characters().create_agent(&llm).deliberately_invalid().await;
    assert_eq!(
        answer.error_message(400),
        "sd_model_id must be the id of an SD model, and `model_abc123` is an LLM"
    );
    assert_eq!(app.characters().list_agents().await.array().len(), 1);
}

#[tokio::test]
async fn an_unknown_agent_is_404() {
    let app = TestApp::start().await;
    let answer = app.characters().get_agent("agent_x").await;
    assert_eq!(answer.error_message(404), "there is no agent `agent_x`");
}

#[tokio::test]
async fn agents_are_listed_in_the_order_of_their_making() {
    let app = TestApp::start().await;
    for name in ["c", "a", "b"] {
        app.characters().create_agent(&agent(json!({"name": name}))).await.created();
    }
    let all = app.characters().list_agents().await.array();
    let names: Vec<&str> = all.iter().map(|agent| agent["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Technical Advisor", "c", "a", "b"]);
}

#[tokio::test]
async fn an_agent_without_an_avatar_has_no_avatar_url() {
    let app = TestApp::start().await;
    let found = app.characters().get_agent("agent_xyz789").await.good();
    assert_eq!(found.get("avatar_url"), None);
    let answer = app.request(reqwest::Method::GET, "/images/agent_xyz789.png").await;
    assert_eq!(answer.error_message(404), "there is no picture `agent_xyz789`");
}
