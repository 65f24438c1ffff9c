//! An account that is reset, restored or removed: what is still being answered for it ends at once.

use std::time::Duration;

use futures::FutureExt as _;
use serde_json::{Value, json};

use crate::support::control::{AccountControl, NewAccount};
use crate::support::raw::{RawConnection, StreamEvent, chunk};
use crate::support::runner::Runner;
use crate::support::{ECHO, TestApp, text_body};

const HOUR: Duration = Duration::from_hours(1);

/// An account created for a test.
struct TestAccount<'a> {
    app: &'a TestApp,
    id: String,
    key: String,
}

/// How an account ends, as far as its streams are concerned.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Reset,
    Restore,
    Remove,
}

const ENDINGS: [Ending; 3] = [Ending::Reset, Ending::Restore, Ending::Remove];

impl<'a> TestAccount<'a> {
    async fn new(app: &'a TestApp) -> Self {
        let NewAccount { id, key } = app.control().new_account().await;
        Self { app, id, key }
    }

    fn control(&self) -> AccountControl<'_> {
        self.app.control().account(&self.id)
    }

    fn runner(&self) -> Runner<'_> {
        self.app.runner_as(&self.key)
    }

    async fn add_fault(&self, effect: Value) {
        self.control().add_fault(&json!({ "effect": effect })).await.created();
    }

    async fn snapshot(&self) -> Value {
        self.control().snapshot().await.good()
    }

    async fn end(&self, ending: Ending, snapshot: &Value) {
        let response = match ending {
            Ending::Reset => self.control().reset().await,
            Ending::Restore => self.control().restore(snapshot).await,
            Ending::Remove => self.control().delete().await,
        };
        assert!(response.status.is_success(), "{}", response.body);
    }

    async fn start_conversation(&self) -> String {
        self.runner().start_conversation(ECHO, "Hi").await.conversation_id()
    }

    /// The `end` of each entry of the request log.
    async fn ends(&self) -> Vec<Value> {
        let entries = self.control().requests("").await.good();
        let entries = entries["requests"].as_array().unwrap().clone();
        entries.into_iter().map(|entry| entry["end"].clone()).collect()
    }
}

async fn open_streams(app: &TestApp) -> String {
    let metrics = app.control().metrics().await.body;
    let line = metrics.lines().find(|line| line.starts_with("mynah_streams_open "));
    line.unwrap().to_owned()
}

#[tokio::test]
async fn a_stream_that_waits_for_its_next_word_breaks_off() {
    let app = TestApp::with(|config| config.pace = HOUR).await;
    for ending in ENDINGS {
        let account = TestAccount::new(&app).await;
        let id = account.start_conversation().await;
        let snapshot = account.snapshot().await;
        let text = "one two three";
        let mut streams = [
            account.runner().open_stream(ECHO, text).await,
            account.runner().open_conversation_stream(ECHO, &id, text).await,
        ];
        for raw in &mut streams {
            assert_eq!(raw.next_event().await, chunk("one "));
        }
        account.end(ending, &snapshot).await;
        for mut raw in streams {
            assert_eq!(raw.next_event().await, StreamEvent::Broken, "{ending:?}");
        }
        app.settle().await;
        match ending {
            Ending::Reset => assert_eq!(account.ends().await.len(), 0),
            Ending::Restore => {
                assert_eq!(account.ends().await, ["complete", "broken", "broken"]);
                let now = account.snapshot().await;
                assert_eq!(now["conversations"], snapshot["conversations"], "nothing is stored");
            }
            Ending::Remove => {}
        }
    }
}

#[tokio::test]
async fn a_stream_that_a_fault_stalls_or_slows_breaks_off() {
    let app = TestApp::start().await;
    for effect in [json!({"stall_after": 1}), json!({"pace_ms": 3_600_000})] {
        for ending in ENDINGS {
            let account = TestAccount::new(&app).await;
            let snapshot = account.snapshot().await;
            account.add_fault(effect.clone()).await;
            let mut raw = account.runner().open_stream(ECHO, "one two").await;
            assert_eq!(raw.next_event().await, chunk("one "));
            account.end(ending, &snapshot).await;
            assert_eq!(raw.next_event().await, StreamEvent::Broken, "{ending:?} {effect}");
        }
    }
}

/// The client's and the server's buffers are full, and the server waits to write: it has nothing to
/// ask the stream for.
#[tokio::test]
async fn a_stream_that_nobody_reads_ends_too() {
    let app = TestApp::start().await;
    let text = "word after word ".repeat(500_000);
    for ending in ENDINGS {
        let account = TestAccount::new(&app).await;
        let id = account.start_conversation().await;
        let snapshot = account.snapshot().await;
        let mut raw = account.runner().open_conversation_stream(ECHO, &id, &text).await;
        app.settle().await;
        assert_eq!(open_streams(&app).await, "mynah_streams_open 1");
        account.end(ending, &snapshot).await;
        app.settle().await;
        assert_eq!(open_streams(&app).await, "mynah_streams_open 0", "{ending:?}");
        if matches!(ending, Ending::Restore) {
            assert_eq!(account.ends().await, ["complete", "broken"]);
        }
        loop {
            match raw.next_event().await {
                StreamEvent::Chunk(_) => {}
                end => break assert_eq!(end, StreamEvent::Broken, "{ending:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_a_fault_delays_is_refused_at_once() {
    let app = TestApp::start().await;
    let account = TestAccount::new(&app).await;
    account.add_fault(json!({"delay_ms": 3_600_000})).await;
    let request = account.runner().run(ECHO, "Hi");
    // A 409 is not documented for a run.
    let mut waiting = Box::pin(request.undocumented().send());
    for _ in 0..5 {
        assert!((&mut waiting).now_or_never().is_none());
        app.settle().await;
    }
    account.end(Ending::Reset, &Value::Null).await;
    waiting.await.runner_error(409, "invalid_request_error", "account_reset");
}

#[tokio::test]
async fn a_connection_whose_stream_has_ended_is_left_alone() {
    let app = TestApp::start().await;
    let account = TestAccount::new(&app).await;
    let path = format!("/v1/runner/{ECHO}/stream");
    let mut raw = RawConnection::connect(app.address).await;
    for _ in 0..3 {
        raw.post_with_key(&path, &text_body("one two"), &account.key).await;
        assert_eq!(raw.stream().await, ["one ", "two"]);
        account.end(Ending::Reset, &Value::Null).await;
        app.settle().await;
    }
}
