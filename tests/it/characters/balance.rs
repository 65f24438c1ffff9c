//! What requests to the Characters API cost, and what happens when the balance does not cover it.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::characters::Characters;
use crate::support::{TestApp, TestResponse};

/// Fixed token counts for "fixed", and a rule that serves its replies in turn.
const RULES: &str = r#"
[[rule]]
when = { contains = "fixed" }
reply = [{ text = "Done.", input_tokens = 1000, output_tokens = 500 }]

[[rule]]
when = { contains = "story" }
reply = [{ text = "first" }, { text = "second" }, { text = "third" }]
"#;

fn completion(llm: &str, text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": text}], "llm_id": llm})
}

fn image(sd_model: &str) -> Value {
    json!({"prompt": "A hill", "sd_model_id": sd_model})
}

fn agent(sd_model: &str) -> Value {
    json!({"name": "Bob", "sd_model_id": sd_model})
}

async fn begin(api: Characters<'_>, llm: &str) -> String {
    let body = json!({"title": "T", "llm_id": llm, "system_prompt": "Be brief."});
    let id = api.create_conversation(&body).await.created_id();
    format!("/conversations/{id}/messages")
}

#[tokio::test]
async fn a_completion_costs_its_input_and_output_tokens_at_the_models_price() {
    let app = TestApp::with_character_rules(RULES).await;
    // 1500 tokens at 0.5 a thousand.
    let asked = completion("model_other", "fixed");
    app.characters().create_completion(&asked).await.good();
    assert_eq!(app.balance("demo").await, 250_000);
}

#[tokio::test]
async fn tokens_are_counted_over_all_that_is_shown_and_answered() {
    let app = TestApp::with_character_rules(RULES).await;
    let texts = ["Be brief.", "Hello there", "What is a comet made of?"];
    let messages: Vec<Value> =
        texts.iter().map(|text| json!({"role": "user", "content": text})).collect();
    let asked = json!({"messages": messages, "llm_id": "model_echo"});
    app.characters().create_completion(&asked).await.good();
    let shown: u64 = texts.iter().map(|text| o200k::count(text)).sum();
    let answered = o200k::count(texts[2]);
    let cost = i64::try_from((shown + answered) * 70).unwrap();
    assert_eq!(app.balance("demo").await, 1_000_000 - cost);
}

#[tokio::test]
async fn a_message_costs_instructions_history_message_and_answer() {
    let app = TestApp::with_character_rules(RULES).await;
    let path = begin(app.characters(), "model_echo").await;
    let mut history = o200k::count("Be brief.");
    let mut left = 1_000_000;
    for text in ["Hello there", "What is a comet made of?", "And its tail?"] {
        app.characters().post(&path, &json!({"content": text})).await.created();
        let said = o200k::count(text);
        left -= i64::try_from((history + said + said) * 70).unwrap();
        history += said + said;
        assert_eq!(app.balance("demo").await, left, "{text}");
    }
    let id = path.split('/').nth(2).unwrap();
    let mut picture = image("sd_free");
    picture["conversation_id"] = json!(id);
    app.characters().create_image(&picture).await.created();
    app.characters().post(&path, &json!({"content": "Nice"})).await.created();
    let said = o200k::count("Nice");
    left -= i64::try_from((history + 256 + said + said) * 70).unwrap();
    assert_eq!(app.balance("demo").await, left, "a file counts 256");
}

#[tokio::test]
async fn a_message_for_another_model_costs_that_models_price() {
    let app = TestApp::with_character_rules(RULES).await;
    let path = begin(app.characters(), "model_free").await;
    let say = json!({"content": "fixed", "llm_id": "model_other"});
    app.characters().post(&path, &say).await.created();
    assert_eq!(app.balance("demo").await, 250_000);
    app.characters().post(&path, &json!({"content": "fixed"})).await.created();
    assert_eq!(app.balance("demo").await, 250_000);
}

#[tokio::test]
async fn images_and_avatars_cost_the_models_price() {
    let app = TestApp::with_character_rules(RULES).await;
    app.characters().create_image(&image("sd_cent")).await.created();
    assert_eq!(app.balance("demo").await, 990_000);
    app.characters().create_agent(&agent("sd_dear")).await.created();
    assert_eq!(app.balance("demo").await, 90_000);
    app.characters().create_image(&image("sd_free")).await.created();
    assert_eq!(app.balance("demo").await, 90_000);
}

#[tokio::test]
async fn reading_and_creating_conversations_are_free() {
    let app = TestApp::start().await;
    let broke = app.characters_as("broke_api_key");
    let body = json!({"title": "T", "llm_id": "model_def456",
        "messages": [{"role": "user", "content": "Hi"}]});
    broke.create_conversation(&body).await.created();
    for path in ["/conversations", "/agents", "/images", "/models?type=llm"] {
        broke.get(path).await.good();
    }
    broke.create_completion(&completion("model_echo", "Hi")).await.good();
    assert_eq!(app.balance("demo-broke").await, 0);
}

#[tokio::test]
async fn without_the_money_it_is_402_that_tells_the_price() {
    let app = TestApp::start().await;
    let broke = app.characters_as("broke_api_key");
    let say = json!({"content": "Hi"});
    let said = "insufficient account balance: this costs 0.02 credits";
    let picture = image("sd_model_456abc");
    assert_eq!(broke.create_image(&picture).await.error_message(402), said);
    assert_eq!(broke.create_agent(&agent("sd_model_456abc")).await.error_message(402), said);
    broke.create_completion(&completion("model_abc123", "Hi")).await.error_message(402);
    broke.post("/conversations/conv_123abc/messages", &say).await.error_message(402);
    assert_eq!(app.balance("demo-broke").await, 0);
}

#[tokio::test]
async fn a_balance_that_just_covers_the_cost_is_enough_and_then_used_up() {
    let app = TestApp::with_character_rules(RULES).await;
    let poor = app.characters_as("poor_key");
    for left in [40_000, 30_000, 20_000, 10_000, 0] {
        poor.create_image(&image("sd_cent")).await.created();
        assert_eq!(app.balance("poor").await, left);
    }
    poor.create_image(&image("sd_cent")).await.error_message(402);
    poor.create_image(&image("sd_free")).await.created();
    assert_eq!(app.balance("poor").await, 0);
}

#[tokio::test]
async fn of_many_at_once_exactly_those_pass_that_the_balance_covers() {
    let app = TestApp::with_character_rules(RULES).await;
    let poor = app.characters_as("poor_key");
    let picture = image("sd_cent");
    let answers = join_all((0..20).map(|_| poor.create_image(&picture).send())).await;
    let (made, refused): (Vec<TestResponse>, Vec<TestResponse>) =
        answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((made.len(), refused.len()), (5, 15));
    for answer in refused {
        answer.error_message(402);
    }
    assert_eq!(app.balance("poor").await, 0);
    let page = poor.list_images("").await.good();
    assert_eq!(page["pagination"]["total_items"], 5);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_before_the_balance_is_looked_at() {
    let app = TestApp::start().await;
    let broke = app.characters_as("broke_api_key");
    let messages = "/conversations/conv_123abc/messages";
    let long = " a".repeat(9000);
    let mut for_nobody = completion("model_abc123", "Hi");
    for_nobody["agent_id"] = json!("agent_x");
    let mut nowhere = image("sd_model_456abc");
    nowhere["conversation_id"] = json!("conv_x");
    let mut young = agent("sd_model_456abc");
    young["age"] = json!(17);
    for (status, path, body) in [
        (400, "/completions", json!({"messages": [], "llm_id": "model_abc123"})),
        (400, "/completions", completion("sd_model_456abc", "Hi")),
        (400, "/completions", completion("model_abc123", &long)),
        (404, "/completions", completion("model_x", "Hi")),
        (404, "/completions", for_nobody),
        (400, messages, json!({"content": ""})),
        (400, messages, json!({"content": long})),
        (400, messages, json!({"content": "Hi", "llm_id": "sd_model_456abc"})),
        (404, messages, json!({"content": "Hi", "llm_id": "model_x"})),
        (404, "/conversations/conv_x/messages", json!({"content": "Hi"})),
        (400, "/agents", young),
        (400, "/agents", agent("model_abc123")),
        (404, "/agents", agent("sd_x")),
        (400, "/images", image("model_abc123")),
        (404, "/images", image("sd_x")),
        (404, "/images", nowhere),
    ] {
        broke.post(path, &body).deliberately_invalid().await.error_message(status);
    }
}

/// All data of the account, and what it creates next: ids, replies and balance.
async fn observable_state(app: &TestApp, conversation: &str) -> Vec<String> {
    let api = app.characters();
    let mut state = Vec::new();
    for path in ["/images", "/agents", "/conversations", conversation] {
        state.push(api.get(path).await.body);
    }
    let mut picture = image("sd_free");
    picture["conversation_id"] = json!(conversation.split('/').nth(2).unwrap());
    for (path, body) in [
        ("/completions", completion("model_free", "A story")),
        (conversation, json!({"content": "Another story"})),
        ("/completions", completion("model_free", "A story")),
        ("/images", picture),
        ("/agents", agent("sd_free")),
        ("/conversations", json!({"title": "T", "llm_id": "model_free"})),
    ] {
        let answer = api.post(path, &body).await;
        assert!(answer.status.is_success(), "{}", answer.body);
        state.push(answer.body);
    }
    state.push(api.get(conversation).await.body);
    state.push(app.balance("demo").await.to_string());
    let here = app.address.to_string();
    state.into_iter().map(|trace| trace.replace(&here, "here")).collect()
}

#[tokio::test]
async fn a_402_leaves_no_trace() {
    let (refusing, calm) =
        (TestApp::with_character_rules(RULES).await, TestApp::with_character_rules(RULES).await);
    let mut paths = Vec::new();
    for app in [&refusing, &calm] {
        app.characters().create_image(&image("sd_dear")).await.created();
        let path = begin(app.characters(), "model_free").await;
        app.characters().post(&path, &json!({"content": "Hi"})).await.created();
        paths.push(path);
    }
    let [path, same] = <[String; 2]>::try_from(paths).unwrap();
    assert_eq!(path, same);
    let mut picture = image("sd_dear");
    picture["conversation_id"] = json!(path.split('/').nth(2).unwrap());
    refusing.clock("demo").advance(std::time::Duration::from_secs(1));
    for _ in 0..2 {
        for (path, body) in [
            ("/completions", completion("model_dear", "A story")),
            (path.as_str(), json!({"content": "A story", "llm_id": "model_dear"})),
            ("/images", image("sd_dear")),
            ("/images", picture.clone()),
            ("/agents", agent("sd_dear")),
        ] {
            refusing.characters().post(path, &body).await.error_message(402);
        }
    }
    calm.clock("demo").advance(std::time::Duration::from_secs(1));
    let seen = observable_state(&refusing, &path).await;
    assert_eq!(seen, observable_state(&calm, &path).await);
    assert!(seen[4].contains("first") && seen[5].contains("second") && seen[6].contains("third"));
}
