//! A server in one line, and ways to speak to it.
//!
//! [`TestApp`] serves on a free port with a database in memory, a fixed seed, a clock that stands
//! still and streams without pause; each can be changed with the builder. [`Answer`] is what came
//! back, [`raw`] speaks HTTP byte by byte where chunks and broken connections matter, [`binary`]
//! runs the command as users do, and [`limit`] bounds every wait.

pub mod binary;
pub mod characters;
pub mod held;
pub mod limit;
pub mod log;
pub mod process;
pub mod raw;

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use held::{Came, Mark, Sent, hold};
use limit::{LIMIT, within};
use mynah::app::AccountRegistry;
use mynah::app::fixture_watch::reload;
use mynah::clock::Clock;
use mynah::config::Config;
use mynah::ids::AccountId;
use mynah::server::{Server, Shutdown};
use mynah::storage::Store;
use raw::Raw;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The demo account's key, as printed in the documents.
pub const KEY: &str = "YOUR_API_KEY";
/// The deployment of the samples.
pub const DEPLOYMENT: &str = "YOUR_DEPLOYMENT_ID";
/// The conversation of the samples.
pub const CONVERSATION: &str = "550e8400-e29b-41d4-a716-446655440000";
/// The echo deployment, which gives the last message back.
pub const ECHO: &str = "ECHO_DEPLOYMENT_ID";
/// The deployment with structured output.
pub const JSON: &str = "JSON_DEPLOYMENT_ID";
/// The deployment that needs no key.
pub const PUBLIC: &str = "PUBLIC_DEPLOYMENT_ID";
/// The deployment of another project.
pub const OTHER: &str = "OTHER_DEPLOYMENT_ID";
/// The built-in accounts and deployments, for tests that bring fixtures of their own.
pub const ACCOUNTS: &str = include_str!("../../../fixtures/accounts.toml");
pub const DEPLOYMENTS: &str = include_str!("../../../fixtures/deployments.toml");
/// Where the clock stands.
pub const NOW: &str = "2026-05-01T12:00:00Z";

/// A server of one's own. It stops when it is dropped.
pub struct TestApp {
    pub address: SocketAddr,
    client: reqwest::Client,
    worlds: Arc<AccountRegistry>,
    store: Store,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<Shutdown>>,
    /// A 5xx that no test asked for was seen.
    unexpected: AtomicBool,
}

/// How a test's server differs from the usual one.
pub struct Setup(Config);

impl TestApp {
    /// The usual server.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A server with something changed: `TestApp::with(|config| config.pace = …)`.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut setup = Setup::usual();
        change(&mut setup.0);
        setup.start().await
    }

    /// A server that reads these fixture files (name and text) instead of the built-in ones.
    pub async fn with_fixtures(files: &[(&str, &str)]) -> Self {
        Self::with_fixtures_and(files, |_| {}).await
    }

    /// The same, with something else changed besides.
    pub async fn with_fixtures_and(
        files: &[(&str, &str)],
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self::with(|config| {
            config.fixtures = Some(folder.path().to_owned());
            change(config);
        })
        .await
    }

    /// A server with the built-in accounts and deployments, and these rules (or whatever else is
    /// written in fixtures) in place of the rest.
    pub async fn with_rules(rules: &str) -> Self {
        Self::with_rules_and(rules, |_| {}).await
    }

    /// The same, with something else changed besides.
    pub async fn with_rules_and(rules: &str, change: impl FnOnce(&mut Config)) -> Self {
        let files = [
            ("accounts.toml", ACCOUNTS),
            ("deployments.toml", DEPLOYMENTS),
            ("replies.toml", rules),
        ];
        Self::with_fixtures_and(&files, change).await
    }

    /// A server with the built-in fixtures, one file of which is replaced.
    pub async fn with_built_in_but(name: &str, text_instead: &str) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let text_of = |entry: std::fs::DirEntry| {
            let theirs = entry.file_name().into_string().unwrap();
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (theirs.clone(), if theirs == name { text_instead.to_owned() } else { text })
        };
        let files: Vec<(String, String)> = entries.map(text_of).collect();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
        Self::with_fixtures(&files).await
    }

    /// A server whose Pro plan lets `limit` requests a minute through to the Runner API.
    pub async fn with_runner_limit(limit: u32) -> Self {
        let plan = "requests_per_minute = 100";
        let accounts =
            ACCOUNTS.replace(plan, &format!("{plan}\nrunner_requests_per_minute = {limit}"));
        Self::with_fixtures(&[("accounts.toml", &accounts), ("deployments.toml", DEPLOYMENTS)])
            .await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The clock of an account.
    pub fn clock(&self, account: &str) -> Arc<Clock> {
        let world = self.worlds.by_id(&AccountId::from(account)).expect("an account of that name");
        Arc::clone(&world.clock)
    }

    /// Reads the fixtures in `folder` again, as the server does when they have changed; tells
    /// whether they were taken over.
    pub async fn reload(&self, folder: &Path) -> bool {
        reload(folder, &self.worlds).await
    }

    /// A request that can be changed before it is sent.
    pub fn request(&self, method: Method, path: &str) -> Request<'_> {
        let builder = self.client.request(method, self.url(path));
        Request { app: self, builder, mark: Mark::Ordinary }
    }

    /// `GET` with the demo account's key.
    pub fn get(&self, path: &str) -> Request<'_> {
        self.request(Method::GET, path).key(KEY)
    }

    /// `POST` of a JSON body with the demo account's key.
    pub fn post(&self, path: &str, body: &Value) -> Request<'_> {
        self.request(Method::POST, path).key(KEY).json(body)
    }

    /// Runs `text` on a deployment, with the demo account's key.
    pub fn run(&self, deployment: &str, text: &str) -> Request<'_> {
        self.post(&format!("/v1/runner/{deployment}"), &said(text))
    }

    /// Starts a conversation and gives its id.
    pub async fn start_conversation(&self, deployment: &str, text: &str) -> String {
        let answer = self.post(&format!("/v1/runner/{deployment}/conversation"), &said(text)).await;
        answer.good()["conversation_id"].as_str().unwrap().to_owned()
    }

    /// Goes on with a conversation, without streaming.
    pub fn go_on(&self, deployment: &str, conversation: &str, text: &str) -> Request<'_> {
        self.post(&format!("/v1/runner/{deployment}/conversation"), &going_on(conversation, text))
    }

    /// Posts `body` over a connection of its own; gives the chunks of the stream that is answered.
    pub async fn stream(&self, path: &str, body: &Value) -> Vec<String> {
        let mut raw = Raw::connect(self.address).await;
        raw.post(path, body).await;
        raw.stream().await
    }

    /// All messages of a conversation, oldest first.
    pub async fn messages(&self, conversation: &str) -> Vec<Value> {
        let path = format!("/v1/runner/conversation/{conversation}/messages?page_size=100");
        self.get(&path).await.good()["items"].as_array().unwrap().clone()
    }

    /// The same, as soon as there are so many: for turns that are stored behind the client's back.
    pub async fn messages_once_there_are(&self, conversation: &str, count: usize) -> Vec<Value> {
        let look = async {
            loop {
                let messages = self.messages(conversation).await;
                if messages.len() >= count {
                    return messages;
                }
            }
        };
        within("the last of the messages", look).await
    }

    /// Lets the server go on as far as it can. It shares the test's one thread, so whatever was
    /// ready to run before this round trip has run when it is over.
    pub async fn settle(&self) {
        self.request(Method::GET, "/_mynah/health").send().await.good();
    }

    /// The conversations of a list: their ids, in its order.
    pub async fn listed(&self, path: &str) -> Vec<String> {
        let list = self.get(path).await.good();
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Stops the server as SIGTERM does, and waits until it has.
    pub async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        within("the server's end", self.server.take().unwrap()).await.unwrap();
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let seen = self.unexpected.load(Ordering::Relaxed);
        assert!(std::thread::panicking() || !seen, "the server answered with an unexpected 5xx");
    }
}

impl Setup {
    fn usual() -> Self {
        Self(Config { clock: Some(NOW.parse().unwrap()), ..Config::default() })
    }

    async fn start(self) -> TestApp {
        let app = Server::build(&self.0).await.expect("the server can be built");
        let worlds = Arc::clone(app.registry());
        let store = app.store().clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move {
            let _ = stopped.await;
        };
        let server = tokio::spawn(app.serve(listener, stopped, Duration::from_secs(10)));
        TestApp {
            address,
            client: client(),
            worlds,
            store,
            stop: Some(stop),
            server: Some(server),
            unexpected: AtomicBool::new(false),
        }
    }
}

/// A client for a server on this machine, which needs no certificates; an answer may take as long as
/// any wait of a test.
pub fn client() -> reqwest::Client {
    client_builder().timeout(LIMIT).build().unwrap()
}

/// The same, for tests that pause tokio's clock and limit their waits in another way.
pub fn client_without_limit() -> reqwest::Client {
    client_builder().build().unwrap()
}

fn client_builder() -> reqwest::ClientBuilder {
    // Only the first call of a process installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().tls_certs_only([])
}

/// A body that says `text`.
pub fn said(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

/// A body that goes on with a conversation.
pub fn going_on(conversation: &str, text: &str) -> Value {
    let mut body = said(text);
    body["conversation_id"] = json!(conversation);
    body
}

/// `value` with the fields that `aside` names taken away: what a sample leaves open.
#[track_caller]
pub fn without(mut value: Value, aside: &[&str]) -> Value {
    for field in aside {
        let taken = value.as_object_mut().unwrap().shift_remove(*field);
        assert!(taken.is_some(), "there is no {field} in {value}");
    }
    value
}

/// A request on its way: to be changed, and awaited. Both it and its answer are held to the OpenAPI
/// documents.
pub struct Request<'a> {
    app: &'a TestApp,
    builder: reqwest::RequestBuilder,
    mark: Mark,
}

impl Request<'_> {
    pub fn key(self, key: &str) -> Self {
        self.header("x-api-key", key)
    }

    pub fn header(self, name: &str, value: impl Display) -> Self {
        Self { builder: self.builder.header(name, value.to_string()), ..self }
    }

    pub fn json(self, body: &Value) -> Self {
        Self { builder: self.builder.json(body), ..self }
    }

    /// A body as it is, said to be JSON.
    pub fn body(self, body: impl Into<reqwest::Body>) -> Self {
        let builder = self.builder.header("content-type", "application/json").body(body);
        Self { builder, ..self }
    }

    /// A body as it is, with no content type of ours.
    pub fn plain_body(self, body: impl Into<reqwest::Body>) -> Self {
        Self { builder: self.builder.body(body), ..self }
    }

    /// It is meant to be refused, be it for a reason that no schema can tell.
    pub fn deliberately_invalid(self) -> Self {
        Self { mark: Mark::DeliberatelyInvalid, ..self }
    }

    /// It is answered in a way that the documents do not know: by a fault that was asked for, say.
    pub fn beyond_the_documents(self) -> Self {
        Self { mark: Mark::BeyondDocuments, ..self }
    }

    pub async fn send(self) -> Answer {
        let app = self.app;
        let answer = self.send_expecting_5xx().await;
        if answer.status.is_server_error() {
            app.unexpected.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Sends where a 5xx is what the test is about.
    pub async fn send_expecting_5xx(self) -> Answer {
        let (client, request) = self.builder.build_split();
        let request = request.expect("a request");
        let sent = sent(&request, self.mark);
        let response = client.execute(request).await.expect("the server answers");
        let answer = Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.text().await.expect("the answer has an end"),
        };
        let headers = listed(&answer.headers);
        let (status, body) = (answer.status.as_u16(), answer.body.as_bytes());
        hold(&sent, Came { status, headers: &headers, body: Some(body) });
        answer
    }
}

impl<'a> IntoFuture for Request<'a> {
    type Output = Answer;
    type IntoFuture = BoxFuture<'a, Answer>;

    fn into_future(self) -> Self::IntoFuture {
        self.send().boxed()
    }
}

/// A request as it will be sent.
fn sent(request: &reqwest::Request, mark: Mark) -> Sent {
    let url = request.url();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let body = match request.body() {
        Some(body) => body.as_bytes().map(<[u8]>::to_vec),
        None => Some(Vec::new()),
    };
    Sent {
        method: request.method().to_string(),
        target: format!("{}{query}", url.path()),
        headers: listed(request.headers()),
        body,
        mark,
    }
}

fn listed(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// The body of a 200.
    #[track_caller]
    pub fn good(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// A refusal in the Runner API's first envelope, all four keys there; gives the `error`.
    #[track_caller]
    pub fn refused(&self, status: u16, kind: &str, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        let body = self.json();
        let error = body["error"].as_object().unwrap_or_else(|| panic!("no envelope: {body}"));
        let keys: Vec<&str> = error.keys().map(String::as_str).collect();
        assert_eq!(keys, ["type", "message", "param", "code"], "{body}");
        assert_eq!((&error["type"], &error["code"]), (&json!(kind), &json!(code)), "{body}");
        body["error"].clone()
    }

    /// A 400 `invalid_request_error` at `param`; gives the message.
    #[track_caller]
    pub fn invalid(&self, code: &str, param: &str) -> String {
        let error = self.refused(400, "invalid_request_error", code);
        assert_eq!(error["param"], json!(param), "{error}");
        error["message"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}
