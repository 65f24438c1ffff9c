//! What was acknowledged is there after the server has ended, however it ended.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::binary::Binary;
use crate::support::text_body;
use crate::support::timeout::within;

const CLIENTS: usize = 6;
/// Turns that are acknowledged, by all clients together, before the server is killed.
const TURNS: usize = 300;

/// The conversation of one client, and the texts of its acknowledged turns, in order.
#[derive(Default)]
struct AcknowledgedTurns {
    conversation: Option<String>,
    texts: Vec<String>,
}

/// Sends turns in a new conversation until the server no longer responds.
async fn send_turns(
    client: reqwest::Client,
    url: String,
    name: usize,
    acknowledged: Arc<AtomicUsize>,
    enough: Arc<Notify>,
) -> AcknowledgedTurns {
    let mut acknowledged_turns = AcknowledgedTurns::default();
    for turn in 0.. {
        let text = format!("client {name} says {turn}");
        let mut body = text_body(&text);
        if let Some(id) = &acknowledged_turns.conversation {
            body["conversation_id"] = json!(id);
        }
        let request = client.post(&url).header("x-api-key", "YOUR_API_KEY").json(&body);
        let Ok(answer) = request.send().await else { break };
        assert_eq!(answer.status(), 200);
        let Ok(answer) = answer.json::<Value>().await else { break };
        acknowledged_turns.conversation =
            Some(answer["conversation_id"].as_str().unwrap().to_owned());
        acknowledged_turns.texts.push(text);
        if acknowledged.fetch_add(1, Ordering::Relaxed) + 1 == TURNS {
            enough.notify_one();
        }
    }
    acknowledged_turns
}

#[tokio::test]
async fn kill_9_under_write_load_loses_no_acknowledged_turn() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept.db");
    let server = Binary::on_file(&file, &[]).await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let enough = Arc::new(Notify::new());
    let url = server.url("/v1/runner/ECHO_DEPLOYMENT_ID/conversation");
    let clients: Vec<_> = (0..CLIENTS)
        .map(|name| {
            let (acknowledged, enough) = (Arc::clone(&acknowledged), Arc::clone(&enough));
            tokio::spawn(send_turns(server.client.clone(), url.clone(), name, acknowledged, enough))
        })
        .collect();
    within("the turns", enough.notified()).await;
    server.signal(Signal::KILL);
    let (status, _) = server.wait_for_exit().await;
    assert_eq!(status.code(), None, "killed");

    let server = Binary::on_file(&file, &[]).await;
    let mut ids = HashSet::new();
    for client in clients {
        let acknowledged_turns = within("the client's end", client).await.unwrap();
        let messages = server.messages(&acknowledged_turns.conversation.unwrap()).await;
        assert!(messages.len().is_multiple_of(2), "whole turns only");
        let stored: Vec<&str> = messages
            .chunks_exact(2)
            .map(|turn| {
                assert_eq!(
                    (&turn[0]["role"], &turn[1]["role"]),
                    (&json!("user"), &json!("assistant"))
                );
                assert_eq!(turn[0]["content"], turn[1]["content"], "the answer is the echo");
                turn[0]["content"].as_str().unwrap()
            })
            .collect();
        let (acknowledged, rest) = stored.split_at(acknowledged_turns.texts.len());
        assert_eq!(
            acknowledged, acknowledged_turns.texts,
            "every acknowledged turn, once, in order"
        );
        assert!(rest.len() <= 1, "only the one in flight may be there besides: {rest:?}");
        ids.extend(messages.iter().map(|message| message["id"].as_str().unwrap().to_owned()));
    }
    assert!(ids.len() >= TURNS * 2, "no id was given twice");
}

/// What a conversation's list and messages look like from outside.
async fn everything(server: &Binary) -> Vec<Value> {
    let list = server.get("/v1/runner/conversations").await;
    let mut all = vec![list.clone()];
    for item in list["items"].as_array().unwrap() {
        all.push(Value::from(server.messages(item["id"].as_str().unwrap()).await));
    }
    all
}

#[tokio::test]
async fn data_survive_a_restart_and_ids_go_on_without_collision() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept.db");
    let mut conversations = HashSet::new();
    let mut messages = 0;
    let mut before = Vec::new();
    for round in 0..3 {
        let server = Binary::on_file(&file, &["--seed", "1"]).await;
        if round > 0 {
            assert_eq!(everything(&server).await, before);
        }
        let started = server.echo_conversation(None, "hello").await;
        let id = started["conversation_id"].as_str().unwrap().to_owned();
        server.echo_conversation(Some(&id), "again").await;
        assert!(conversations.insert(id), "a new id");
        before = everything(&server).await;
        let ids: Vec<&Value> = before[1..]
            .iter()
            .flat_map(|list| list.as_array().unwrap().iter().map(|message| &message["id"]))
            .collect();
        let distinct: HashSet<&str> = ids.iter().map(|id| id.as_str().unwrap()).collect();
        assert_eq!(distinct.len(), ids.len(), "no message id twice");
        messages += 4;
        assert_eq!(ids.len(), messages + 2, "with the two of the fixtures");
        server.stop().await;
        assert_eq!(files(folder.path()), ["kept.db"], "one tidy file is left");
    }
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_database_in_memory_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = crate::support::binary::command(&["--port", "0"]);
    command.env("MYNAH_DATABASE", "sqlite::memory:").current_dir(folder.path());
    let server = Binary::spawn(command).await;
    server.echo_conversation(None, "hello").await;
    server.stop().await;
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn without_options_data_are_kept_in_mynah_db_in_the_current_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = crate::support::binary::command(&["--port", "0"]);
    command.current_dir(folder.path());
    let server = Binary::spawn(command).await;
    let place =
        format!("sqlite://mynah.db in {}\n", folder.path().canonicalize().unwrap().display());
    assert!(server.banner.contains(&place), "{}", server.banner);
    server.stop().await;
    assert_eq!(files(folder.path()), ["mynah.db"]);
}
