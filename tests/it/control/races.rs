//! Resets, restores, forks and removals while requests to the account are being answered.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::characters::Characters;
use crate::support::control::{AccountControl, NewAccount};
use crate::support::runner::Runner;
use crate::support::{ACCOUNTS, DEPLOYMENTS, ECHO, TestApp, TestResponse, client, continue_body};

const CLIENTS: usize = 8;
const REQUESTS: usize = 25;
const ROUNDS: usize = 12;

/// What a request to an account may get that is reset or removed at any moment: besides success,
/// an unknown key, something that is not there any more, and a conflict with the reset.
const EXPECTED: [u16; 5] = [200, 201, 401, 404, 409];

/// An account created at run time.
struct Account(NewAccount);

impl Account {
    async fn create(app: &TestApp) -> Self {
        let body = json!({"seed": 7, "balance": "1000000"});
        Self(NewAccount::of(&app.control().create_account(&body).await))
    }

    fn control<'a>(&'a self, app: &'a TestApp) -> AccountControl<'a> {
        app.control().account(&self.0.id)
    }

    fn runner<'a>(&'a self, app: &'a TestApp) -> Runner<'a> {
        app.runner_as(&self.0.key)
    }

    fn characters<'a>(&'a self, app: &'a TestApp) -> Characters<'a> {
        app.characters_as(&self.0.key)
    }

    /// Starts a conversation, which must succeed; returns its id.
    async fn start(&self, app: &TestApp) -> String {
        self.runner(app).start_conversation(ECHO, "Hi").await.conversation_id()
    }

    async fn delete(&self, app: &TestApp) {
        assert_eq!(self.control(app).delete().await.status, 204);
    }

    /// One of six kinds of requests, selected by `number`.
    async fn ask(
        &self,
        app: &TestApp,
        streams: &reqwest::Client,
        number: usize,
        conversation: &mut Option<String>,
    ) {
        let picture = "sd_model_456abc";
        match (number % 6, &conversation) {
            (1, Some(id)) => {
                expected(&self.runner(app).continue_conversation(ECHO, id, "And on").await);
            }
            (2, Some(id)) => {
                let url = app.url(&format!("/v1/runner/{ECHO}/conversation/stream"));
                let request = streams.post(url).header("x-api-key", &self.0.key);
                let answer =
                    request.json(&continue_body(id, "one two three")).send().await.unwrap();
                assert!(EXPECTED.contains(&answer.status().as_u16()), "{}", answer.status());
                // A stream whose account is reset breaks off.
                let _ = answer.bytes().await;
            }
            (3, _) => {
                let body = json!({"prompt": "A cat", "sd_model_id": picture,
                                  "conversation_id": "conv_123abc"});
                expected(&self.characters(app).create_image(&body).await);
            }
            (4, _) => {
                let body = json!({"name": "Ann", "sd_model_id": picture, "age": 40});
                expected(&self.characters(app).create_agent(&body).await);
            }
            (5, _) => {
                let request = self.characters(app);
                let text = "Tell me about neural networks.";
                expected(&request.create_message("conv_123abc", text).await);
            }
            _ => {
                let request = self.runner(app).start_conversation(ECHO, "Hi");
                let started = expected(&request.await);
                let id = |started: Value| started["conversation_id"].as_str().map(str::to_owned);
                *conversation = started.and_then(id);
            }
        }
    }

    async fn keep_busy(&self, app: &TestApp, offset: usize) {
        let (streams, mut conversation) = (client(), None);
        for number in 0..REQUESTS {
            self.ask(app, &streams, offset + number, &mut conversation).await;
        }
    }
}

/// The body of a response that succeeded. The status must be one of [`EXPECTED`].
#[track_caller]
fn expected(response: &TestResponse) -> Option<Value> {
    let status = response.status.as_u16();
    assert!(EXPECTED.contains(&status), "{status}: {}", response.body);
    (status < 300).then(|| response.json())
}

/// Resets and restores `account`, and makes and removes forks of it.
async fn reset_restore_and_fork(app: &TestApp, account: &Account) {
    let mut snapshot = account.control(app).snapshot().await.good();
    for round in 0..ROUNDS {
        match round % 3 {
            0 => {
                account.control(app).reset().await.good();
            }
            1 => snapshot = account.control(app).snapshot().await.good(),
            _ => {
                account.control(app).restore(&snapshot).await.good();
            }
        }
        let fork = Account(NewAccount::of(&account.control(app).fork(&json!({})).await));
        fork.start(app).await;
        let own = fork.control(app).snapshot().await.good();
        fork.control(app).restore(&own).await.good();
        fork.start(app).await;
        let removed = async {
            fork.delete(app).await;
        };
        let used = join_all((0..2).map(|client| fork.keep_busy(app, client)));
        futures::join!(removed, used);
    }
}

async fn race(database: &str) {
    let plan = ACCOUNTS.replace("requests_per_minute = 100", "requests_per_minute = 1000000");
    let built_in = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let mut files = vec![("accounts.toml", plan), ("deployments.toml", DEPLOYMENTS.to_owned())];
    for name in ["conversations.toml", "models.toml", "studio.toml"] {
        if let Ok(text) = std::fs::read_to_string(format!("{built_in}/{name}")) {
            files.push((name, text));
        }
    }
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let app = TestApp::with_fixtures_and(&files, |config| config.database = database.into()).await;
    let fresh = Account::create(&app).await.start(&app).await;
    let account = Account::create(&app).await;
    let clients = join_all((0..CLIENTS).map(|client| account.keep_busy(&app, client)));
    futures::join!(clients, reset_restore_and_fork(&app, &account));
    account.control(&app).reset().await.good();
    assert_eq!(account.start(&app).await, fresh, "the same seed gives the same ids");
    let own = account.control(&app).snapshot().await.good();
    account.control(&app).restore(&own).await.good();
    let mut ids = BTreeSet::new();
    for _ in 0..5 {
        assert!(ids.insert(account.start(&app).await), "every conversation has an id of its own");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn resets_restores_forks_and_removals_race_with_requests_and_nothing_breaks() {
    race("sqlite::memory:").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn resets_race_with_requests_and_nothing_breaks_when_the_database_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    race(&format!("sqlite://{}", folder.path().join("race.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn accounts_are_listed_while_others_are_made_and_removed() {
    let app = TestApp::start().await;
    let come_and_go = async || {
        for _ in 0..ROUNDS {
            let account = Account::create(&app).await;
            account.delete(&app).await;
        }
    };
    let list = async || {
        for _ in 0..2 * ROUNDS {
            let all = app.control().list_accounts().await.good();
            assert!(all.as_array().unwrap().iter().any(|account| account["id"] == "demo"));
        }
    };
    let coming_and_going = join_all((0..4).map(|_| come_and_go()));
    futures::join!(coming_and_going, join_all((0..4).map(|_| list())));
}
