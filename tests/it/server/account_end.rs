//! An account that is reset, restored or removed: what is still being answered for it ends at once.

use std::time::Duration;

use futures::FutureExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::raw::{Next, Raw};
use crate::support::{ECHO, TestApp, going_on, said};

const HOUR: Duration = Duration::from_hours(1);

/// An account made for a test.
struct Made<'a> {
    app: &'a TestApp,
    id: String,
    key: String,
}

/// How an account ends, as far as its streams are concerned.
#[derive(Debug, Clone, Copy)]
enum Way {
    Reset,
    Restore,
    Remove,
}

const WAYS: [Way; 3] = [Way::Reset, Way::Restore, Way::Remove];

impl<'a> Made<'a> {
    async fn new(app: &'a TestApp) -> Self {
        let made = app.request(Method::POST, "/_mynah/accounts").json(&json!({})).send().await;
        let text = |field: &str| made.json()[field].as_str().unwrap().to_owned();
        Self { app, id: text("id"), key: text("key") }
    }

    async fn control(&self, method: Method, rest: &str, body: &Value) -> Value {
        let path = format!("/_mynah/accounts/{}{rest}", self.id);
        let answer = self.app.request(method, &path).json(body).send().await;
        assert!(answer.status.is_success(), "{}", answer.body);
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    async fn fault(&self, effect: Value) {
        self.control(Method::POST, "/faults", &json!({ "effect": effect })).await;
    }

    async fn end(&self, way: Way, snapshot: &Value) {
        match way {
            Way::Reset => self.control(Method::POST, "/reset", &json!({})).await,
            Way::Restore => self.control(Method::PUT, "/snapshot", snapshot).await,
            Way::Remove => self.control(Method::DELETE, "", &json!({})).await,
        };
    }

    async fn conversation(&self) -> String {
        let path = format!("/v1/runner/{ECHO}/conversation");
        let started = self.app.request(Method::POST, &path).key(&self.key).json(&said("Hi"));
        started.send().await.good()["conversation_id"].as_str().unwrap().to_owned()
    }

    /// The streams that there are: one that stores nothing, one of a conversation.
    async fn streams(&self) -> [(String, Value); 2] {
        let id = self.conversation().await;
        [
            (format!("/v1/runner/{ECHO}/stream"), said("one two three")),
            (format!("/v1/runner/{ECHO}/conversation/stream"), going_on(&id, "one two three")),
        ]
    }

    async fn ask(&self, raw: &mut Raw, path: &str, body: &Value) {
        let headers = format!("x-api-key: {}\r\ncontent-type: application/json\r\n", self.key);
        raw.request("POST", path, &headers, &body.to_string()).await;
    }

    /// The ends of all entries of the journal.
    async fn ends(&self) -> Vec<Value> {
        let entries = self.control(Method::GET, "/requests", &json!({})).await;
        let entries = entries["requests"].as_array().unwrap().clone();
        entries.into_iter().map(|entry| entry["end"].clone()).collect()
    }
}

async fn open_streams(app: &TestApp) -> String {
    let metrics = app.request(Method::GET, "/_mynah/metrics").send().await.body;
    let line = metrics.lines().find(|line| line.starts_with("mynah_streams_open "));
    line.unwrap().to_owned()
}

#[tokio::test]
async fn a_stream_that_waits_for_its_next_word_breaks_off() {
    let app = TestApp::with(|config| config.pace = HOUR).await;
    for way in WAYS {
        let account = Made::new(&app).await;
        let streams = account.streams().await;
        let snapshot = account.control(Method::GET, "/snapshot", &json!({})).await;
        let mut open = Vec::new();
        for (path, body) in &streams {
            let mut raw = Raw::connect(app.address).await;
            account.ask(&mut raw, path, body).await;
            raw.head().await;
            assert_eq!(raw.next().await, Next::Chunk("one ".to_owned()));
            open.push(raw);
        }
        account.end(way, &snapshot).await;
        for mut raw in open {
            assert_eq!(raw.next().await, Next::Broken, "{way:?}");
        }
        app.settle().await;
        match way {
            Way::Reset => assert_eq!(account.ends().await.len(), 0),
            Way::Restore => {
                assert_eq!(account.ends().await, ["complete", "broken", "broken"]);
                let now = account.control(Method::GET, "/snapshot", &json!({})).await;
                assert_eq!(now["conversations"], snapshot["conversations"], "nothing is stored");
            }
            Way::Remove => {}
        }
    }
}

#[tokio::test]
async fn a_stream_that_a_fault_stalls_or_slows_breaks_off() {
    let app = TestApp::start().await;
    for effect in [json!({"stall_after": 1}), json!({"pace_ms": 3_600_000})] {
        for way in WAYS {
            let account = Made::new(&app).await;
            let snapshot = account.control(Method::GET, "/snapshot", &json!({})).await;
            account.fault(effect.clone()).await;
            let mut raw = Raw::connect(app.address).await;
            account.ask(&mut raw, &format!("/v1/runner/{ECHO}/stream"), &said("one two")).await;
            raw.head().await;
            assert_eq!(raw.next().await, Next::Chunk("one ".to_owned()));
            account.end(way, &snapshot).await;
            assert_eq!(raw.next().await, Next::Broken, "{way:?} {effect}");
        }
    }
}

/// The client's and the server's buffers are full, and the server waits to write: it has nothing to
/// ask the stream for.
#[tokio::test]
async fn a_stream_that_nobody_reads_ends_too() {
    let app = TestApp::start().await;
    let text = "word after word ".repeat(500_000);
    for way in WAYS {
        let account = Made::new(&app).await;
        let id = account.conversation().await;
        let snapshot = account.control(Method::GET, "/snapshot", &json!({})).await;
        let mut raw = Raw::connect(app.address).await;
        let path = format!("/v1/runner/{ECHO}/conversation/stream");
        account.ask(&mut raw, &path, &going_on(&id, &text)).await;
        raw.head().await;
        app.settle().await;
        assert_eq!(open_streams(&app).await, "mynah_streams_open 1");
        account.end(way, &snapshot).await;
        app.settle().await;
        assert_eq!(open_streams(&app).await, "mynah_streams_open 0", "{way:?}");
        if matches!(way, Way::Restore) {
            assert_eq!(account.ends().await, ["complete", "broken"]);
        }
        loop {
            match raw.next().await {
                Next::Chunk(_) => {}
                end => break assert_eq!(end, Next::Broken, "{way:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_a_fault_delays_is_refused_at_once() {
    let app = TestApp::start().await;
    let account = Made::new(&app).await;
    account.fault(json!({"delay_ms": 3_600_000})).await;
    let path = format!("/v1/runner/{ECHO}");
    let request = app.request(Method::POST, &path).key(&account.key).json(&said("Hi"));
    // The documents do not know that faults can delay a request for so long.
    let mut waiting = Box::pin(request.beyond_the_documents().send());
    for _ in 0..5 {
        assert!((&mut waiting).now_or_never().is_none());
        app.settle().await;
    }
    account.end(Way::Reset, &Value::Null).await;
    waiting.await.refused(409, "invalid_request_error", "account_reset");
}

#[tokio::test]
async fn a_connection_whose_stream_has_ended_is_left_alone() {
    let app = TestApp::start().await;
    let account = Made::new(&app).await;
    let path = format!("/v1/runner/{ECHO}/stream");
    let mut raw = Raw::connect(app.address).await;
    for _ in 0..3 {
        account.ask(&mut raw, &path, &said("one two")).await;
        assert_eq!(raw.stream().await, ["one ", "two"]);
        account.end(Way::Reset, &Value::Null).await;
        app.settle().await;
    }
}
