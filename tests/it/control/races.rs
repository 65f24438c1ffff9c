//! Resets, restores, forks and removals while requests to the account are being answered.

use std::collections::BTreeSet;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{ACCOUNTS, DEPLOYMENTS, ECHO, TestApp, client, going_on, said};

const CLIENTS: usize = 8;
const REQUESTS: usize = 25;
const ROUNDS: usize = 12;

/// What a request to an account may get that is reset or removed at any moment: besides success,
/// an unknown key, something that is not there any more, and a conflict with the reset.
const EXPECTED: [u16; 5] = [200, 201, 401, 404, 409];

/// An account made at run time.
struct Account {
    id: String,
    key: String,
}

impl Account {
    async fn make(app: &TestApp) -> Self {
        Self::of(&control(app, Method::POST, "", &json!({"seed": 7, "balance": "1000000"})).await)
    }

    fn of(made: &Value) -> Self {
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        Self { id: text("id"), key: text("key") }
    }

    /// An act of the control plane on the account, which must succeed.
    async fn control(&self, app: &TestApp, method: Method, act: &str, body: &Value) -> Value {
        control(app, method, &format!("/{}{act}", self.id), body).await
    }

    async fn runner(&self, app: &TestApp, path: &str, body: &Value) -> Option<Value> {
        let request = app.request(Method::POST, &format!("/v1/runner/{ECHO}/{path}"));
        let answer = request.key(&self.key).json(body).send().await;
        expected(answer.status.as_u16(), &answer.body)
    }

    async fn characters(&self, app: &TestApp, path: &str, body: &Value) -> Option<Value> {
        let request = app.request(Method::POST, &format!("/api/v1/{path}")).json(body);
        let request = request.header("authorization", format!("Bearer {}", self.key));
        let answer = request.send().await;
        expected(answer.status.as_u16(), &answer.body)
    }

    /// Starts a conversation that nothing gets in the way of; gives its id.
    async fn start(&self, app: &TestApp) -> String {
        let started = self.runner(app, "conversation", &said("Hi")).await.unwrap();
        started["conversation_id"].as_str().unwrap().to_owned()
    }

    /// One request of many kinds, the kind being chosen by `number`.
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
                self.runner(app, "conversation", &going_on(id, "And on")).await;
            }
            (2, Some(id)) => {
                let url = app.url(&format!("/v1/runner/{ECHO}/conversation/stream"));
                let request = streams.post(url).header("x-api-key", &self.key);
                let answer = request.json(&going_on(id, "one two three")).send().await.unwrap();
                assert!(EXPECTED.contains(&answer.status().as_u16()), "{}", answer.status());
                // A stream whose account is reset breaks off.
                let _ = answer.bytes().await;
            }
            (3, _) => {
                let body = json!({"prompt": "A cat", "sd_model_id": picture,
                                  "conversation_id": "conv_123abc"});
                self.characters(app, "images", &body).await;
            }
            (4, _) => {
                let body = json!({"name": "Ann", "sd_model_id": picture, "age": 40});
                self.characters(app, "agents", &body).await;
            }
            (5, _) => {
                let body = json!({"content": "Tell me about neural networks."});
                self.characters(app, "conversations/conv_123abc/messages", &body).await;
            }
            _ => {
                let started = self.runner(app, "conversation", &said("Hi")).await;
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

/// The body of an answer that succeeded, if the answer is one that may be.
#[track_caller]
fn expected(status: u16, body: &str) -> Option<Value> {
    assert!(EXPECTED.contains(&status), "{status}: {body}");
    (status < 300).then(|| serde_json::from_str(body).unwrap())
}

async fn control(app: &TestApp, method: Method, path: &str, body: &Value) -> Value {
    let request = app.request(method, &format!("/_mynah/accounts{path}"));
    let answer = request.json(body).send().await;
    assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.body);
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

/// Resets and restores `account`, and makes and removes forks of it.
async fn churn(app: &TestApp, account: &Account) {
    let mut snapshot = account.control(app, Method::GET, "/snapshot", &json!({})).await;
    for round in 0..ROUNDS {
        match round % 3 {
            0 => {
                account.control(app, Method::POST, "/reset", &json!({})).await;
            }
            1 => snapshot = account.control(app, Method::GET, "/snapshot", &json!({})).await,
            _ => {
                account.control(app, Method::PUT, "/snapshot", &snapshot).await;
            }
        }
        let fork = Account::of(&account.control(app, Method::POST, "/fork", &json!({})).await);
        fork.start(app).await;
        let own = fork.control(app, Method::GET, "/snapshot", &json!({})).await;
        fork.control(app, Method::PUT, "/snapshot", &own).await;
        fork.start(app).await;
        let removed = async {
            fork.control(app, Method::DELETE, "", &json!({})).await;
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
    let fresh = Account::make(&app).await.start(&app).await;
    let account = Account::make(&app).await;
    let clients = join_all((0..CLIENTS).map(|client| account.keep_busy(&app, client)));
    futures::join!(clients, churn(&app, &account));
    account.control(&app, Method::POST, "/reset", &json!({})).await;
    assert_eq!(account.start(&app).await, fresh, "the same seed gives the same ids");
    let own = account.control(&app, Method::GET, "/snapshot", &json!({})).await;
    account.control(&app, Method::PUT, "/snapshot", &own).await;
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
            let account = Account::make(&app).await;
            account.control(&app, Method::DELETE, "", &json!({})).await;
        }
    };
    let list = async || {
        for _ in 0..2 * ROUNDS {
            let all = control(&app, Method::GET, "", &json!({})).await;
            assert!(all.as_array().unwrap().iter().any(|account| account["id"] == "demo"));
        }
    };
    let coming_and_going = join_all((0..4).map(|_| come_and_go()));
    futures::join!(coming_and_going, join_all((0..4).map(|_| list())));
}
