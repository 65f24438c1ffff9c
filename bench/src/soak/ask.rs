//! How a client of the soak asks: over a connection that it keeps, counting what comes.

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
use crate::load::{Ask, Came, Line};

/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request, before it is one.
#[derive(Debug, Clone)]
pub(crate) struct RequestPlan {
    /// What it is counted as.
    pub(crate) kind: &'static str,
    /// What may come of it.
    pub(crate) expected: Expectation,
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl RequestPlan {
    /// A request without a body, for which success is expected.
    pub(crate) fn new(kind: &'static str, method: Method, target: impl Into<String>) -> Self {
        let (headers, body) = (Vec::new(), Bytes::new());
        Self { kind, expected: Expectation::Success, method, target: target.into(), headers, body }
    }

    /// With a JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw_json(body.to_string())
    }

    /// With a body that claims to be JSON.
    pub(crate) fn raw_json(self, body: impl Into<Bytes>) -> Self {
        let plan = self.header("content-type", "application/json");
        Self { body: body.into(), ..plan }
    }

    /// With one more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With both headers that carry a key.
    pub(crate) fn key(self, key: &str) -> Self {
        self.header("x-api-key", key).header("authorization", &format!("Bearer {key}"))
    }

    /// With what may come of it.
    pub(crate) fn expected(self, expected: Expectation) -> Self {
        Self { expected, ..self }
    }

    fn request(&self) -> anyhow::Result<Ask> {
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
    line: Option<Line>,
}

impl<'s> Client<'s> {
    /// One that has not connected yet.
    pub(crate) fn new(shared: &'s Shared) -> Self {
        Self { address: shared.server.address, tally: &shared.tally, line: None }
    }

    /// Asks and takes the whole answer; `None` if there was none. Fails only if the server does not
    /// take connections any more.
    pub(crate) async fn ask(&mut self, plan: RequestPlan) -> anyhow::Result<Option<Came>> {
        let request = plan.request()?;
        let mut line = match self.line.take() {
            Some(line) if line.is_open() => line,
            _ => self.connected().await?,
        };
        let came = match timeout(PATIENCE, line.ask(request)).await {
            Ok(Ok(came)) => Ok(came),
            Ok(Err(error)) => Err(format!("{error:#}")),
            Err(_) => Err("no answer in time".to_owned()),
        };
        let outcome = match &came {
            Ok(came) => Outcome::Answered(came.status),
            Err(_) => Outcome::Broken,
        };
        self.tally.count(plan.kind, plan.expected, outcome, || {
            let more = match &came {
                Ok(came) => came.text().unwrap_or_default(),
                Err(error) => error.clone(),
            };
            plan.about(&more.chars().take(300).collect::<String>())
        });
        if came.is_ok() {
            self.line = Some(line);
        }
        Ok(came.ok())
    }

    /// Asks, and leaves after `chunks` chunks of the answer's body.
    pub(crate) async fn leave_after(
        &mut self,
        plan: RequestPlan,
        chunks: usize,
    ) -> anyhow::Result<()> {
        let mut line = self.connected().await?;
        let request = plan.request()?;
        let left = timeout(PATIENCE, line.first_chunks(request, chunks)).await;
        let outcome = match left {
            Ok(Ok(status)) if status.is_success() => Outcome::Left,
            Ok(Ok(status)) => Outcome::Answered(status),
            Ok(Err(_)) | Err(_) => Outcome::Broken,
        };
        self.tally.count(plan.kind, plan.expected, outcome, || plan.about(""));
        Ok(())
    }

    /// Asks for JSON.
    pub(crate) async fn json(&mut self, plan: RequestPlan) -> anyhow::Result<Value> {
        let came = self.ask(plan).await?;
        let text = came.map(|came| came.text()).transpose()?.unwrap_or_default();
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    async fn connected(&self) -> anyhow::Result<Line> {
        let line = timeout(PATIENCE, Line::open(self.address)).await;
        line.context("nobody takes the connection")?.context("the server is gone")
    }
}

/// Asks for the server's health every quarter of a second, on a connection of its own each time:
/// whatever others ask, it is answered. Ends only when it is not.
pub(crate) async fn keep_asking_for_health(shared: &Shared) -> anyhow::Result<()> {
    let mut tick = interval(Duration::from_millis(250));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (watch, mut client) = (Stopwatch::start(), Client::new(shared));
        let plan = RequestPlan::new("health", Method::GET, "/_mynah/health");
        if client.ask(plan).await?.is_none() {
            bail!("health was not answered");
        }
        shared.tally.health(watch.elapsed());
    }
}
