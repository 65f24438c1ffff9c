//! `POST /api/v1/completions`.

use serde_json::{Value, json};

use crate::support::{NOW, TestApp};

/// A rule that shows what the model was shown.
const MIRROR: &str = r#"
[[rule]]
[[rule.reply]]
text = "[{{ instructions }}]{% for turn in history %}<{{ turn.role }}: {{ turn.text }}>{% endfor %}{{ message.text }}"
"#;

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn body(llm: &str, messages: Value) -> Value {
    let mut body = json!({"llm_id": llm});
    body["messages"] = messages;
    body
}

#[tokio::test]
async fn the_answer_is_one_message_of_the_agent() {
    let app = TestApp::start().await;
    let asked = body("model_echo", json!([user("Hi")]));
    let answer = app.characters().create_completion(&asked).await.good();
    let keys: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "content", "role", "created_at"]);
    let id = answer["id"].as_str().unwrap().strip_prefix("msg_").unwrap();
    assert!(id.len() == 20 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    assert_eq!(
        (&answer["content"], &answer["role"], &answer["created_at"]),
        (&json!("Hi"), &json!("agent"), &json!(NOW))
    );
}

#[tokio::test]
async fn the_last_message_is_answered_and_those_before_it_are_its_history() {
    let app = TestApp::with_character_rules(MIRROR).await;
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "agent", "content": "Hello"},
        {"role": "assistant", "content": "Anything else?"},
        {"role": "user", "content": "No"},
    ]);
    let answer = app.characters().create_completion(&body("model_free", messages)).await.good();
    assert_eq!(
        answer["content"],
        "[]<system: Be brief.><user: Hi><assistant: Hello><assistant: Anything else?>No"
    );
}

#[tokio::test]
async fn any_role_may_speak_last() {
    let app = TestApp::with_character_rules(MIRROR).await;
    for role in ["system", "user", "agent", "assistant"] {
        let messages = json!([{"role": role, "content": "Well"}]);
        let answer = app.characters().create_completion(&body("model_free", messages)).await;
        assert_eq!(answer.good()["content"], "[]Well", "{role}");
    }
}

#[tokio::test]
async fn an_agents_name_personality_and_description_precede_the_messages() {
    let app = TestApp::with_character_rules(MIRROR).await;
    let mut asked = body("model_free", json!([{"role": "system", "content": "S"}, user("U")]));
    asked["agent_id"] = json!("agent_ada");
    let answer = app.characters().create_completion(&asked).await.good();
    let shown = answer["content"].as_str().unwrap();
    let (instructions, messages) = shown.split_once(']').unwrap();
    assert_eq!(messages, "<system: S>U");
    let places: Vec<Option<usize>> = ["Ada", "Patient and exact", "Explains engines"]
        .iter()
        .map(|text| instructions.find(text))
        .collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{instructions}");
}

#[tokio::test]
async fn an_agent_without_texts_leaves_no_empty_lines_behind() {
    let app = TestApp::with_character_rules(MIRROR).await;
    let agent = json!({"name": "Bob", "sd_model_id": "sd_free"});
    let mut asked = body("model_free", json!([user("U")]));
    asked["agent_id"] = json!(app.characters().create_agent(&agent).await.created_id());
    let answer = app.characters().create_completion(&asked).await.good();
    assert_eq!(answer["content"], "[You are Bob.]U");
}

#[tokio::test]
async fn nothing_is_stored() {
    let app = TestApp::start().await;
    let before = app.characters().list_conversations().await.body;
    let messages = app.characters().list_messages("conv_123abc").await.body;
    app.characters().create_completion(&body("model_echo", json!([user("Hi")]))).await.good();
    assert_eq!(app.characters().list_conversations().await.body, before);
    assert_eq!(app.characters().list_messages("conv_123abc").await.body, messages);
}

#[tokio::test]
async fn unknown_models_and_agents_are_404_and_an_sd_model_is_400() {
    let app = TestApp::start().await;
    let mut asked = body("model_nothing", json!([user("Hi")]));
    let unknown = app.characters().create_completion(&asked).await;
    assert_eq!(unknown.error_message(404), "there is no LLM `model_nothing`");
    asked["llm_id"] = json!("sd_model_456abc");
    let sd = app.characters().create_completion(&asked).deliberately_invalid().await;
    assert_eq!(
        sd.error_message(400),
        "llm_id must be the id of an LLM, and `sd_model_456abc` is an SD model"
    );
    asked["llm_id"] = json!("model_abc123");
    asked["agent_id"] = json!("agent_nobody");
    let agent = app.characters().create_completion(&asked).await;
    assert_eq!(agent.error_message(404), "there is no agent `agent_nobody`");
}

#[tokio::test]
async fn exactly_max_context_fits_and_one_token_more_is_400() {
    let app = TestApp::with_character_rules(MIRROR).await;
    let words = |count: usize| " a".repeat(count);
    assert_eq!(o200k::count(&words(17)), 17);
    let system = json!({"role": "system", "content": " a a a"});
    let fits = body("model_20", json!([system, user(&words(17))]));
    app.characters().create_completion(&fits).await.good();
    let over = body("model_20", json!([system, user(&words(18))]));
    assert_eq!(
        app.characters().create_completion(&over).deliberately_invalid().await.error_message(400),
        "messages must fit into the 20 tokens that Twenty can be shown, not come to 21"
    );
}

#[tokio::test]
async fn the_agents_texts_take_their_share_of_the_context() {
    let app = TestApp::with_character_rules(MIRROR).await;
    let mut asked = body("model_20", json!([user(&" a".repeat(18))]));
    app.characters().create_completion(&asked).await.good();
    asked["agent_id"] = json!("agent_ada");
    app.characters().create_completion(&asked).deliberately_invalid().await.error_message(400);
}

#[tokio::test]
async fn the_same_messages_get_the_same_answer_and_others_another() {
    let app = TestApp::start().await;
    let asked = body("model_abc123", json!([user("What is a comet?")]));
    let one = app.characters().create_completion(&asked).await.good();
    let two = app.characters().create_completion(&asked).await.good();
    assert_eq!(one["content"], two["content"]);
    assert_ne!(one["id"], two["id"]);
    let other = body("model_abc123", json!([user("What is a meteor?")]));
    let other = app.characters().create_completion(&other).await.good();
    assert_ne!(one["content"], other["content"]);
}

#[tokio::test]
async fn texts_of_any_script_are_returned_unchanged() {
    let app = TestApp::start().await;
    for text in [
        "",
        " \n\t",
        "\u{1f9d1}\u{200d}\u{1f680} caf\u{e9} \u{4f60}\u{597d}",
        "\"\\/\u{0}",
        "<script>",
    ] {
        let asked = body("model_echo", json!([user(text)]));
        assert_eq!(app.characters().create_completion(&asked).await.good()["content"], text);
    }
}
