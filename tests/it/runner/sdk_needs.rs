//! Runner API, agent runs: what the vendor's SDK needs of the server, each need a test. Others are in
//! `agent_runs`: which requests are 409 (`a_message_is_refused_while_a_run_waits_in_both_versions`,
//! `a_run_in_the_background_is_finished_when_the_clock_has_passed_it`,
//! `the_same_results_get_the_same_answer_and_others_conflict`,
//! `a_run_that_waits_expires_by_the_accounts_clock`, `a_completed_conversation_is_closed_for_good`), older
//! pages while items are added (`a_history_is_read_page_by_page_while_items_are_added`), and the order of one
//! run's items (`items_sort_as_the_sdk_sorts_them`).

use std::collections::{BTreeMap, HashSet};

use chrono::DateTime;
use serde_json::{Value, json};

use crate::support::{AGENT, CONVERSATION, DEPLOYMENT, JSON, TestApp, text_body};

const RULES: &str = r#"
    [[rule]]
    when = { tool_result = { name = "second" } }
    reply = [{ text = "Done." }]
    [[rule]]
    when = { tool_result = { name = "first", contains = "again" } }
    reply = [{ text = "Once more.", tool_calls = [{ name = "first" }, { name = "second" }] }]
    [[rule]]
    when = { tool_result = { name = "first" } }
    reply = [{ text = "Fine." }]
    [[rule]]
    when = { contains = "two" }
    reply = [{ tool_calls = [{ name = "first", arguments = { n = "1" } }, { name = "second" }] }]
    [[rule]]
    when = { contains = "one" }
    reply = [{ tool_calls = [{ name = "first" }] }]
    [[rule]]
    when = { contains = "later" }
    reply = [{ text = "Here it is.", run = "background", after_ms = 5000 }]
    [[rule]]
    when = { contains = "bye" }
    reply = [{ text = "Goodbye.", complete = true }]
"#;

/// A client that has one conversation.
struct Client {
    app: TestApp,
    conversation: Value,
}

impl Client {
    async fn start(text: &str) -> (Self, Value) {
        let app = TestApp::with_rules(RULES).await;
        let mut client = Self { app, conversation: Value::Null };
        let answer = client.good(client.message(text)).await;
        client.conversation = answer["conversation_id"].clone();
        (client, answer)
    }

    fn message(&self, text: &str) -> Value {
        let mut body = text_body(text);
        body["client_capabilities"] = json!(["first", "second"]);
        if !self.conversation.is_null() {
            body["conversation_id"] = self.conversation.clone();
        }
        body
    }

    /// The body with `output` for each of `calls`.
    fn results(&self, calls: &Value, output: &Value) -> Value {
        let calls = calls.as_array().unwrap().iter();
        let results: Vec<_> =
            calls.map(|call| json!({"call_id": call["call_id"], "output": output})).collect();
        json!({"conversation_id": self.conversation, "tool_results": results})
    }

    async fn good(&self, body: Value) -> Value {
        self.app.runner().run_agent(AGENT, &body).await.good()
    }

    /// A whole run: message, results of all its calls, until no call is pending.
    async fn run(&self, text: &str) -> Value {
        let mut answer = self.good(self.message(text)).await;
        while answer["run_status"] == "waiting_for_client_action" {
            answer = self.good(self.results(&answer["client_tool_calls"], &json!({}))).await;
        }
        answer
    }

    async fn history(&self, query: &str) -> Value {
        let id = self.conversation.as_str().unwrap();
        self.app.runner().history(AGENT, id, query).await.good()
    }

    async fn advance(&self, seconds: f64) {
        self.app.demo().advance_clock(&json!({"seconds": seconds})).await.good();
    }

    /// The code of a 409, after which the history can be read; and the history.
    async fn conflict(&self, body: Value) -> (String, Value) {
        let answer = self.app.runner().run_agent(AGENT, &body).await;
        assert_eq!(answer.status, 409, "{body}");
        let code = answer.json()["error"]["code"].as_str().unwrap().to_owned();
        (code, self.history("?limit=100").await)
    }
}

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap()
}

fn id(item: &Value) -> &str {
    item["id"].as_str().unwrap()
}

/// `items` as the SDK sorts them: by `Date.parse(created_at)`, then by `id.localeCompare`, which for ids of
/// digits, `_` and lower-case letters of one length is the order of their bytes.
fn sorted(mut items: Vec<Value>) -> Vec<Value> {
    let time = |item: &Value| {
        DateTime::parse_from_rfc3339(item["created_at"].as_str().unwrap())
            .unwrap()
            .timestamp_millis()
    };
    items.sort_by(|a, b| (time(a), id(a)).cmp(&(time(b), id(b))));
    items
}

#[tokio::test]
async fn after_every_409_the_history_shows_why() {
    let (client, waiting) = Client::start("one").await;
    let calls = &waiting["client_tool_calls"];
    let (code, history) = client.conflict(client.message("Hello?")).await;
    assert_eq!(code, "client_action_required");
    assert_eq!(history["run_status"], "waiting_for_client_action");
    assert_eq!(&history["pending_client_actions"], calls);

    client.good(client.results(calls, &json!({"n": 1}))).await;
    let (code, history) = client.conflict(client.results(calls, &json!({"n": 2}))).await;
    assert_eq!(
        (code.as_str(), &history["run_status"]),
        ("tool_results_conflict", &json!("completed"))
    );
    assert_eq!(history["pending_client_actions"], json!([]));

    client.good(client.message("later")).await;
    let (code, history) = client.conflict(client.message("Hello?")).await;
    assert_eq!((code.as_str(), &history["run_status"]), ("run_in_progress", &json!("running")));
    client.advance(5.0).await;

    let expiring = client.good(client.message("one")).await;
    client.advance(24.0 * 3600.0).await;
    let late = client.results(&expiring["client_tool_calls"], &json!({}));
    let (code, history) = client.conflict(late).await;
    assert_eq!((code.as_str(), &history["run_status"]), ("run_expired", &json!("expired")));

    client.good(client.message("bye")).await;
    let (code, history) = client.conflict(client.message("Hello?")).await;
    assert_eq!(code, "conversation_completed");
    assert_eq!(history["conversation_status"], "completed");
}

#[tokio::test]
async fn stale_results_of_an_earlier_run_are_409_and_the_next_run_goes_on_waiting() {
    let (client, first) = Client::start("one").await;
    let stale = client.results(&first["client_tool_calls"], &json!({"n": 1}));
    client.good(stale.clone()).await;
    let second = client.good(client.message("one")).await;
    let other = client.results(&first["client_tool_calls"], &json!({"n": 2}));
    let (code, history) = client.conflict(other).await;
    assert_eq!(code, "tool_results_conflict");
    assert_eq!(history["pending_client_actions"], second["client_tool_calls"]);
    assert_eq!(history["run_id"], second["run_id"]);
    // Repeated, they get their old answer and leave the waiting run alone.
    assert_eq!(client.good(stale).await["run_id"], first["run_id"]);
    assert_eq!(client.history("").await, history);
}

#[tokio::test]
async fn every_limit_from_1_to_100_pages_from_the_newest_items_to_the_oldest() {
    let (client, _) = Client::start("Hi").await;
    for _ in 0..5 {
        client.run("two").await;
    }
    let all = client.history("").await;
    let all = items(&all);
    assert_eq!(all.len(), 22);
    for limit in 1..=100 {
        let (mut older, mut query) = (all.as_slice(), format!("?limit={limit}"));
        loop {
            let page = client.history(&query).await;
            let (rest, newest) = older.split_at(older.len() - limit.min(older.len()));
            assert_eq!(items(&page), newest, "{query}");
            older = rest;
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            assert!(!rest.is_empty(), "{query}: a cursor that leads to nothing");
            query = format!("?cursor={cursor}&limit={limit}");
        }
        assert!(older.is_empty(), "{limit}: null before the oldest item");
    }
}

#[tokio::test]
async fn items_of_many_runs_sort_as_they_were_made() {
    let (client, _) = Client::start("Hi").await;
    let conversation = client.conversation.as_str().unwrap();
    for (index, text) in ["one", "two", "later", "Hi", "two", "later"].into_iter().enumerate() {
        if text == "later" {
            client.run(text).await;
            client.advance(5.001).await;
        } else {
            // Some runs are in one millisecond.
            client.advance(if index % 2 == 0 { 0.001 } else { 0.0 }).await;
            client.run(text).await;
        }
        client.app.runner().continue_conversation(AGENT, conversation, "v1").await.good();
    }
    let page = client.history("").await;
    let made = items(&page).clone();
    assert_eq!(made.len(), 2 + 3 + 4 + 2 + 2 + 4 + 2 + 6 * 2);
    let mut shuffled = made.clone();
    shuffled.reverse();
    shuffled.rotate_left(7);
    assert_eq!(sorted(shuffled), made);
}

#[tokio::test]
async fn no_call_id_comes_twice_in_a_conversation() {
    let (client, _) = Client::start("Hi").await;
    let mut seen = HashSet::new();
    for round in 0..60 {
        let mut answer = client.good(client.message("one")).await;
        while answer["run_status"] == "waiting_for_client_action" {
            let calls = answer["client_tool_calls"].clone();
            for call in calls.as_array().unwrap() {
                assert!(seen.insert(call["call_id"].as_str().unwrap().to_owned()), "{call}");
            }
            let output = if round % 2 == 0 { json!({"then": "again"}) } else { json!({}) };
            answer = client.good(client.results(&calls, &output)).await;
        }
    }
    assert_eq!(seen.len(), 60 + 30 * 2);
}

#[tokio::test]
async fn items_keep_their_ids_from_poll_to_poll() {
    let (client, _) = Client::start("Hi").await;
    let mut ids: BTreeMap<String, (Value, Value)> = BTreeMap::new();
    let mut poll = async |when: &str| {
        let page = client.history("").await;
        let mut unseen = ids.len();
        for item in items(&page) {
            // What a call was is the same under its id when its status has changed.
            let what = (item["type"].clone(), item["call_id"].clone());
            unseen -= usize::from(ids.contains_key(id(item)));
            let before = ids.entry(id(item).to_owned()).or_insert(what.clone());
            assert_eq!(*before, what, "{when}");
        }
        assert_eq!(unseen, 0, "{when}: an item is gone");
        assert_eq!(ids.len(), items(&page).len(), "{when}: an id is used twice");
        items(&page).last().unwrap()["status"].clone()
    };
    poll("after a message").await;
    let waiting = client.good(client.message("two")).await;
    assert_eq!(poll("with calls").await, "pending");
    client.good(client.results(&waiting["client_tool_calls"], &json!({}))).await;
    poll("with their results").await;
    client.good(client.message("one")).await;
    assert_eq!(poll("with another call").await, "pending");
    client.advance(24.0 * 3600.0).await;
    assert_eq!(poll("when it has expired").await, "expired");
    client.good(client.message("later")).await;
    poll("while a run is in the background").await;
    client.advance(5.0).await;
    poll("with its answer").await;
}

#[tokio::test]
async fn every_page_shows_the_whole_set_of_pending_calls() {
    let (client, _) = Client::start("Hi").await;
    let waiting = client.good(client.message("two")).await;
    let calls = waiting["client_tool_calls"].clone();
    assert_eq!(calls[1]["arguments"], json!({}), "arguments are an object, always");
    let newest = client.history("?limit=1").await;
    let older = format!("?limit=1&cursor={}", newest["next_cursor"].as_str().unwrap());
    for query in ["?limit=1", &older, "?limit=100"] {
        assert_eq!(client.history(query).await["pending_client_actions"], calls, "{query}");
    }
    // The next round replaces the set.
    let again = client.good(client.results(&calls, &json!({"then": "again"}))).await;
    let pending = client.history("?limit=1").await["pending_client_actions"].clone();
    assert_eq!(pending, again["client_tool_calls"]);
}

#[tokio::test]
async fn the_history_of_an_unknown_conversation_is_404() {
    let (client, _) = Client::start("Hi").await;
    for unknown in ["nowhere", "00000000-0000-4000-8000-000000000000"] {
        let answer = client.app.runner().history(AGENT, unknown, "?limit=100").await;
        answer.runner_error(404, "invalid_request_error", "conversation_not_found");
    }
}

#[tokio::test]
async fn every_message_is_an_array_of_parts() {
    let app = TestApp::start().await;
    let image = json!({
        "type": "image", "mime_type": "image/png", "file_uri": "https://example.com/a.png",
    });
    let mut body = text_body("Look at this.");
    body["content"].as_array_mut().unwrap().push(image.clone());
    // Structured output, a turn of the Runner API v1, and a conversation of the fixtures.
    let structured = app.runner().run_agent(JSON, &body).await.good();
    let v1 = app.runner().start_conversation(DEPLOYMENT, &body).await.good();
    for (deployment, conversation) in [
        (JSON, structured["conversation_id"].as_str().unwrap()),
        (DEPLOYMENT, v1["conversation_id"].as_str().unwrap()),
        (DEPLOYMENT, CONVERSATION),
    ] {
        let page = app.runner().history(deployment, conversation, "?limit=100").await.good();
        assert!(items(&page).len() >= 2);
        for item in items(&page) {
            assert!(["user", "assistant"].contains(&item["role"].as_str().unwrap()));
            let parts = item["content"].as_array().unwrap();
            assert!(!parts.is_empty() && parts.iter().all(|part| part["type"].is_string()));
        }
        if conversation != CONVERSATION {
            assert_eq!(items(&page)[0]["content"][1], image);
        }
    }
}

#[tokio::test]
async fn a_conversation_without_runs_has_a_history() {
    let app = TestApp::start().await;
    let page = app.runner().history(DEPLOYMENT, CONVERSATION, "?limit=100").await.good();
    assert_eq!((&page["run_id"], &page["run_status"]), (&Value::Null, &Value::Null));
    assert_eq!(page["pending_client_actions"], json!([]));
    assert_eq!(page["conversation_status"], "active");
    assert_eq!((&page["completed_at"], &page["next_cursor"]), (&Value::Null, &Value::Null));
}
