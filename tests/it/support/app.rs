//! The server under test.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use mynah::app::fixture_watch::reload;
use mynah::app::{AccountRegistry, Generation};
use mynah::clock::Clock;
use mynah::config::Config;
use mynah::ids::AccountId;
use mynah::server::{Server, Shutdown};
use mynah::storage::Storage;
use reqwest::Method;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::http::{TestRequest, client};
use super::log::accept_subscribers_of_other_threads;
use super::raw::RawConnection;
use super::timeout::within;
use super::{ACCOUNTS, DEPLOYMENTS, KEY, NOW};

/// A server of its own for a test. It stops when it is dropped.
pub struct TestApp {
    pub address: SocketAddr,
    client: reqwest::Client,
    registry: Arc<AccountRegistry>,
    storage: Arc<dyn Storage>,
    generation: Generation,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<Shutdown>>,
    /// The server sent a 5xx that the test did not expect.
    unexpected_5xx: AtomicBool,
}

impl TestApp {
    /// A server with the default configuration of tests.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A server with a changed configuration: `TestApp::with(|config| config.pace = …)`.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        accept_subscribers_of_other_threads();
        let mut config = Config { clock: Some(NOW.parse().unwrap()), ..Config::default() };
        change(&mut config);
        Self::serve(&config).await
    }

    /// A server that reads these fixture files (name and text) instead of the built-in ones.
    pub async fn with_fixtures(files: &[(&str, &str)]) -> Self {
        Self::with_fixtures_and(files, |_| {}).await
    }

    /// The same with a changed configuration.
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

    /// A server with the built-in accounts and deployments and with these rules (or other tables).
    pub async fn with_rules(rules: &str) -> Self {
        Self::with_rules_and(rules, |_| {}).await
    }

    /// The same with a changed configuration.
    pub async fn with_rules_and(rules: &str, change: impl FnOnce(&mut Config)) -> Self {
        let files = [
            ("accounts.toml", ACCOUNTS),
            ("deployments.toml", DEPLOYMENTS),
            ("replies.toml", rules),
        ];
        Self::with_fixtures_and(&files, change).await
    }

    /// A server with the built-in fixtures, of which the file `name` is replaced by `text`.
    pub async fn with_replaced_fixture(name: &str, text: &str) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let read = |entry: std::fs::DirEntry| {
            let file = entry.file_name().into_string().unwrap();
            let built_in = std::fs::read_to_string(entry.path()).unwrap();
            let text = if file == name { text.to_owned() } else { built_in };
            (file, text)
        };
        let files: Vec<(String, String)> = entries.map(read).collect();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
        Self::with_fixtures(&files).await
    }

    /// A server whose Pro plan allows `limit` requests a minute to the Runner API.
    pub async fn with_runner_limit(limit: u32) -> Self {
        let plan = "requests_per_minute = 100";
        let accounts =
            ACCOUNTS.replace(plan, &format!("{plan}\nrunner_requests_per_minute = {limit}"));
        Self::with_fixtures(&[("accounts.toml", &accounts), ("deployments.toml", DEPLOYMENTS)])
            .await
    }

    async fn serve(config: &Config) -> Self {
        let server = Server::build(config).await.expect("the server can be built");
        let registry = Arc::clone(server.registry());
        let storage = Arc::clone(server.storage());
        let generation = server.generation().clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move {
            let _ = stopped.await;
        };
        let server = tokio::spawn(server.serve(listener, stopped, Duration::from_secs(10)));
        Self {
            address,
            client: client(),
            registry,
            storage,
            generation,
            stop: Some(stop),
            server: Some(server),
            unexpected_5xx: AtomicBool::new(false),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The clock of an account.
    pub fn clock(&self, account: &str) -> Arc<Clock> {
        let account = self.registry.by_id(&AccountId::from(account)).expect("the account exists");
        Arc::clone(&account.clock)
    }

    /// What an account has left, in millionths of a credit.
    pub async fn balance(&self, account: &str) -> i64 {
        let id = AccountId::from(account);
        let owner = self.registry.by_id(&id).expect("the account exists").row;
        let balance = self.storage.balance(owner).await.expect("the balance can be read");
        balance.expect("the account is stored").millionths()
    }

    /// Reads the fixtures in `folder` again, as the server does after a change; tells whether they
    /// are in effect.
    pub async fn reload(&self, folder: &Path) -> bool {
        reload(folder, &self.registry).await
    }

    pub(super) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Makes the test fail at its end.
    pub(super) fn note_unexpected_5xx(&self) {
        self.unexpected_5xx.store(true, Ordering::Relaxed);
    }

    /// Any request, without a key.
    pub fn request(&self, method: Method, path: &str) -> TestRequest<'_> {
        TestRequest::new(self, method, path)
    }

    /// `GET` with the demo account's key.
    pub fn get(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::GET, path).key(KEY)
    }

    /// `POST` of a JSON body with the demo account's key.
    pub fn post(&self, path: &str, body: &Value) -> TestRequest<'_> {
        self.request(Method::POST, path).key(KEY).json(body)
    }

    /// Posts with the demo account's key; returns the chunks of the stream in the response.
    pub async fn stream(&self, path: &str, body: &Value) -> Vec<String> {
        let mut connection = RawConnection::connect(self.address).await;
        connection.post(path, body).await;
        connection.stream().await
    }

    /// Waits until the turns of all streams are stored. Every stream must have ended or lost its
    /// client.
    pub async fn streamed_turns_stored(&self) {
        within("the turns of the streams", self.generation.finish()).await;
    }

    /// Lets the server go on as far as it can. It shares the test's one thread, so every task that
    /// was ready before this round trip has run after it.
    pub async fn settle(&self) {
        self.request(Method::GET, "/_mynah/health").await.good();
    }

    /// Whether the server sends nothing more on `connection` for now.
    pub async fn is_silent(&self, connection: &mut RawConnection) -> bool {
        self.settle().await;
        connection.next_event().now_or_never().is_none()
    }

    /// Stops the server as SIGTERM does, and waits for its end.
    pub async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        within("the server's end", self.server.take().unwrap()).await.unwrap();
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let unexpected = self.unexpected_5xx.load(Ordering::Relaxed);
        assert!(
            std::thread::panicking() || !unexpected,
            "the server answered with an unexpected 5xx"
        );
    }
}
