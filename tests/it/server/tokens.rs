//! Token counts: what the model was shown, and what it answered (`o200k_base`; the tokenizer
//! itself is held to tiktoken in `crates/o200k`).

use serde_json::{Value, json};

use crate::support::{DEPLOYMENT, ECHO, TestApp, continue_body, text_body};

fn tokens(answer: &Value) -> (u64, u64) {
    (answer["input_tokens"].as_u64().unwrap(), answer["output_tokens"].as_u64().unwrap())
}

/// A server whose deployment `BRIEF` is shown `hello world` as instructions, and answers with
/// `Hello, world!`: 2 and 4 tokens.
async fn app_with_short_texts() -> TestApp {
    let fixtures = r#"
        [[deployment]]
        id = "BRIEF"
        account = "demo"
        model = "m"
        instructions = "hello {{SUBJECT}}"

        [[rule]]
        when = { contains = "thirteen" }
        reply = [{ text = "Hello, world!", input_tokens = 13 }]

        [[rule]]
        when = { contains = "zero" }
        reply = [{ text = "Hello, world!", output_tokens = 0 }]

        [[rule]]
        when = { deployment = "BRIEF" }
        reply = [{ text = "Hello, world!" }]
    "#;
    TestApp::with_rules(fixtures).await
}

fn with_subject_world(mut body: Value) -> Value {
    body["variables"] = json!({"SUBJECT": "world"});
    body
}

#[tokio::test]
async fn input_and_output_are_counted_by_the_tokenizer() {
    let app = TestApp::start().await;
    for (text, count) in
        [("hello world", 2), ("antidisestablishmentarianism", 6), ("Привет, мир!", 5)]
    {
        assert_eq!(o200k::count(text), count, "{text}");
        assert_eq!(tokens(&app.runner().run(ECHO, text).await.good()), (count, count));
    }
}

#[tokio::test]
async fn instructions_count_after_substitution() {
    let app = app_with_short_texts().await;
    let answer = app.post("/v1/runner/BRIEF", &with_subject_world(text_body("a"))).await.good();
    assert_eq!(tokens(&answer), (2 + 1, 4));
    let blank = app.runner().run("BRIEF", "a").await.good();
    assert_eq!(tokens(&blank), (o200k::count("hello ") + 1, 4));
}

#[tokio::test]
async fn input_is_the_plain_sum_of_each_texts_tokens() {
    let app = TestApp::start().await;
    let text = |text: &str| json!({"type": "text", "text": text});
    // Two texts that would be one token together count as two.
    let body = json!({"content": [text("hel"), text("lo")]});
    let expected = o200k::count("hel") + o200k::count("lo");
    assert_ne!(expected, o200k::count("hello"));
    let answer = app.runner().run(ECHO, &body).await.good();
    assert_eq!(tokens(&answer).0, expected);
}

#[tokio::test]
async fn a_file_part_counts_256() {
    let app = TestApp::start().await;
    for (kind, count) in [("image", 1), ("video", 2), ("audio", 1), ("url", 3)] {
        let uri = "https://example.com/a/very/long/path/that/does/not/matter.bin";
        let file = json!({"type": kind, "mime_type": "a/b", "file_uri": uri});
        let mut content = vec![file; count];
        content.push(json!({"type": "text", "text": "hello world"}));
        let answer = app.runner().run(ECHO, json!({"content": content})).await;
        assert_eq!(tokens(&answer.good()).0, 256 * u64::try_from(count).unwrap() + 2);
    }
}

#[tokio::test]
async fn the_history_sent_counts_and_no_more_of_it() {
    let app = app_with_short_texts().await;
    let path = "/v1/runner/BRIEF/conversation";
    let first = app.post(path, &with_subject_world(text_body("a"))).await.good();
    assert_eq!(tokens(&first), (2 + 1, 4));
    let id = first["conversation_id"].as_str().unwrap();
    // Each turn before adds its message and its answer: 1 + 4.
    for before in 1..=7 {
        let shown = before.min(5);
        let further = app.runner().continue_conversation("BRIEF", id, "a").await.good();
        assert_eq!(tokens(&further), (2 + 1 + shown * 5, 4));
    }
    let mut body = continue_body(id, "a");
    for (limit, shown) in [(0, 0), (1, 1), (3, 3), (1000, 11)] {
        body["history_limit"] = json!(limit);
        let further = app.post(path, &body).await.good();
        assert_eq!(tokens(&further).0, 2 + 1 + shown * 5, "history_limit {limit}");
    }
}

#[tokio::test]
async fn files_in_the_history_count_256_too() {
    let app = TestApp::start().await;
    let file = json!({"type": "url", "mime_type": "a/b", "file_uri": "https://e.org/a"});
    let path = format!("/v1/runner/{ECHO}/conversation");
    let first = app.post(&path, &json!({"content": [file]})).await.good();
    assert_eq!(tokens(&first).0, 256);
    let echoed = o200k::count("[url a/b https://e.org/a]");
    assert_eq!(tokens(&first).1, echoed);
    let id = first["conversation_id"].as_str().unwrap();
    let second = app.runner().continue_conversation(ECHO, id, "hello world").await.good();
    assert_eq!(tokens(&second), (256 + echoed + 2, 2));
}

#[tokio::test]
async fn a_structured_answer_counts_as_its_json_text() {
    let app = TestApp::start().await;
    let answer = app.runner().run("JSON_DEPLOYMENT_ID", "the sentiment").await.good();
    let text = r#"{"text":"the sentiment","sentiment":"positive","confidence":0.93}"#;
    assert_eq!(answer["content"].to_string(), text);
    assert_eq!(tokens(&answer).1, o200k::count(text));
}

#[tokio::test]
async fn a_rule_may_set_either_number() {
    let app = app_with_short_texts().await;
    assert_eq!(tokens(&app.runner().run("BRIEF", "thirteen").await.good()), (13, 4));
    let zero = app.post("/v1/runner/BRIEF", &with_subject_world(text_body("zero"))).await.good();
    assert_eq!(tokens(&zero), (2 + o200k::count("zero"), 0));
}

#[tokio::test]
async fn the_default_deployments_instructions_are_counted() {
    let app = TestApp::start().await;
    let shown = "You are a friendly support assistant. The customer's name is . The customer's \
                 tier is . Answer in this tone: .";
    let answer = app.runner().run(DEPLOYMENT, "Hi").await.good();
    assert_eq!(tokens(&answer), (o200k::count(shown) + 1, 7));
}
