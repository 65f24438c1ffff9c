//! Ids and everything else that is drawn: the same account making the same requests on the same
//! seed gets the same bytes, whatever others do in between.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{CONVERSATION, DEPLOYMENT, ECHO, JSON, TestApp, continue_body, text_body};

async fn seeded(seed: u64) -> TestApp {
    TestApp::with(move |config| config.seed = seed).await
}

/// What one account is answered, byte by byte, request ids included. `between` happens before
/// each request.
async fn dialogue(app: &TestApp, key: &str, between: impl AsyncFn()) -> Vec<(String, String)> {
    let mut heard = Vec::new();
    let mut conversation = String::new();
    let start = format!("/v1/runner/{DEPLOYMENT}/conversation");
    for step in 0..9 {
        between().await;
        let (method, path, body) = match step {
            0 => (Method::POST, format!("/v1/runner/{DEPLOYMENT}"), Some(text_body("Tell me"))),
            1 | 3 => (Method::POST, start.clone(), Some(text_body("Tell me more"))),
            2 => (Method::POST, start.clone(), Some(continue_body(CONVERSATION, "And now?"))),
            4 => (Method::POST, start.clone(), Some(continue_body(&conversation, "Go on"))),
            5 => (
                Method::POST,
                format!("{start}/stream"),
                Some(continue_body(&conversation, "And on")),
            ),
            6 => (Method::POST, format!("/v1/runner/{JSON}"), Some(json!({}))),
            7 => (Method::GET, format!("/v1/runner/conversation/{conversation}/messages"), None),
            _ => (Method::GET, "/v1/runner/conversations".to_owned(), None),
        };
        let mut request = app.request(method, &path).key(key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.await;
        if step == 3 {
            answer.good()["conversation_id"].as_str().unwrap().clone_into(&mut conversation);
        }
        heard.push((answer.header("x-request-id").unwrap().to_owned(), answer.body));
    }
    heard
}

async fn nothing() {}

#[tokio::test]
async fn the_same_seed_gives_the_same_bytes_on_two_servers() {
    let (one, two) = (seeded(42).await, seeded(42).await);
    for key in ["YOUR_API_KEY", "free_api_key"] {
        assert_eq!(dialogue(&one, key, nothing).await, dialogue(&two, key, nothing).await);
    }
}

#[tokio::test]
async fn what_other_accounts_do_in_between_changes_nothing() {
    let (quiet, busy) = (seeded(42).await, seeded(42).await);
    let path = format!("/v1/runner/{DEPLOYMENT}/conversation");
    let others = async || {
        for key in ["free_api_key", "broke_api_key"] {
            let request = || busy.request(Method::POST, &path).key(key);
            request().json(&text_body("Hello")).await.good();
            request().json(&json!({})).await;
        }
        let stranger = busy.request(Method::POST, &path).key("wrong");
        assert_eq!(stranger.json(&text_body("Hi")).await.status, 401);
    };
    let undisturbed = dialogue(&quiet, "YOUR_API_KEY", nothing).await;
    assert_eq!(dialogue(&busy, "YOUR_API_KEY", others).await, undisturbed);
}

#[tokio::test]
async fn another_seed_or_account_gives_other_ids() {
    let ids = async |app: &TestApp, key: &str| {
        let path = format!("/v1/runner/{ECHO}/conversation");
        let answer = app.request(Method::POST, &path).key(key).json(&text_body("Hi")).await.good();
        let id = answer["conversation_id"].as_str().unwrap().to_owned();
        let path = format!("/v1/runner/conversation/{id}/messages");
        let messages = app.request(Method::GET, &path).key(key).await.good();
        let message = messages["items"][0]["id"].as_str().unwrap().to_owned();
        [id, message, answer["request_id"].as_str().unwrap().to_owned()]
    };
    let (one, two) = (seeded(1).await, seeded(2).await);
    let mine = ids(&one, "YOUR_API_KEY").await;
    let theirs = ids(&one, "free_api_key").await;
    let on_another_seed = ids(&two, "YOUR_API_KEY").await;
    for kind in 0..3 {
        assert_ne!(mine[kind], theirs[kind]);
        assert_ne!(mine[kind], on_another_seed[kind]);
    }
}

/// An id depends on how many of its kind were made, and not on how many of another.
#[tokio::test]
async fn an_id_depends_on_its_own_kind_alone() {
    let (one, two) = (seeded(7).await, seeded(7).await);
    two.runner().run(ECHO, "only a request id is drawn").await.good();
    two.runner()
        .continue_conversation(DEPLOYMENT, CONVERSATION, "only message ids are drawn")
        .await
        .good();
    let conversations: [String; 2] = [
        one.runner().start_conversation(ECHO, "Hi").await.conversation_id(),
        two.runner().start_conversation(ECHO, "Hi").await.conversation_id(),
    ];
    assert_eq!(conversations[0], conversations[1]);
    let messages: [Vec<Value>; 2] = [
        one.runner().messages(&conversations[0]).await,
        two.runner().messages(&conversations[1]).await,
    ];
    assert_ne!(messages[0][0]["id"], messages[1][0]["id"]);
}

#[tokio::test]
async fn a_request_id_of_the_clients_own_is_not_counted() {
    let (one, two) = (seeded(7).await, seeded(7).await);
    let request = two.request(Method::POST, &format!("/v1/runner/{ECHO}")).key("YOUR_API_KEY");
    request.header("x-request-id", "mine").json(&text_body("Hi")).await.good();
    let ids = [one.runner().run(ECHO, "Hi").await, two.runner().run(ECHO, "Hi").await]
        .map(|answer| answer.header("x-request-id").unwrap().to_owned());
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn ids_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    let start = || TestApp::with(|config| config.database.clone_from(&url));
    let app = start().await;
    let before = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    let first = app.runner().messages(&before).await;
    app.stop().await;
    let app = start().await;
    let after = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    assert_ne!(before, after);
    assert_eq!(app.runner().messages(&before).await, first);
    let second = app.runner().messages(&after).await;
    assert!(first.iter().all(|old| second.iter().all(|new| old["id"] != new["id"])));
    let expected = [after.as_str(), &before, CONVERSATION];
    assert_eq!(app.runner().conversation_ids("").await, expected);
}

#[test]
fn without_a_seed_the_seed_is_random() {
    assert_ne!(mynah::ids::random_seed(), mynah::ids::random_seed());
}
