//! Conversations of the Characters API and their messages.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{NOW, TestApp};

const MINUTE: Duration = Duration::from_mins(1);

/// A rule that shows what the model was shown, and one that shows only how much.
const MIRROR: &str = r#"
[[rule]]
when = { contains = "how many" }
reply = [{ text = "{{ history | length }}" }]

[[rule]]
[[rule.reply]]
text = "{{ model }}[{{ instructions }}]{% for turn in history %}<{{ turn.role }}: {{ turn.text }}>{% endfor %}{{ message.text }}"
thoughts = "I was shown {{ history | length }} messages."
"#;

fn titled(llm: &str) -> Value {
    json!({"title": "T", "llm_id": llm})
}

/// Begins a conversation and gives the path of its messages.
async fn begin(app: &TestApp, body: &Value) -> String {
    let id = app.characters().create_conversation(body).await.created_id();
    format!("/conversations/{id}/messages")
}

async fn send_message(app: &TestApp, path: &str, text: &str) -> String {
    let answer = app.characters().post(path, &json!({"content": text})).await.created();
    answer["content"].as_str().unwrap().to_owned()
}

async fn ids(app: &TestApp) -> Vec<Value> {
    let list = app.characters().list_conversations().await.array();
    list.into_iter().map(|conversation| conversation["id"].clone()).collect()
}

#[tokio::test]
async fn what_is_not_given_has_a_default() {
    let app = TestApp::start().await;
    let made = app.characters().create_conversation(&titled("model_abc123")).await.created();
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("conv_") && id.len() == 25, "{id}");
    assert_eq!(
        made,
        json!({"id": id, "title": "T", "system_prompt": "", "llm_id": "model_abc123",
            "last_message_at": NOW, "agent_id": null})
    );
    assert_eq!(app.characters().get_conversation(id).await.good(), made);
    assert_eq!(app.characters().list_conversations().await.array()[0], made);
    assert!(app.characters().list_messages(id).await.array().is_empty());
}

#[tokio::test]
async fn a_title_has_1_to_200_characters_whatever_their_bytes() {
    let app = TestApp::start().await;
    for title in ["x".to_owned(), "\u{1f426}".repeat(200)] {
        let body = json!({"title": title, "llm_id": "model_abc123"});
        let made = app.characters().create_conversation(&body).await.created();
        assert_eq!(made["title"], json!(title));
    }
    for title in [String::new(), "\u{1f426}".repeat(201)] {
        let body = json!({"title": title, "llm_id": "model_abc123"});
        let error = app.characters().create_conversation(&body).await.error_message(400);
        assert_eq!(error, "title must have 1 to 200 characters");
    }
}

#[tokio::test]
async fn unknown_models_and_agents_are_404_and_an_sd_model_is_400() {
    let app = TestApp::start().await;
    let before = app.characters().list_conversations().await.body;
    let unknown = app.characters().create_conversation(&titled("model_x")).await;
    assert_eq!(unknown.error_message(404), "there is no LLM `model_x`");
    let sd = app
        .characters()
        .create_conversation(&titled("sd_model_456abc"))
        .deliberately_invalid()
        .await;
    assert_eq!(
        sd.error_message(400),
        "llm_id must be the id of an LLM, and `sd_model_456abc` is an SD model"
    );
    let mut body = titled("model_abc123");
    body["agent_id"] = json!("agent_x");
    let agent = app.characters().create_conversation(&body).await;
    assert_eq!(agent.error_message(404), "there is no agent `agent_x`");
    assert_eq!(app.characters().list_conversations().await.body, before);
}

#[tokio::test]
async fn an_unknown_conversation_is_404() {
    let app = TestApp::start().await;
    let said = "there is no conversation `conv_x`";
    assert_eq!(app.characters().get_conversation("conv_x").await.error_message(404), said);
    assert_eq!(app.characters().list_messages("conv_x").await.error_message(404), said);
    let hi = json!({"content": "Hi"});
    assert_eq!(
        app.characters().post("/conversations/conv_x/messages", &hi).await.error_message(404),
        said
    );
}

#[tokio::test]
async fn initial_messages_are_stored_as_they_come() {
    let app = TestApp::start().await;
    let mut body = titled("model_echo");
    body["messages"] = json!([
        {"role": "system", "content": "Rules"},
        {"role": "agent", "content": "Welcome"},
        {"role": "assistant", "content": "Well?"},
        {"role": "user", "content": ""},
        {"role": "user", "content": "Hi"},
    ]);
    let made = app.characters().create_conversation(&body).await.created();
    assert_eq!(made["last_message_at"], NOW);
    let path = format!("/conversations/{}/messages", made["id"].as_str().unwrap());
    let stored = app.characters().get(&path).await.array();
    let said: Vec<(&str, &str)> = stored
        .iter()
        .map(|m| (m["role"].as_str().unwrap(), m["content"].as_str().unwrap()))
        .collect();
    let expected = [
        ("system", "Rules"),
        ("agent", "Welcome"),
        ("agent", "Well?"),
        ("user", ""),
        ("user", "Hi"),
    ];
    assert_eq!(said, expected);
    for message in &stored {
        let keys: Vec<&str> = message.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "content", "role", "created_at"]);
        assert!(message["id"].as_str().unwrap().starts_with("msg_"));
        assert_eq!(message["created_at"], NOW);
    }
    let distinct: std::collections::HashSet<_> = stored.iter().map(|m| m["id"].as_str()).collect();
    assert_eq!(distinct.len(), 5);
}

#[tokio::test]
async fn many_initial_messages_keep_their_order() {
    let app = TestApp::start().await;
    let messages: Vec<Value> =
        (0..1201).map(|n| json!({"role": "user", "content": n.to_string()})).collect();
    let mut body = titled("model_echo");
    body["messages"] = json!(messages);
    let path = begin(&app, &body).await;
    let stored = app.characters().get(&path).await.array();
    let texts: Vec<&str> = stored.iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert_eq!(texts, (0..1201).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_is_answered_201_and_both_are_stored() {
    let app = TestApp::start().await;
    let path = begin(&app, &titled("model_echo")).await;
    let answer = app.characters().post(&path, &json!({"content": "Hi"})).await.created();
    let keys: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "content", "role", "created_at"]);
    assert_eq!(
        (&answer["content"], &answer["role"], &answer["created_at"]),
        (&json!("Hi"), &json!("agent"), &json!(NOW))
    );
    let stored = app.characters().get(&path).await.array();
    assert_eq!(stored.len(), 2);
    assert_eq!((&stored[0]["role"], &stored[0]["content"]), (&json!("user"), &json!("Hi")));
    assert_eq!(stored[1], answer);
}

#[tokio::test]
async fn a_turn_keeps_together_when_many_speak_at_once() {
    let app = TestApp::start().await;
    let path = begin(&app, &titled("model_echo")).await;
    join_all((0..20).map(|n| send_message(&app, &path, if n % 2 == 0 { "even" } else { "odd" })))
        .await;
    let stored = app.characters().get(&path).await.array();
    assert_eq!(stored.len(), 40);
    for turn in stored.chunks(2) {
        assert_eq!((&turn[0]["role"], &turn[1]["role"]), (&json!("user"), &json!("agent")));
        assert_eq!(turn[0]["content"], turn[1]["content"]);
    }
}

#[tokio::test]
async fn the_model_is_shown_agent_system_prompt_and_history() {
    let app = TestApp::with_character_rules(MIRROR).await;
    let mut body = titled("model_free");
    body["agent_id"] = json!("agent_ada");
    body["system_prompt"] = json!("Speak plainly.");
    body["messages"] = json!([{"role": "agent", "content": "Welcome"}]);
    let path = begin(&app, &body).await;
    let shown = send_message(&app, &path, "Hi").await;
    let (instructions, rest) = shown.split_once(']').unwrap();
    assert_eq!(rest, "<assistant: Welcome>Hi");
    let places: Vec<Option<usize>> =
        ["Ada", "Patient and exact", "Explains engines", "Speak plainly."]
            .iter()
            .map(|text| instructions.find(text))
            .collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{instructions}");
    let second = send_message(&app, &path, "how many").await;
    assert_eq!(second, "3");
}

/// The newest of `texts` that fit beside `needed` tokens into `max_context`.
fn fitting(texts: &[String], needed: u64, max_context: u64) -> usize {
    let mut left = max_context - needed;
    let fits = |text: &&String| {
        let tokens = o200k::count(text);
        let fits = tokens <= left;
        left = left.saturating_sub(tokens);
        fits
    };
    texts.iter().rev().take_while(fits).count()
}

#[tokio::test]
async fn the_newest_messages_that_fit_max_context_are_shown() {
    let app = TestApp::with_character_rules(MIRROR).await;
    // Words of different lengths, more messages than are fetched in one go.
    let texts: Vec<String> = (0..130).map(|n| " a".repeat(1 + n % 3)).collect();
    let messages: Vec<Value> =
        texts.iter().map(|text| json!({"role": "user", "content": text})).collect();
    for (llm, max_context) in [("model_20", 20), ("model_100", 100), ("model_300", 300)] {
        for system_prompt in ["", "Speak plainly and be as brief as you can."] {
            let body = json!({"title": "T", "llm_id": llm, "messages": messages,
                "system_prompt": system_prompt});
            let path = begin(&app, &body).await;
            let needed = o200k::count("how many") + o200k::count(system_prompt);
            let expected = fitting(&texts, needed, max_context);
            assert!(0 < expected && (expected < 130 || max_context == 300));
            assert_eq!(send_message(&app, &path, "how many").await, expected.to_string(), "{llm}");
        }
    }
}

#[tokio::test]
async fn history_is_shown_without_a_gap_up_to_the_first_that_does_not_fit() {
    let app = TestApp::with_character_rules(MIRROR).await;
    let long = " a".repeat(30);
    let messages: Vec<Value> = ["short", long.as_str(), "one", "two"]
        .iter()
        .map(|text| json!({"role": "user", "content": text}))
        .collect();
    let body = json!({"title": "T", "llm_id": "model_20", "messages": messages});
    let path = begin(&app, &body).await;
    assert_eq!(send_message(&app, &path, "Hi").await, "model_20[]<user: one><user: two>Hi");
}

#[tokio::test]
async fn a_message_that_does_not_fit_by_itself_is_400_and_leaves_nothing() {
    let app = TestApp::with_character_rules(MIRROR).await;
    let mut body = titled("model_20");
    body["system_prompt"] = json!(" a a a a a");
    let path = begin(&app, &body).await;
    send_message(&app, &path, &" a".repeat(15)).await;
    let before = app.characters().get(&path).await.body;
    let answer = app
        .characters()
        .post(&path, &json!({"content": " a".repeat(16)}))
        .deliberately_invalid()
        .await;
    assert_eq!(
        answer.error_message(400),
        "content must fit into the 20 tokens that Twenty can be shown, not come to 21"
    );
    assert_eq!(app.characters().get(&path).await.body, before);
}

#[tokio::test]
async fn an_image_in_the_history_is_shown_and_counts_256_tokens() {
    let app = TestApp::with_character_rules(MIRROR).await;
    for (llm, shown) in [("model_20", "0"), ("model_100", "0"), ("model_300", "2")] {
        let mut body = titled(llm);
        body["messages"] = json!([{"role": "user", "content": "Draw"}]);
        let path = begin(&app, &body).await;
        let id = path.split('/').nth(2).unwrap();
        let image = json!({"prompt": "A hill", "sd_model_id": "sd_free", "conversation_id": id});
        app.characters().create_image(&image).await.created();
        assert_eq!(send_message(&app, &path, "how many").await, shown, "{llm}");
    }
}

#[tokio::test]
async fn another_model_answers_one_message_only() {
    let app = TestApp::with_character_rules(MIRROR).await;
    let path = begin(&app, &titled("model_free")).await;
    let other = json!({"content": "Hi", "llm_id": "model_300"});
    let answer = app.characters().post(&path, &other).await.created();
    assert_eq!(answer["content"], "model_300[]Hi");
    assert!(send_message(&app, &path, "And now?").await.starts_with("model_free["));
    let conversation = path.trim_end_matches("/messages");
    assert_eq!(app.characters().get(conversation).await.good()["llm_id"], "model_free");
}

#[tokio::test]
async fn another_model_brings_its_own_context() {
    let app = TestApp::with_character_rules(MIRROR).await;
    let path = begin(&app, &titled("model_20")).await;
    let long = " a".repeat(50);
    app.characters()
        .post(&path, &json!({"content": long}))
        .deliberately_invalid()
        .await
        .error_message(400);
    let wide = json!({"content": long, "llm_id": "model_100"});
    app.characters().post(&path, &wide).await.created();
}

#[tokio::test]
async fn another_model_that_is_unknown_is_404_and_an_sd_model_400() {
    let app = TestApp::with_character_rules(MIRROR).await;
    let path = begin(&app, &titled("model_free")).await;
    let unknown = json!({"content": "Hi", "llm_id": "model_x"});
    let answer = app.characters().post(&path, &unknown).await;
    assert_eq!(answer.error_message(404), "there is no LLM `model_x`");
    let sd = json!({"content": "Hi", "llm_id": "sd_cent"});
    let answer = app.characters().post(&path, &sd).deliberately_invalid().await;
    assert_eq!(
        answer.error_message(400),
        "llm_id must be the id of an LLM, and `sd_cent` is an SD model"
    );
    assert!(app.characters().get(&path).await.array().is_empty());
}

#[tokio::test]
async fn verbose_adds_thoughts_and_otherwise_the_key_is_absent() {
    let app = TestApp::with_character_rules(MIRROR).await;
    let path = begin(&app, &titled("model_free")).await;
    for quiet in [json!({}), json!({"verbose": false}), json!({"verbose": null})] {
        let mut body = quiet;
        body["content"] = json!("Hi");
        let answer = app.characters().post(&path, &body).await.created();
        assert_eq!(answer.get("thoughts"), None);
    }
    let body = json!({"content": "Hi", "verbose": true});
    let answer = app.characters().post(&path, &body).await.created();
    assert_eq!(answer["thoughts"], "I was shown 6 messages.");
    let stored = app.characters().get(&path).await.array();
    assert!(stored.iter().all(|message| message.get("thoughts").is_none()));
}

#[tokio::test]
async fn thoughts_are_a_text_whoever_answers() {
    let app = TestApp::start().await;
    for llm in ["model_abc123", "model_echo"] {
        let path = begin(&app, &titled(llm)).await;
        let body = json!({"content": "Why is the sky blue?", "verbose": true});
        let answer = app.characters().post(&path, &body).await.created();
        assert!(!answer["thoughts"].as_str().unwrap().is_empty(), "{llm}");
    }
}

#[tokio::test]
async fn the_latest_stands_first_and_a_message_moves_its_conversation_there() {
    let app = TestApp::start().await;
    let mut made = Vec::new();
    for title in ["a", "b", "c"] {
        let body = json!({"title": title, "llm_id": "model_echo"});
        made.push(json!(app.characters().create_conversation(&body).await.created_id()));
    }
    let [a, b, c] = <[Value; 3]>::try_from(made).unwrap();
    let old = json!("conv_123abc");
    // All within one second of the frozen clock.
    assert_eq!(ids(&app).await, [c.clone(), b.clone(), a.clone(), old.clone()]);
    let of = |id: &Value| format!("/conversations/{}/messages", id.as_str().unwrap());
    send_message(&app, &of(&a), "Hi").await;
    assert_eq!(ids(&app).await, [a.clone(), c.clone(), b.clone(), old.clone()]);
    send_message(&app, &of(&old), "Hi").await;
    assert_eq!(ids(&app).await, [old, a, c, b]);
}

#[tokio::test]
async fn last_message_at_is_the_time_of_the_last_message() {
    let app = TestApp::start().await;
    let path = begin(&app, &titled("model_echo")).await;
    let conversation = path.trim_end_matches("/messages");
    let last = async || app.characters().get(conversation).await.good()["last_message_at"].clone();
    assert_eq!(last().await, NOW);
    app.clock("demo").advance(MINUTE);
    assert_eq!(last().await, NOW, "looking is no activity");
    send_message(&app, &path, "Hi").await;
    assert_eq!(last().await, "2026-05-01T12:01:00Z");
    app.clock("demo").advance(MINUTE);
    app.characters().post(&path, &json!({"content": ""})).await.error_message(400);
    assert_eq!(last().await, "2026-05-01T12:01:00Z");
}

#[tokio::test]
async fn times_are_whole_seconds_in_utc() {
    let app = TestApp::with(|config| {
        config.clock = Some("2026-05-01T14:00:00.987+02:00".parse().unwrap());
    });
    let app = app.await;
    let made = app.characters().create_conversation(&titled("model_echo")).await.created();
    assert_eq!(made["last_message_at"], NOW);
}

#[tokio::test]
async fn a_runner_conversation_is_none_of_this_api_and_the_other_way_round() {
    let app = TestApp::start().await;
    let runner = crate::support::CONVERSATION;
    app.characters().get_conversation(runner).await.error_message(404);
    assert!(!ids(&app).await.contains(&json!(runner)));
    app.get("/v1/runner/conversation/conv_123abc/messages").await.runner_error(
        404,
        "invalid_request_error",
        "conversation_not_found",
    );
}
