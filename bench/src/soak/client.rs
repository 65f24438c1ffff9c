//! The soak's client: sends requests over a keep-alive connection and counts the outcomes.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};
use mynah::clock::Stopwatch;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Shared;
use super::tally::{Expectation, Outcome, Tally};
use crate::load::{Connection, FullResponse, HttpRequest};

/// Timeout of an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request with its expected outcome.
#[derive(Debug, Clone)]
pub(crate) struct RequestPlan {
    /// The kind that it is counted as.
    pub(crate) kind: &'static str,
    /// The expected outcome.
    pub(crate) expected: Expectation,
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl RequestPlan {
    /// A request without a body that is expected to succeed.
    pub(crate) fn new(kind: &'static str, method: Method, target: impl Into<String>) -> Self {
        let (headers, body) = (Vec::new(), Bytes::new());
        Self { kind, expected: Expectation::Success, method, target: target.into(), headers, body }
    }

    /// Sets a JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw_json(body.to_string())
    }

    /// Sets a body with the content type of JSON.
    pub(crate) fn raw_json(self, body: impl Into<Bytes>) -> Self {
        let plan = self.header("content-type", "application/json");
        Self { body: body.into(), ..plan }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the key headers of both APIs.
    pub(crate) fn key(self, key: &str) -> Self {
        self.header("x-api-key", key).header("authorization", &format!("Bearer {key}"))
    }

    /// Sets the expected outcome.
    pub(crate) fn expected(self, expected: Expectation) -> Self {
        Self { expected, ..self }
    }

    fn request(&self) -> anyhow::Result<HttpRequest> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.target);
        request = request.header("host", "127.0.0.1");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        Ok(request.body(Full::new(self.body.clone()))?)
    }

    fn about(&self, more: &str) -> String {
        let (method, target) = (&self.method, self.target.chars().take(200).collect::<String>());
        let body = String::from_utf8_lossy(self.body.get(..200).unwrap_or(&self.body)).into_owned();
        format!("{method} {target} {body} {more}")
    }
}

/// A client with a connection.
pub(crate) struct Client<'s> {
    address: SocketAddr,
    tally: &'s Tally,
    connection: Option<Connection>,
}

impl<'s> Client<'s> {
    /// Creates a client that connects on first use.
    pub(crate) fn new(shared: &'s Shared) -> Self {
        Self { address: shared.server.address, tally: &shared.tally, connection: None }
    }

    /// Sends a request and reads the whole response; `None` if there was none. Fails only if the server
    /// accepts no connections.
    pub(crate) async fn send(&mut self, plan: RequestPlan) -> anyhow::Result<Option<FullResponse>> {
        let request = plan.request()?;
        let mut connection = match self.connection.take() {
            Some(connection) if connection.is_open() => connection,
            _ => self.connected().await?,
        };
        let response = match timeout(PATIENCE, connection.send(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(format!("{error:#}")),
            Err(_) => Err("no answer in time".to_owned()),
        };
        let outcome = match &response {
            Ok(response) => Outcome::Answered(response.status),
            Err(_) => Outcome::Broken,
        };
        self.tally.count(plan.kind, plan.expected, outcome, || {
            let more = match &response {
                Ok(response) => response.text().unwrap_or_default(),
                Err(error) => error.clone(),
            };
            plan.about(&more.chars().take(300).collect::<String>())
        });
        if response.is_ok() {
            self.connection = Some(connection);
        }
        Ok(response.ok())
    }

    /// Sends a request and disconnects after `chunks` chunks of the body.
    pub(crate) async fn leave_after(
        &mut self,
        plan: RequestPlan,
        chunks: usize,
    ) -> anyhow::Result<()> {
        let mut connection = self.connected().await?;
        let request = plan.request()?;
        let left = timeout(PATIENCE, connection.first_chunks(request, chunks)).await;
        let outcome = match left {
            Ok(Ok(status)) if status.is_success() => Outcome::Left,
            Ok(Ok(status)) => Outcome::Answered(status),
            Ok(Err(_)) | Err(_) => Outcome::Broken,
        };
        self.tally.count(plan.kind, plan.expected, outcome, || plan.about(""));
        Ok(())
    }

    /// Sends a request and parses the response as JSON; `null` if that fails.
    pub(crate) async fn json(&mut self, plan: RequestPlan) -> anyhow::Result<Value> {
        let response = self.send(plan).await?;
        let text = response.map(|response| response.text()).transpose()?.unwrap_or_default();
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    async fn connected(&self) -> anyhow::Result<Connection> {
        let connection = timeout(PATIENCE, Connection::open(self.address)).await;
        connection.context("the connection is not accepted")?.context("the server is gone")
    }
}

/// Requests the server's health every quarter of a second, on a new connection each time. Returns only when
/// it is not answered.
pub(crate) async fn poll_health(shared: &Shared) -> anyhow::Result<()> {
    let mut tick = interval(Duration::from_millis(250));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (watch, mut client) = (Stopwatch::start(), Client::new(shared));
        let plan = RequestPlan::new("health", Method::GET, "/_mynah/health");
        if client.send(plan).await?.is_none() {
            bail!("health was not answered");
        }
        shared.tally.health(watch.elapsed());
    }
}
