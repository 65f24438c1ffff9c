//! Every sample of characters.txt, sent as printed (the comments in it left out) and answered as
//! printed, field for field and in the order printed. What is generated is named beside each.

use mynah::config::Config;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestApp;

/// A server at the time of the samples, under the address that their pictures have.
async fn at(time: &str) -> TestApp {
    let clock = Some(time.parse().unwrap());
    let public_url = Some("https://example.com".parse().unwrap());
    TestApp::with(|config: &mut Config| {
        config.clock = clock;
        config.public_url = public_url;
    })
    .await
}

#[track_caller]
fn as_printed(answer: &Value, printed: &Value) {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    assert_eq!(pretty(answer), pretty(printed));
}

/// Puts the printed id in the place of a generated one, which must begin alike.
#[track_caller]
fn with_id(mut answer: Value, printed: &str) -> Value {
    let id = answer["id"].as_str().expect("an id").to_owned();
    let (kind, _) = printed.split_once('_').unwrap();
    let (of_kind, random) = id.split_once('_').unwrap();
    assert_eq!(of_kind, kind);
    assert!(random.len() == 20 && random.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    for field in answer.as_object_mut().unwrap().values_mut() {
        if let Value::String(text) = field {
            *text = text.replace(&id, printed);
        }
    }
    answer
}

#[tokio::test]
async fn sample_api_key_header() {
    let app = TestApp::start().await;
    let request = app.request(Method::GET, "/api/v1/models?type=llm");
    request.header("Authorization", "Bearer your_api_key_here").await.good();
}

#[tokio::test]
async fn sample_rate_limit_headers_of_the_plans() {
    let app = TestApp::start().await;
    for (key, limit) in [("free_api_key", 5), ("your_api_key_here", 100)] {
        let answer = app.characters_as(key).list_models("llm").await;
        answer.good();
        assert_eq!(answer.integer_header("X-RateLimit-Limit"), limit);
        assert_eq!(answer.integer_header("X-RateLimit-Remaining"), limit - 1);
        answer.integer_header("X-RateLimit-Reset");
    }
}

/// The fixtures hold one more model, behind the two that are printed.
#[tokio::test]
async fn sample_models() {
    let app = TestApp::start().await;
    let models = app.characters().list_models("llm").await.array();
    as_printed(
        &json!(models[..2]),
        &json!([
            {
                "id": "model_abc123",
                "name": "GPT-4",
                "max_context": 8192,
                "cost_per_1k_tokens": 0.06
            },
            {
                "id": "model_def456",
                "name": "Claude 3 Opus",
                "max_context": 100_000,
                "cost_per_1k_tokens": 0.15
            }
        ]),
    );
}

/// Generated: the id.
#[tokio::test]
async fn sample_completion() {
    let app = at("2023-09-01T12:00:00Z").await;
    let answer = app.characters().post_text(
        "/completions",
        r#"{
  "messages": [
    {
      "role": "system",
      "content": "You are a helpful assistant."
    },
    {
      "role": "user",
      "content": "Tell me about AI."
    }
  ],
  "llm_id": "model_abc123",
  "agent_id": "agent_xyz789"
}"#,
    );
    as_printed(
        &with_id(answer.await.good(), "msg_789xyz"),
        &json!({
            "id": "msg_789xyz",
            "content": "AI, or artificial intelligence, refers to systems or machines that mimic human intelligence...",
            "role": "agent",
            "created_at": "2023-09-01T12:00:00Z"
        }),
    );
}

#[tokio::test]
async fn sample_list_of_conversations() {
    let app = TestApp::start().await;
    as_printed(
        &app.characters().list_conversations().await.good(),
        &json!([
            {
                "id": "conv_123abc",
                "title": "AI Discussion",
                "system_prompt": "You are a helpful assistant.",
                "llm_id": "model_abc123",
                "last_message_at": "2023-09-01T12:00:00Z",
                "agent_id": "agent_xyz789"
            }
        ]),
    );
}

/// Generated: the id.
#[tokio::test]
async fn sample_new_conversation() {
    let app = at("2023-09-01T12:00:00Z").await;
    let answer = app.characters().post_text(
        "/conversations",
        r#"{
  "title": "New Discussion",
  "system_prompt": "You are a helpful assistant.",
  "llm_id": "model_abc123",
  "agent_id": "agent_xyz789",
  "messages": []
}"#,
    );
    as_printed(
        &with_id(answer.await.created(), "conv_123abc"),
        &json!({
            "id": "conv_123abc",
            "title": "New Discussion",
            "system_prompt": "You are a helpful assistant.",
            "llm_id": "model_abc123",
            "last_message_at": "2023-09-01T12:00:00Z",
            "agent_id": "agent_xyz789"
        }),
    );
}

#[tokio::test]
async fn sample_conversation() {
    let app = TestApp::start().await;
    as_printed(
        &app.characters().get_conversation("conv_123abc").await.good(),
        &json!({
            "id": "conv_123abc",
            "title": "AI Discussion",
            "system_prompt": "You are a helpful assistant.",
            "llm_id": "model_abc123",
            "last_message_at": "2023-09-01T12:00:00Z",
            "agent_id": "agent_xyz789"
        }),
    );
}

#[tokio::test]
async fn sample_messages() {
    let app = TestApp::start().await;
    as_printed(
        &app.characters().list_messages("conv_123abc").await.good(),
        &json!([
            {
                "id": "msg_123abc",
                "content": "Hello, how can I help you today?",
                "role": "agent",
                "created_at": "2023-09-01T12:00:00Z"
            },
            {
                "id": "msg_456def",
                "content": "I'd like to learn about AI.",
                "role": "user",
                "created_at": "2023-09-01T12:01:00Z"
            }
        ]),
    );
}

/// Generated: the id. The document says that `verbose` includes the thought process and prints an
/// answer without it; here it is there.
#[tokio::test]
async fn sample_new_message() {
    let app = at("2023-09-01T12:05:00Z").await;
    let answer = app.characters().post_text(
        "/conversations/conv_123abc/messages",
        r#"{
  "content": "Tell me about neural networks.",
  "llm_id": "model_abc123",
  "verbose": true
}"#,
    );
    let mut answer = with_id(answer.await.created(), "msg_789xyz");
    let thoughts = answer.as_object_mut().unwrap().remove("thoughts");
    assert!(thoughts.unwrap().as_str().unwrap().len() > 10);
    as_printed(
        &answer,
        &json!({
            "id": "msg_789xyz",
            "content": "Neural networks are computational models inspired by the human brain...",
            "role": "agent",
            "created_at": "2023-09-01T12:05:00Z"
        }),
    );
}

#[tokio::test]
async fn sample_list_of_agents() {
    let app = TestApp::start().await;
    as_printed(
        &app.characters().list_agents().await.good(),
        &json!([
            {
                "id": "agent_xyz789",
                "name": "Technical Advisor",
                "appearance_prompt": "Professional, wearing glasses",
                "personality_prompt": "Helpful and technically proficient",
                "description": "A technical expert who can help with coding questions"
            }
        ]),
    );
}

/// Generated: the id, and with it the end of the avatar's address.
#[tokio::test]
async fn sample_new_agent() {
    let app = at("2023-09-01T12:00:00Z").await;
    let answer = app.characters().post_text(
        "/agents",
        r#"{
  "name": "Financial Advisor",
  "appearance_prompt": "Professional, suit and tie",
  "personality_prompt": "Knowledgeable about finance, patient",
  "description": "An agent specialized in financial advice",
  "sd_model_id": "sd_model_456abc",
  "age": 35
}"#,
    );
    as_printed(
        &with_id(answer.await.created(), "agent_789abc"),
        &json!({
            "id": "agent_789abc",
            "name": "Financial Advisor",
            "appearance_prompt": "35 years old, Professional, suit and tie",
            "personality_prompt": "Knowledgeable about finance, patient",
            "description": "An agent specialized in financial advice",
            "avatar_url": "https://example.com/images/agent_789abc.png"
        }),
    );
}

#[tokio::test]
async fn sample_agent() {
    let app = TestApp::start().await;
    as_printed(
        &app.characters().get_agent("agent_xyz789").await.good(),
        &json!({
            "id": "agent_xyz789",
            "name": "Technical Advisor",
            "appearance_prompt": "Professional, wearing glasses",
            "personality_prompt": "Helpful and technically proficient",
            "description": "A technical expert who can help with coding questions"
        }),
    );
}

/// Printed with one item of the page's ten.
#[tokio::test]
async fn sample_list_of_images() {
    let app = at("2023-09-01T12:00:00Z").await;
    let mut answer = app.characters().list_images("?page=1&page_size=10").await.good();
    let data = answer["data"].as_array_mut().unwrap();
    assert_eq!(data.len(), 10);
    data.truncate(1);
    as_printed(
        &answer,
        &json!({
            "data": [
                {
                    "id": "img_123abc",
                    "prompt": "A futuristic city with flying cars",
                    "url": "https://example.com/images/img_123abc.png",
                    "created_at": "2023-09-01T12:00:00Z"
                }
            ],
            "pagination": {
                "total_items": 25,
                "current_page": 1,
                "page_size": 10,
                "total_pages": 3,
                "next_page": 2,
                "prev_page": null
            }
        }),
    );
}

/// Generated: the id, and with it the end of the image's address.
#[tokio::test]
async fn sample_new_image() {
    let app = at("2023-09-01T12:10:00Z").await;
    let answer = app.characters().post_text(
        "/images",
        r#"{
  "prompt": "A serene beach at sunset with palm trees",
  "sd_model_id": "sd_model_456abc",
  "conversation_id": "conv_123abc"
}"#,
    );
    as_printed(
        &with_id(answer.await.created(), "img_789xyz"),
        &json!({
            "id": "img_789xyz",
            "prompt": "A serene beach at sunset with palm trees",
            "url": "https://example.com/images/img_789xyz.png",
            "created_at": "2023-09-01T12:10:00Z"
        }),
    );
}

/// Printed with a placeholder for the text.
#[tokio::test]
async fn sample_client_error() {
    let app = TestApp::start().await;
    let answer = app.characters().get_agent("agent_nobody").await;
    assert_eq!(answer.body, r#"{"error":"there is no agent `agent_nobody`"}"#);
    answer.error_message(404);
}

#[tokio::test]
async fn sample_server_error() {
    let rule = "[[rule]]\nreply = [{ text = '{{ 1 / 0 }}' }]";
    let app = TestApp::with_character_rules(rule).await;
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "llm_id": "model_free"});
    let request = app.characters().request(Method::POST, "/completions").json(&body);
    let answer = request.send_expecting_5xx().await;
    answer.error_message(500);
    assert_eq!(answer.body, r#"{"error":"Internal error"}"#);
}
