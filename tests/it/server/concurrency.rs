//! Many clients at once: nothing is lost, and turns stay whole.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::Value;

use crate::support::{ECHO, TestApp};

const CLIENTS: usize = 50;
const EACH: usize = 3;

/// All messages of a conversation, page by page.
async fn all_messages(app: &TestApp, id: &str) -> Vec<Value> {
    let mut messages = Vec::new();
    for page in 1.. {
        let query = format!("?page={page}&page_size=100");
        let list = app.runner().list_messages(id, &query).await.good();
        messages.extend(list["items"].as_array().unwrap().clone());
        if list["has_more"] == false {
            return messages;
        }
    }
    unreachable!()
}

/// One client's part in a conversation: every second one streams.
async fn take_part(app: &TestApp, id: &str, client: usize) -> Vec<String> {
    let mut said = Vec::new();
    for turn in 0..EACH {
        let text = format!("client {client} says {turn}");
        if client.is_multiple_of(2) {
            let chunks = app.runner().stream_conversation(ECHO, id, &text).await;
            assert_eq!(chunks.concat(), text);
        } else {
            let answer = app.runner().continue_conversation(ECHO, id, &text).await.good();
            assert_eq!(answer["content"], text);
        }
        said.push(text);
    }
    said
}

async fn many_clients_in_one_conversation(app: TestApp) {
    let id = app.runner().start_conversation(ECHO, "Hi").await.conversation_id();
    let said = join_all((0..CLIENTS).map(|client| take_part(&app, &id, client))).await;
    let messages = all_messages(&app, &id).await;
    let mut kept = Vec::new();
    let mut ids = BTreeSet::new();
    for turn in messages.chunks(2) {
        let [question, answer] = turn else { panic!("half a turn: {turn:?}") };
        assert_eq!(question["role"], "user");
        assert_eq!(answer["role"], "assistant");
        assert_eq!(question["content"], answer["content"], "a turn is interleaved");
        kept.push(question["content"].as_str().unwrap().to_owned());
        ids.extend([question, answer].map(|message| message["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(ids.len(), messages.len(), "every message has an id of its own");
    for texts in &said {
        // One client's turns stand in the order in which it took them.
        let own: Vec<&String> = kept.iter().filter(|text| texts.contains(text)).collect();
        assert_eq!(own, texts.iter().collect::<Vec<_>>());
    }
    assert_eq!(messages.len(), 2 + 2 * CLIENTS * EACH);
    let list = app.runner().list_conversations("").await.good();
    assert_eq!(list["items"][0]["message_count"], messages.len());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_clients_in_one_conversation_lose_nothing_and_interleave_no_turn() {
    many_clients_in_one_conversation(TestApp::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_clients_lose_nothing_when_the_database_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    many_clients_in_one_conversation(TestApp::with(|config| config.database = url).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conversations_started_concurrently_are_all_stored_under_different_ids() {
    let app = TestApp::start().await;
    let start = async |client: usize| {
        let text = format!("conversation {client}");
        (app.runner().start_conversation(ECHO, &text).await.conversation_id(), text)
    };
    let started = join_all((0..CLIENTS).map(start)).await;
    let ids: BTreeSet<&String> = started.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), CLIENTS);
    let listed = app.runner().conversation_ids("?page_size=100").await;
    assert_eq!(listed.len(), CLIENTS + 1);
    for (id, text) in &started {
        let messages = app.runner().messages(id).await;
        assert_eq!((messages.len(), &messages[0]["content"]), (2, &Value::from(text.as_str())));
    }
}
