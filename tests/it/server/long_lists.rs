//! Long lists and long texts: read in batches and one by one, and answered as any other.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{DEPLOYMENT, ECHO, TestApp, continue_body, text_body};

/// Longer than what is read along with others.
const LONG: usize = 20 * 1024;

async fn characters(app: &TestApp, method: Method, path: &str, body: Option<&Value>) -> Value {
    // The plan's limit begins anew.
    app.clock("demo").advance(Duration::from_mins(1));
    let path = format!("/api/v1{path}");
    let request = app.request(method, &path).header("authorization", "Bearer your_api_key_here");
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let answer = request.await;
    assert!(answer.status.is_success(), "{}", answer.body);
    answer.json()
}

async fn create(app: &TestApp, path: &str, body: &Value) -> Value {
    characters(app, Method::POST, path, Some(body)).await
}

async fn list(app: &TestApp, path: &str) -> Value {
    characters(app, Method::GET, path, None).await
}

fn texts(list: &Value, field: &str) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    items.map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_long_conversation_is_listed_whole_and_in_order() {
    let app = TestApp::start().await;
    let said: Vec<String> =
        (0..250)
            .map(|nth| {
                if nth % 99 == 5 { format!("{nth} {}", "x".repeat(LONG)) } else { nth.to_string() }
            })
            .collect();
    let messages: Vec<_> =
        said.iter().map(|text| json!({"role": "user", "content": text})).collect();
    let body = json!({"title": "Long", "llm_id": "model_echo", "messages": messages});
    let id = create(&app, "/conversations", &body).await["id"].as_str().unwrap().to_owned();
    let found = list(&app, &format!("/conversations/{id}/messages")).await;
    assert_eq!(texts(&found, "content"), said);
}

#[tokio::test]
async fn more_conversations_and_agents_than_are_read_at_a_time_are_listed_in_order() {
    let app = TestApp::start().await;
    let (before, agents) = (list(&app, "/conversations").await, list(&app, "/agents").await);
    let (mut titles, mut names) = (texts(&before, "title"), texts(&agents, "name"));
    for nth in 0..205 {
        let prompt = if nth == 7 { "x".repeat(LONG) } else { String::new() };
        let body =
            json!({"title": nth.to_string(), "llm_id": "model_echo", "system_prompt": prompt});
        create(&app, "/conversations", &body).await;
        titles.insert(0, nth.to_string());
        let body = json!({
            "name": format!("Agent {nth}"), "age": 30, "sd_model_id": "sd_model_456abc",
            "description": prompt,
        });
        create(&app, "/agents", &body).await;
        names.push(format!("Agent {nth}"));
    }
    let found = list(&app, "/conversations").await;
    assert_eq!(texts(&found, "title"), titles);
    assert_eq!(found[204 - 7]["system_prompt"].as_str().unwrap().len(), LONG);
    let found = list(&app, "/agents").await;
    assert_eq!(texts(&found, "name"), names);
    assert_eq!(
        found[agents.as_array().unwrap().len() + 7]["description"].as_str().unwrap().len(),
        LONG
    );
}

#[tokio::test]
async fn a_page_shows_long_texts_where_they_belong() {
    let app = TestApp::start().await;
    let long = "x".repeat(LONG);
    for prompt in ["a", &long, "b"] {
        let body = json!({"prompt": prompt, "sd_model_id": "sd_model_456abc"});
        create(&app, "/images", &body).await;
    }
    let page = list(&app, "/images?page_size=3").await;
    assert_eq!(texts(&page["data"], "prompt"), ["b", &long, "a"]);
    assert_eq!(page["pagination"]["next_page"], 2);

    let path = format!("/v1/runner/{ECHO}/conversation");
    let label = "x".repeat(4096);
    for value in ["a", &label, "b"] {
        let mut body = text_body("Hi");
        body["meta"] = json!({"label": value, "a": label, "b": label, "c": label, "d": label});
        app.post(&path, &body).await.good();
    }
    let page = app.get(&format!("/v1/runner/{ECHO}/conversations?page_size=2")).await.good();
    assert_eq!(page["items"][0]["meta"]["label"], "b");
    assert_eq!(page["items"][1]["meta"]["label"], label);
    assert_eq!((&page["total"], &page["has_more"]), (&json!(3), &json!(true)));
    let id = app.runner().start_conversation(ECHO, &long).await.conversation_id();
    app.runner().continue_conversation(ECHO, &id, "short").await.good();
    let shown: Vec<_> =
        app.runner().messages(&id).await.iter().map(|it| it["content"].clone()).collect();
    assert_eq!(shown, [json!(long), json!(long), json!("short"), json!("short")]);
}

#[tokio::test]
async fn a_model_is_shown_long_messages_and_variables_and_a_long_history() {
    let app = TestApp::start().await;
    let long = "x".repeat(LONG);
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation");
    let mut body = text_body(&long);
    body["variables"] = json!({"customer_name": long});
    let id = app.post(&path, &body).await.good()["conversation_id"].as_str().unwrap().to_owned();
    for nth in 0..70 {
        app.runner().continue_conversation(DEPLOYMENT, &id, &nth.to_string()).await.good();
    }
    let mut body = continue_body(&id, "last");
    body["history_limit"] = json!(1000);
    app.post(&path, &body).await.good();
    let path = "/_mynah/accounts/demo/requests?limit=1";
    let requests = app.request(Method::GET, path).await.good();
    let model = &requests["requests"][0]["model"];
    let history = model["history"].as_array().unwrap();
    assert_eq!(history.len(), 142);
    assert_eq!(history[0]["content"][0]["text"], long);
    for nth in 0..70 {
        assert_eq!(history[2 + 2 * nth]["content"][0]["text"], nth.to_string());
    }
    assert!(model["instructions"].as_str().unwrap().contains(&long));
}
